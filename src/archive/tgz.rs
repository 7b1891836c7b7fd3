//! A gzipped tar archive with one member, the same bytes on any machine.

use std::io::{self, Read, Write};

use chrono::{DateTime, Utc};
use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

use super::ArchiveError;
use crate::interrupt::Interrupt;
use crate::progress::Bar;

/// zlib's usual level.
const LEVEL: Compression = Compression::new(6);
/// "Unknown" in a gzip header (RFC 1952 section 2.3.1): the archive does not tell where it was made.
const UNKNOWN_SYSTEM: u8 = 255;
/// Only its owner may read what is extracted: it is a database.
const MODE: u32 = 0o600;

/// What the archive's one member is called, and more.
pub(super) struct Member<'a> {
    /// Its name, without folders.
    pub(super) name: &'a str,
    /// Its size in bytes.
    pub(super) size: u64,
    /// When it was modified.
    pub(super) modified: DateTime<Utc>,
}

/// Writes `member`, whose bytes `content` gives, as an archive into `output`.
pub(super) fn write(
    member: &Member<'_>,
    content: impl Read,
    output: impl Write,
    interrupt: &Interrupt,
    bar: &Bar,
) -> Result<(), ArchiveError> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(MODE);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(member.size);
    header.set_mtime(u64::try_from(member.modified.timestamp()).unwrap_or(0));

    let gzip = GzBuilder::new().mtime(0).operating_system(UNKNOWN_SYSTEM).write(output, LEVEL);
    let mut archive = Builder::new(gzip);
    let mut content = Watched { inner: content, left: member.size, interrupt, bar, fault: None };
    let appended = archive.append_data(&mut header, member.name, &mut content);
    if let Some(fault) = content.fault {
        return Err(fault);
    }
    appended.map_err(ArchiveError::Write)?;
    let gzip = archive.into_inner().map_err(ArchiveError::Write)?;
    gzip.finish().and_then(|mut output| output.flush()).map_err(ArchiveError::Write)
}

/// Reads the dump and keeps its own faults apart from those of whoever it is copied to: a wrong checksum, more or
/// fewer bytes than declared, the end of the run.
struct Watched<'a, R> {
    inner: R,
    left: u64,
    interrupt: &'a Interrupt,
    bar: &'a Bar,
    fault: Option<ArchiveError>,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.next(buffer) {
            Ok(count) => count,
            Err(fault) => {
                self.fault = Some(fault);
                return Err(io::ErrorKind::Other.into());
            }
        };
        self.bar.advance(count);
        Ok(count)
    }
}

impl<R: Read> Watched<'_, R> {
    fn next(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        self.interrupt.check()?;
        let count = loop {
            match self.inner.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(ArchiveError::Damaged)?,
            }
        };
        if count == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(wrong_size("shorter"));
        }
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| wrong_size("longer"))?;
        Ok(count)
    }
}

fn wrong_size(how: &str) -> ArchiveError {
    ArchiveError::Damaged(io::Error::other(format!("it is {how} than the ZIP's directory says")))
}
