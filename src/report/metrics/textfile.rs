//! The metrics file, which node_exporter's textfile collector may read at any moment: it is always complete.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{atomic_file, bounded_read};

/// node_exporter runs as another user.
const MODE: u32 = 0o644;

/// In bytes; the program writes a few thousand.
const MAX_READ: u64 = 1024 * 1024;

#[derive(Debug, thiserror::Error)]
#[error(
    "cannot write {}; its folder must exist, and this job's user must be able to write in it",
    path.display()
)]
pub struct TextfileError {
    path: PathBuf,
    source: io::Error,
}

/// The file's text; `None` if there is none or it cannot be read.
pub fn read(path: &Path) -> Option<String> {
    String::from_utf8(bounded_read::read(path, MAX_READ).ok()?).ok()
}

/// Replaces the file in one step: a reader finds the old or the new text, even after a power failure.
///
/// # Errors
/// If the folder is missing, not writable or full. The file is then unchanged.
pub fn write(path: &Path, text: &str) -> Result<(), TextfileError> {
    atomic_file::write(path, text.as_bytes(), MODE, true)
        .map_err(|source| TextfileError { path: path.to_owned(), source })
}
