//! Checks the dump's bytes against the ZIP's directory while they are packed.

use std::io::{self, Read};

use crc32fast::Hasher;

use crate::archive::error::ArchiveError;
use crate::runtime::interrupt::Interrupt;

/// The dump's size and checksum according to the ZIP's directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Declared {
    /// In bytes.
    pub(super) size: u64,
    /// CRC-32 (APPNOTE 4.4.7).
    pub(super) crc32: u32,
}

/// Compares the dump's bytes with the declared size and checksum.
pub(super) struct Check {
    declared: Declared,
    crc32: Hasher,
    size: u64,
}

impl Check {
    pub(super) fn new(declared: Declared) -> Check {
        Check { declared, crc32: Hasher::new(), size: 0 }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.size += bytes.len() as u64;
        if self.size > self.declared.size {
            return Err(damaged("it is longer than the ZIP's directory says"));
        }
        self.crc32.update(bytes);
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), ArchiveError> {
        if self.size < self.declared.size {
            return Err(damaged("it is shorter than the ZIP's directory says"));
        }
        if self.crc32.finalize() != self.declared.crc32 {
            return Err(damaged("its checksum (CRC-32) is wrong"));
        }
        Ok(())
    }
}

pub(super) fn damaged(how: &str) -> ArchiveError {
    ArchiveError::Damaged(io::Error::other(how.to_owned()))
}

/// The compressed input of a decoder; fails if the run is interrupted. Its errors are [`ArchiveError`]s within an `io::Error`,
/// to distinguish them from the decoder's own errors, which mean damaged data.
pub(super) struct Raw<'a, R> {
    pub(super) inner: R,
    pub(super) interrupt: &'a Interrupt,
    /// Converts an error of `inner`.
    pub(super) error: fn(io::Error) -> ArchiveError,
}

impl<R: Read> Read for Raw<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt.check().map_err(|interrupted| io::Error::other(ArchiveError::from(interrupted)))?;
        loop {
            match self.inner.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map_err(|error| io::Error::other((self.error)(error))),
            }
        }
    }
}

impl ArchiveError {
    pub(super) fn from_decoder(error: io::Error) -> ArchiveError {
        error.downcast().unwrap_or_else(ArchiveError::Damaged)
    }
}

/// Fills `buffer`, or reads up to the end of `reader`; returns the number of bytes read.
pub(super) fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ArchiveError::from_decoder(error)),
        }
    }
    Ok(filled)
}
