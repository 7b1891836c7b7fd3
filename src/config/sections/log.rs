//! The section `log`: the log file.

use std::path::PathBuf;

use crate::config::kind::word;
use crate::config::paths::log_file;
use crate::config::section::{Section, keys};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub file: PathBuf,
    pub format: LogFormat,
    pub level: LogLevel,
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
        /// The log file. It is created if it is missing.
        file = with_default(log_file(), "log.log");
        /// How a line is written: for people, or as one JSON object.
        format = with_default(word(FORMATS), "text");
        /// The lowest level that is written.
        level = with_default(word(LEVELS), "info");
    }
    Some(Log { file: file?, format: format?, level: level? })
}
