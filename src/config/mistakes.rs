//! What can be wrong with a configuration, and the words for it.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::json::Value;
use crate::rules::redaction::printable;

/// Longest part of a value that a message repeats, in characters.
const LONGEST_QUOTE: usize = 60;

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

impl Display for Mistake {
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

    /// The same with what it is about in front: a value, a file or a variable.
    pub(super) fn about(self, subject: impl Display) -> Refusal {
        Refusal { problem: format!("{subject} {}", self.problem), ..self }
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
    /// The file cannot be read, or is no text.
    #[error("{}: {problem}", shown(file))]
    File { file: PathBuf, problem: String },
    /// Others could write the file. Each reason names the command that corrects it.
    #[error("{}: the configuration cannot be trusted: {}", shown(file), reasons.join("; "))]
    Permissions { file: PathBuf, reasons: Vec<String> },
    /// Line and column (in bytes) count from 1.
    #[error("{}: not JSON at line {line}, column {column}: {problem}; fix the file there", shown(file))]
    Syntax { file: PathBuf, line: usize, column: usize, problem: String },
    /// Every mistake, in the order in which the keys are documented.
    #[error("{}", mistakes.iter().map(|mistake| format!("{}: {mistake}", shown(file))).collect::<Vec<_>>().join("\n"))]
    Mistakes { file: PathBuf, mistakes: Vec<Mistake> },
}

impl LoadError {
    /// The error as lines for a log: one for each mistake, each with the file's name.
    pub fn lines(&self) -> Vec<String> {
        self.to_string().lines().map(str::to_owned).collect()
    }
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
