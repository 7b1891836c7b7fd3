//! The file with the metrics, which node_exporter's textfile collector reads at any moment: it is never half there.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::disk::atomic_file;

/// node_exporter runs as a user of its own.
const MODE: u32 = 0o644;

/// So much of the file is read, in bytes; ours has some thousand.
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

/// What the file holds, where it is one and can be read.
pub fn read(path: &Path) -> Option<String> {
    // Opening something else, such as a pipe, could wait for ever.
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_READ).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Replaces the file by `text` in one step: a reader finds the old or the new, also after a power failure.
///
/// # Errors
/// If the folder is missing or cannot be written, or has no room. The file is unchanged then.
pub fn write(path: &Path, text: &str) -> Result<(), TextfileError> {
    atomic_file::write(path, text.as_bytes(), MODE, true)
        .map_err(|source| TextfileError { path: path.to_owned(), source })
}
