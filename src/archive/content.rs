//! The dump's bytes on their way into the archive, checked against what the ZIP's directory says of them.

use std::io::{self, Read};

use crc32fast::Hasher;

use crate::archive::error::ArchiveError;
use crate::runtime::interrupt::{Interrupt, Interrupted};

/// What the ZIP's directory says of the dump's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Declared {
    /// Size in bytes.
    pub(super) size: u64,
    /// CRC-32 (APPNOTE 4.4.7).
    pub(super) crc32: u32,
}

/// Counts and sums up the dump's bytes as they pass.
pub(super) struct Check {
    declared: Declared,
    crc32: Hasher,
    size: u64,
}

impl Check {
    pub(super) fn against(declared: Declared) -> Check {
        Check { declared, crc32: Hasher::new(), size: 0 }
    }

    /// `bytes` are next.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.size += bytes.len() as u64;
        if self.size > self.declared.size {
            return Err(damaged("it is longer than the ZIP's directory says"));
        }
        self.crc32.update(bytes);
        Ok(())
    }

    /// That was all.
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

/// That the dump is damaged, and how.
pub(super) fn damaged(how: &str) -> ArchiveError {
    ArchiveError::Damaged(io::Error::other(how.to_owned()))
}

/// The bytes that a decoder reads: at an end when the run is.
pub(super) struct Raw<'a, R> {
    pub(super) inner: R,
    pub(super) interrupt: &'a Interrupt,
}

impl<R: Read> Read for Raw<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt.check().map_err(|interrupted| io::Error::other(SourceFault::Interrupted(interrupted)))?;
        loop {
            match self.inner.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map_err(|error| io::Error::other(SourceFault::Read(error))),
            }
        }
    }
}

/// A fault of [`Raw`] itself, on its way through a decoder, whose own faults mean damaged data.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceFault {
    #[error(transparent)]
    Interrupted(Interrupted),
    #[error(transparent)]
    Read(io::Error),
}

impl ArchiveError {
    /// What `error` means, met while the dump was read or decoded.
    pub(super) fn of_decoding(error: io::Error) -> ArchiveError {
        match error.downcast::<SourceFault>() {
            Ok(SourceFault::Interrupted(interrupted)) => interrupted.into(),
            Ok(SourceFault::Read(error)) => ArchiveError::Read(error),
            Err(error) => ArchiveError::Damaged(error),
        }
    }
}

/// Fills `buffer` as far as `reader` allows.
pub(super) fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ArchiveError::of_decoding(error)),
        }
    }
    Ok(filled)
}
