//! What can be wrong with a configuration, told so that the operator can mend it.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::config::MAX_FILE_BYTES;
use crate::rules::redaction::printable;

/// One mistake in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The key, with the sections that it stands in: `source.url`, `email.to[0]`.
    pub path: String,
    /// What is wrong with it, never with the value of a secret.
    pub problem: String,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.path, self.problem, self.fix)
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file is missing, or may not be read.
    #[error("{}: the configuration file cannot be read; check the path and who may read it", shown(file))]
    Unreadable {
        /// The configuration file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is a folder, a pipe or a device.
    #[error("{}: the configuration is not a regular file; name a JSON file", shown(file))]
    NotAFile {
        /// What was named as configuration file.
        file: PathBuf,
    },
    /// No configuration is this long.
    #[error("{}: the configuration file is longer than {MAX_FILE_BYTES} bytes; name a JSON file", shown(file))]
    TooLarge {
        /// The configuration file.
        file: PathBuf,
    },
    /// JSON is UTF-8 (RFC 8259, section 8.1).
    #[error("{}: the configuration file is not UTF-8; save it as UTF-8", shown(file))]
    NotUtf8 {
        /// The configuration file.
        file: PathBuf,
    },
    /// Whoever can write the configuration steers what is removed, and as whom.
    #[error("{}: the configuration cannot be trusted: {}", shown(file), reasons.join("; "))]
    Permissions {
        /// The configuration file.
        file: PathBuf,
        /// Who can do what with the file or a folder above it, each with the command that corrects it.
        reasons: Vec<String>,
    },
    /// The file is not JSON.
    #[error("{}: not JSON at line {line}, column {column}: {problem}; mend the file there", shown(file))]
    Syntax {
        /// The configuration file.
        file: PathBuf,
        /// Line of the fault, from 1.
        line: usize,
        /// Column of the fault in bytes, from 1.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// The file is JSON, but no configuration.
    #[error("{}", lines_of(file, mistakes).join("\n"))]
    Mistakes {
        /// The configuration file.
        file: PathBuf,
        /// Every mistake, in the order in which the keys are documented.
        mistakes: Vec<Mistake>,
    },
}

impl LoadError {
    /// The error and its cause as lines for a log: one for each mistake, each with the file's name.
    pub fn lines(&self) -> Vec<String> {
        match self {
            LoadError::Mistakes { file, mistakes } => lines_of(file, mistakes),
            other => match other.source() {
                Some(cause) => vec![format!("{other}: {cause}")],
                None => vec![other.to_string()],
            },
        }
    }
}

/// `path` for a message: on one line whatever its name holds.
pub(super) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

fn lines_of(file: &Path, mistakes: &[Mistake]) -> Vec<String> {
    mistakes.iter().map(|mistake| format!("{}: {mistake}", shown(file))).collect()
}
