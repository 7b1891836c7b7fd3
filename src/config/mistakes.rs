//! Mistakes in a configuration, errors of loading it, and their messages.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::json::Value;
use crate::rules::redaction::printable;

/// Messages truncate longer values.
const MAX_QUOTED_CHARS: usize = 60;

/// One mistake in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The key with its sections: `source.url`, `email.to[0]`.
    pub path: String,
    /// Never contains a secret.
    pub problem: String,
    pub fix: String,
}

impl Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.path, self.problem, self.fix)
    }
}

/// A [`Mistake`] without its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) problem: String,
    pub(super) fix: String,
}

impl Refusal {
    pub(super) fn new(problem: impl Into<String>, fix: impl Into<String>) -> Refusal {
        Refusal { problem: problem.into(), fix: fix.into() }
    }

    /// Starts the problem with its subject: a value, a file or a variable.
    pub(super) fn about(self, subject: impl Display) -> Refusal {
        Refusal { problem: format!("{subject} {}", self.problem), ..self }
    }

    pub(super) fn for_key(self, path: impl Into<String>) -> Mistake {
        Mistake { path: path.into(), problem: self.problem, fix: self.fix }
    }
}

pub(super) fn refuse<T>(problem: impl Into<String>, fix: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(problem, fix))
}

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file cannot be read, or is not UTF-8.
    #[error("{}: {problem}", printable_path(file))]
    File { file: PathBuf, problem: String },
    /// Others can write the file. Each reason includes the command that fixes it.
    #[error("{}: the configuration cannot be trusted: {}", printable_path(file), reasons.join("; "))]
    Permissions { file: PathBuf, reasons: Vec<String> },
    /// Line and column (in bytes) count from 1.
    #[error("{}: not JSON at line {line}, column {column}: {problem}; fix the file there", printable_path(file))]
    Syntax { file: PathBuf, line: usize, column: usize, problem: String },
    /// Every mistake, in the order in which the keys are documented.
    #[error("{}", mistakes.iter().map(|mistake| format!("{}: {mistake}", printable_path(file))).collect::<Vec<_>>().join("\n"))]
    Mistakes { file: PathBuf, mistakes: Vec<Mistake> },
}

impl LoadError {
    /// Lines for a log: one for each mistake, each with the file's name.
    pub fn lines(&self) -> Vec<String> {
        self.to_string().lines().map(str::to_owned).collect()
    }
}

/// `path` on one line, with control characters escaped.
pub(super) fn printable_path(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// `text` in quotes, on one line, truncated.
pub(super) fn quote(text: &str) -> String {
    format!("\"{}\"", shorten(text))
}

pub(super) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_QUOTED_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    printable(&short)
}

/// Refuses `value`, which is not of the type `expected`. Quotes only simple values.
pub(super) fn wrong_type(expected: &str, value: &Value, fix: &str) -> Refusal {
    let found = match value {
        Value::Boolean(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => format!("the string {}", quote(text)),
        other => other.type_name().to_owned(),
    };
    Refusal::new(format!("must be {expected}, found {found}"), fix)
}
