//! The metrics file. node_exporter's textfile collector may read it at any moment, so it is replaced atomically.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{atomic_file, bounded_read};

/// node_exporter runs as another user.
const MODE: u32 = 0o644;

/// In bytes; the program writes a few thousand.
const MAX_READ: u64 = 64 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
#[error(
    "cannot write {}; its folder must exist and be writable for this job's user",
    path.display()
)]
pub struct TextfileError {
    path: PathBuf,
    source: io::Error,
}

/// `None` if the file is missing or unreadable.
pub fn read(path: &Path) -> Option<String> {
    String::from_utf8(bounded_read::read(path, MAX_READ).ok()?).ok()
}

/// Keeps other runs from writing the files in the folder of `path` until the result is dropped (flock(2)). `None` if that is
/// not possible; then the last one wins.
pub fn lock(path: &Path) -> Option<File> {
    let folder = File::open(path.parent()?).ok()?;
    folder.lock().ok().map(|()| folder)
}

/// A reader finds the old or the new text, even after a power failure. After an error, the file is unchanged.
pub fn write(path: &Path, text: &str) -> Result<(), TextfileError> {
    atomic_file::write(path, text.as_bytes(), MODE, true)
        .map_err(|source| TextfileError { path: path.to_owned(), source })
}
