//! Reads a JSON file of a configuration, and finds its folder.

use std::path::{Path, PathBuf};

use super::json::{self, SyntaxError, Value};
use super::mistakes::{LoadError, Refusal};
use crate::disk::bounded_read::{self, ReadError};

const MAX_FILE_BYTES: u64 = 1024 * 1024;

pub(super) enum FileError {
    /// Without its subject.
    Unreadable(Refusal),
    Syntax(SyntaxError),
}

impl FileError {
    /// The error of the configuration `file`.
    pub(super) fn of_configuration(self, file: &Path) -> LoadError {
        let file = file.to_owned();
        match self {
            FileError::Unreadable(Refusal { problem, fix }) => {
                LoadError::File { file, problem: format!("the configuration file {problem}; {fix}") }
            }
            FileError::Syntax(SyntaxError { line, column, problem }) => {
                LoadError::Syntax { file, line, column, problem }
            }
        }
    }
}

/// The value in the file, which may begin with a byte order mark. JSON is UTF-8 (RFC 8259, section 8.1).
pub(super) fn read(path: &Path) -> Result<Value, FileError> {
    let bytes = bounded_read::read(path, MAX_FILE_BYTES).map_err(|error| match error {
        ReadError::NotAFile => Refusal::new("is not a regular file", "name a JSON file"),
        ReadError::TooLarge(limit) => Refusal::new(format!("is larger than {limit} bytes"), "name a JSON file"),
        ReadError::Io(error) => Refusal::new(format!("cannot be read: {error}"), "check the path and its permissions"),
    });
    let text = bytes
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| Refusal::new("is not UTF-8", "save it as UTF-8")))
        .map_err(FileError::Unreadable)?;
    json::parse(text.strip_prefix('\u{feff}').unwrap_or(&text)).map_err(FileError::Syntax)
}

/// The folder where relative paths in the file `path` start; without symbolic links if it exists.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    parent.canonicalize().or_else(|_| std::path::absolute(parent)).unwrap_or_else(|_| parent.to_owned())
}
