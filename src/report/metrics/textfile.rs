//! The file with the metrics, which node_exporter's textfile collector reads at any moment: it is never half there.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::atomic_file;
use crate::disk::bounded_read;

/// node_exporter runs as a user of its own.
const MODE: u32 = 0o644;

/// A larger file is not read, in bytes; that of this program has some thousand.
const MAX_READ: u64 = 1024 * 1024;

/// The metrics could not be written.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot write {}; its folder must be there, and this job's user must be able to write in it",
    path.display()
)]
pub struct TextfileError {
    path: PathBuf,
    source: io::Error,
}

/// The text of the file; `None` if it cannot be read.
pub fn read(path: &Path) -> Option<String> {
    String::from_utf8(bounded_read::read(path, MAX_READ).ok()?).ok()
}

/// Replaces the file by `text` in one step: a reader finds the old or the new, also after a power failure.
///
/// # Errors
/// If the folder is missing or cannot be written, or has no room. The file is unchanged then.
pub fn write(path: &Path, text: &str) -> Result<(), TextfileError> {
    atomic_file::write(path, text.as_bytes(), MODE, true)
        .map_err(|source| TextfileError { path: path.to_owned(), source })
}
