//! Opens only regular files, and reads them up to a limit.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is not a regular file")]
    NotAFile,
    /// The limit, in bytes.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> io::Error {
        match error {
            ReadError::Io(error) => error,
            ReadError::NotAFile => io::Error::new(io::ErrorKind::InvalidInput, error.to_string()),
            ReadError::TooLarge(_) => io::Error::new(io::ErrorKind::FileTooLarge, error.to_string()),
        }
    }
}

/// Reads the regular file `path`, or a link to one, if it has at most `max_bytes`.
pub fn read(path: &Path, max_bytes: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    open(path)?.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes { Err(ReadError::TooLarge(max_bytes)) } else { Ok(bytes) }
}

/// Opens the regular file `path`, or a link to one, for reading.
pub fn open(path: &Path) -> Result<File, ReadError> {
    open_with(path, OpenOptions::new().read(true))
}

/// Opens the regular file `path`, or a link to one, with `options`. Never opens a pipe or a device: opening a pipe can block,
/// and opening a device can have side effects.
pub(super) fn open_with(path: &Path, options: &mut OpenOptions) -> Result<File, ReadError> {
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(ReadError::NotAFile);
    }
    // Another file may have replaced it since then.
    let file = options.custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(ReadError::NotAFile) }
}
