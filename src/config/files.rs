//! Reading the files that a configuration is made of and names: bounded, and never one that is not a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// Why a file was not read.
#[derive(Debug)]
pub(super) enum FileFault {
    Unreadable(io::Error),
    NotAFile,
    TooLarge,
}

/// Reads the regular file `path`, if it has at most `max_bytes`.
pub(super) fn read(path: &Path, max_bytes: u64) -> Result<Vec<u8>, FileFault> {
    let mut bytes = Vec::new();
    open(path)?.take(max_bytes + 1).read_to_end(&mut bytes).map_err(FileFault::Unreadable)?;
    if bytes.len() as u64 > max_bytes {
        return Err(FileFault::TooLarge);
    }
    Ok(bytes)
}

/// Opens the regular file `path`.
pub(super) fn open(path: &Path) -> Result<File, FileFault> {
    // Without O_NONBLOCK, opening a pipe waits for its other end.
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(FileFault::Unreadable)?;
    let metadata = file.metadata().map_err(FileFault::Unreadable)?;
    if !metadata.is_file() {
        return Err(FileFault::NotAFile);
    }
    Ok(file)
}
