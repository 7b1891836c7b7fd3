//! Checks free space and write permission before a file is written.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use crate::disk::bounded_read::open_with;
use crate::rules::units;

/// Checks that `needed` bytes are free in `folder`. Succeeds if the file system does not report its free space.
pub fn check_space(folder: &Path, needed: u64) -> io::Result<()> {
    let Some(free) = free_space(folder).filter(|free| *free < needed) else { return Ok(()) };
    let figures = format!("needs {}, {} free", units::size(needed), units::size(free));
    Err(io::Error::new(io::ErrorKind::StorageFull, figures))
}

/// In bytes; `None` if the file system of `folder` does not report it.
pub fn free_space(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok().filter(|stat| stat.f_blocks > 0)?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Checks that this process can write the file `path`, or create it if it is missing. Writes and creates nothing.
pub fn check_writable(path: &Path) -> io::Result<()> {
    match open_to_append(path, OpenOptions::new()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tempfile::tempfile_in(path.parent().unwrap_or(Path::new("/"))).map(drop)
        }
        other => other.map(drop),
    }
}

/// Opens the regular file `path`, or a link to one, for appending, with additional `options`.
pub fn open_to_append(path: &Path, mut options: OpenOptions) -> io::Result<File> {
    Ok(open_with(path, options.append(true))?)
}
