//! What can be wrong with a configuration, and the words for it.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::json::Value;
use crate::rules::redaction::printable;

/// Longest configuration file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Longest part of a value that a message repeats, in characters.
const LONGEST_QUOTE: usize = 60;

/// How alike two words are of which one begins with the other, as `hostname` and `host`: more than unrelated words, less
/// than a misspelt one.
const SAME_BEGINNING: f64 = 0.6;

/// One mistake in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The key with its sections: `source.url`, `email.to[0]`.
    pub path: String,
    /// What is wrong with it. Never holds a secret.
    pub problem: String,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.path, self.problem, self.fix)
    }
}

/// A [`Mistake`] in a value whose key is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) problem: String,
    pub(super) fix: String,
}

impl Refusal {
    pub(super) fn new(problem: impl Into<String>, fix: impl Into<String>) -> Refusal {
        Refusal { problem: problem.into(), fix: fix.into() }
    }

    pub(super) fn of_key(self, path: impl Into<String>) -> Mistake {
        Mistake { path: path.into(), problem: self.problem, fix: self.fix }
    }
}

pub(super) fn refuse<T>(problem: impl Into<String>, fix: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(problem, fix))
}

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("{}: the configuration file cannot be read; check the path and who may read it", shown(file))]
    Unreadable { file: PathBuf, source: io::Error },
    /// It is a folder, a pipe or a device.
    #[error("{}: the configuration is not a regular file; name a JSON file", shown(file))]
    NotAFile { file: PathBuf },
    #[error("{}: the configuration file is longer than {MAX_FILE_BYTES} bytes; name a JSON file", shown(file))]
    TooLarge { file: PathBuf },
    /// JSON is UTF-8 (RFC 8259, section 8.1).
    #[error("{}: the configuration file is not UTF-8; save it as UTF-8", shown(file))]
    NotUtf8 { file: PathBuf },
    /// Others could write the file. Each reason names the command that corrects it.
    #[error("{}: the configuration cannot be trusted: {}", shown(file), reasons.join("; "))]
    Permissions { file: PathBuf, reasons: Vec<String> },
    /// The file is not JSON. Line and column (in bytes) count from 1.
    #[error("{}: not JSON at line {line}, column {column}: {problem}; fix the file there", shown(file))]
    Syntax { file: PathBuf, line: usize, column: usize, problem: String },
    /// Every mistake, in the order in which the keys are documented.
    #[error("{}", lines_of(file, mistakes).join("\n"))]
    Mistakes { file: PathBuf, mistakes: Vec<Mistake> },
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

fn lines_of(file: &Path, mistakes: &[Mistake]) -> Vec<String> {
    mistakes.iter().map(|mistake| format!("{}: {mistake}", shown(file))).collect()
}

/// `path` on one line, whatever its name holds.
pub(super) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// `text` in quotes, on one line and not too long.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", shortened(text))
}

pub(super) fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST_QUOTE).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    printable(&short)
}

/// Refuses `found`, which is not of the type `wanted`. Only a simple value is repeated.
pub(super) fn wrong_type(wanted: &str, found: &Value, fix: &str) -> Refusal {
    let found = match found {
        Value::Boolean(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => format!("the text {}", quoted(text)),
        other => other.kind().to_owned(),
    };
    Refusal::new(format!("must be {wanted}, found {found}"), fix)
}

/// `did you mean "…"?` with the candidate that `word` is most like; `None` where it is like none of them.
pub(super) fn did_you_mean(word: &str, candidates: &[&str]) -> Option<String> {
    let word: String = word.chars().take(LONGEST_QUOTE).collect::<String>().to_lowercase();
    candidates
        .iter()
        .map(|candidate| (likeness(&word, &candidate.to_lowercase()), candidate))
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .filter(|(likeness, _)| *likeness > 0.5)
        .map(|(_, candidate)| format!("did you mean \"{candidate}\"?"))
}

/// From 0 to 1.
fn likeness(word: &str, candidate: &str) -> f64 {
    let by_letters = strsim::normalized_damerau_levenshtein(word, candidate);
    let begins_alike = word.len() > 2 && (word.starts_with(candidate) || candidate.starts_with(word));
    if begins_alike { by_letters.max(SAME_BEGINNING) } else { by_letters }
}
