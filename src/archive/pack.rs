//! Packs a dump from its data in the ZIP into a `.tgz`: a gzip file of several members, which any gunzip reads as one.

use std::io::{self, Read, Write};

use bzip2::read::BzDecoder;
use chrono::{DateTime, Utc};
use deflate64::Deflate64Decoder;
use flate2::GzBuilder;
use flate2::bufread::DeflateDecoder;
use zip::CompressionMethod;

use crate::archive::content::{Check, Raw};
use crate::archive::error::ArchiveError;
use crate::archive::tar::{self, Member};
use crate::archive::zipped_dump::ZippedDump;
use crate::archive::{gzip, recompress, reuse};
use crate::config::Compression;
use crate::rules::dump::base_name;
use crate::rules::origin::Mark;
use crate::runtime::interrupt::Interrupt;

const BUFFER: usize = 128 * 1024;

impl ZippedDump {
    /// Writes the `.tgz` to `output`. `raw` is the dump's [`data`](ZippedDump::data) in the ZIP. The archive has the dump's
    /// base name and the time `modified`, and `mark` in the gzip header. The result is the same on every machine.
    ///
    /// # Errors
    /// If the dump is damaged, `raw` or `output` fails, or the run is interrupted. The output is then unusable.
    pub fn pack(
        &self,
        raw: impl Read,
        compression: Compression,
        modified: DateTime<Utc>,
        mark: &Mark,
        output: &mut impl Write,
        interrupt: &Interrupt,
    ) -> Result<(), ArchiveError> {
        let name = base_name(&self.entry().name);
        let head = tar::head(&Member { name, size: self.declared.size, modified }).map_err(ArchiveError::Write)?;
        let tail = tar::tail(self.declared.size);
        let mut raw = Raw { inner: raw, interrupt, error: ArchiveError::Read };
        match compression {
            Compression::Level(level) => {
                self.compress_at(gzip::marked_builder(mark), level, [&head, &tail], raw, output)
            }
            Compression::Reuse => {
                put(output, gzip::first_member(&head, 0, mark))?;
                if self.method == CompressionMethod::Deflated {
                    reuse::write(&mut raw, self.declared, output)?;
                } else {
                    recompress::write(self.decoded(raw)?, self.declared, output)?;
                }
                put(output, gzip::member(&tail, 0))
            }
        }
    }

    /// Writes head, dump and tail as a single member.
    fn compress_at<R: Read>(
        &self,
        gzip: GzBuilder,
        level: u32,
        [head, tail]: [&[u8]; 2],
        raw: Raw<'_, R>,
        output: &mut impl Write,
    ) -> Result<(), ArchiveError> {
        let mut encoder = gzip.write(output, flate2::Compression::new(level));
        encoder.write_all(head).map_err(ArchiveError::Write)?;
        let mut decoded = self.decoded(raw)?;
        let mut check = Check::new(self.declared);
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = match decoded.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => return Err(ArchiveError::from_decoder(error)),
            };
            check.update(&buffer[..count])?;
            encoder.write_all(&buffer[..count]).map_err(ArchiveError::Write)?;
        }
        check.finish()?;
        encoder.write_all(tail).and_then(|()| encoder.finish().map(|_| ())).map_err(ArchiveError::Write)
    }

    /// Decompresses the dump.
    fn decoded<'a, R: Read + 'a>(&self, raw: Raw<'a, R>) -> Result<Box<dyn Read + 'a>, ArchiveError> {
        let raw = io::BufReader::with_capacity(BUFFER, raw);
        Ok(match self.method {
            CompressionMethod::Stored => Box::new(raw),
            CompressionMethod::Deflated => Box::new(DeflateDecoder::new(raw)),
            CompressionMethod::Deflate64 => Box::new(Deflate64Decoder::with_buffer(raw)),
            CompressionMethod::Bzip2 => Box::new(BzDecoder::new(raw)),
            _ => return Err(ArchiveError::Inconsistent("its directory and the dump's header differ")),
        })
    }
}

fn put(output: &mut impl Write, member: io::Result<Vec<u8>>) -> Result<(), ArchiveError> {
    member.and_then(|bytes| output.write_all(&bytes)).map_err(ArchiveError::Write)
}
