//! The section `log`: the log file.

use std::path::{Path, PathBuf};
use std::{fmt, fs};

use crate::config::context::Context;
use crate::config::json::Value;
use crate::config::kind::{Kind, word};
use crate::config::mistakes::refuse;
use crate::config::paths::{IS_A_FOLDER, file};
use crate::config::section::{Section, keys};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub file: LogTarget,
    pub format: LogFormat,
    pub level: LogLevel,
}

impl Log {
    /// The log of a command that prints a document on standard output, if `has_document`.
    pub fn with_document(&self, has_document: bool) -> Log {
        let is_taken = has_document && self.file == LogTarget::Stdout;
        Log { file: if is_taken { LogTarget::Stderr } else { self.file.clone() }, ..*self }
    }
}

/// Where log lines are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    File(PathBuf),
    Stdout,
    /// In place of standard output if that is needed for a document.
    Stderr,
}

impl LogTarget {
    /// `None` for a stream.
    pub fn path(&self) -> Option<&Path> {
        if let LogTarget::File(path) = self { Some(path) } else { None }
    }
}

impl fmt::Display for LogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogTarget::File(path) => path.display().fmt(f),
            LogTarget::Stdout => f.write_str("standard output"),
            LogTarget::Stderr => f.write_str("standard error"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    /// One JSON object per line.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Debug,
    Info,
    Warning,
    Error,
}

const FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
const LEVELS: &[(&str, LogLevel)] =
    &[("debug", LogLevel::Debug), ("info", LogLevel::Info), ("warning", LogLevel::Warning), ("error", LogLevel::Error)];

pub(in crate::config) fn read(keys: &mut Section<'_, '_>) -> Option<Log> {
    keys! { keys:
        /// The log file. It is created if it is missing. "-" is standard output, for containers and for the journal; with
        /// run --json, it is standard error.
        file = with_default(log_file(), "log.log");
        /// How a line is written: for people, or as one JSON object.
        format = with_default(word(FORMATS), "text");
        /// The lowest level that is written.
        level = with_default(word(LEVELS), "info");
    }
    Some(Log { file: file?, format: format?, level: level? })
}

/// Neither the file nor its folder has to exist: a job that cannot write its log continues. A pipe or a device would block
/// the job.
pub(in crate::config) fn log_file() -> Kind<LogTarget> {
    let kind = file("path to a file", |text, path, context| match fs::metadata(path) {
        _ if matches!(text.rsplit('/').next(), Some("" | "." | "..")) => refuse(IS_A_FOLDER, "name a file in it"),
        Ok(metadata) if metadata.is_dir() => refuse(IS_A_FOLDER, "name a file in it"),
        Ok(metadata) if !metadata.is_file() => refuse("is not a regular file", "name a regular file"),
        Ok(_) if path.canonicalize().is_ok_and(|log| context.file.canonicalize().is_ok_and(|file| file == log)) => {
            refuse("is the configuration itself", "name another file")
        }
        _ => Ok(()),
    });
    let Kind { read, holds_secret, form } = kind;
    let read = move |value: &Value, context: Context<'_>| match value.text() {
        Some("-") => Ok(LogTarget::Stdout),
        _ => read(value, context).map(LogTarget::File),
    };
    Kind { read: Box::new(read), holds_secret, form }
}
