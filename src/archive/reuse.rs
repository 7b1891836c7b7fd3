//! Copies the ZIP's own deflate data into a gzip member, without compressing it again.
//!
//! Both formats wrap the same deflate stream (RFC 1951; APPNOTE 4.4.5, method 8) in a header and a trailer of their
//! own. The stream is also inflated, to check it.

use std::io::{Read, Write};

use flate2::{Decompress, FlushDecompress, Status};

use crate::archive::content::{Check, Declared, damaged, fill};
use crate::archive::error::ArchiveError;
use crate::archive::gzip;

const COMPRESSED: usize = 128 * 1024;
const INFLATED: usize = 256 * 1024;

/// Copies the deflate stream in `raw` to `output` as a gzip member, and checks that its content is as `declared` and that it
/// ends where `raw` ends.
pub(super) fn write(raw: &mut impl Read, declared: Declared, output: &mut impl Write) -> Result<(), ArchiveError> {
    output.write_all(&gzip::HEADER).map_err(ArchiveError::Write)?;
    let mut inflater = Inflater { state: Decompress::new(false), check: Check::new(declared), has_ended: false };
    let mut buffer = vec![0; COMPRESSED];
    let mut inflated = vec![0; INFLATED];
    loop {
        let filled = fill(raw, &mut buffer)?;
        if filled == 0 {
            break;
        }
        output.write_all(&buffer[..filled]).map_err(ArchiveError::Write)?;
        inflater.update(&buffer[..filled], &mut inflated)?;
    }
    inflater.finish()?;
    output.write_all(&gzip::trailer(declared.crc32, declared.size)).map_err(ArchiveError::Write)
}

struct Inflater {
    state: Decompress,
    check: Check,
    has_ended: bool,
}

impl Inflater {
    fn update(&mut self, mut deflated: &[u8], buffer: &mut [u8]) -> Result<(), ArchiveError> {
        loop {
            if self.has_ended {
                return if deflated.is_empty() { Ok(()) } else { Err(damaged("more data follows its end")) };
            }
            let (consumed, produced) = (self.state.total_in(), self.state.total_out());
            let status = self
                .state
                .decompress(deflated, buffer, FlushDecompress::None)
                .map_err(|error| damaged(&error.to_string()))?;
            // Both are at most the lengths of the slices.
            let consumed = (self.state.total_in() - consumed) as usize;
            let produced = (self.state.total_out() - produced) as usize;
            self.check.update(&buffer[..produced])?;
            deflated = &deflated[consumed..];
            self.has_ended = status == Status::StreamEnd;
            let is_drained = deflated.is_empty() && produced < buffer.len();
            if is_drained || (consumed == 0 && produced == 0 && !self.has_ended) {
                return Ok(());
            }
        }
    }

    fn finish(self) -> Result<(), ArchiveError> {
        if !self.has_ended {
            return Err(damaged("its data is truncated"));
        }
        self.check.finish()
    }
}
