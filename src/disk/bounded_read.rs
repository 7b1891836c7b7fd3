//! Reads a file of limited size into memory.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::path::Path;

use super::open_regular;

/// Reads the regular file `path`, which may have up to `max_bytes`.
///
/// # Errors
/// [`FileTooLarge`](io::ErrorKind::FileTooLarge) where it has more; otherwise as [`open_regular`].
pub fn read(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path, OpenOptions::new().read(true))?.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {max_bytes} bytes")));
    }
    Ok(bytes)
}
