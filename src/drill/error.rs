//! Errors of a drill, with advice for the operator.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::rules::units;
use crate::runtime::interrupt::Interrupted;

#[derive(Debug, Error)]
pub enum DrillError {
    #[error(
        "the program {program} is missing. Install the package {package}, or set drill.programs to the folder of the \
         database's programs"
    )]
    MissingProgram { program: &'static str, package: &'static str },
    /// With the reason.
    #[error(
        "the database's programs cannot be confined: {0}. Use a Linux kernel with Landlock (5.13 or later), or set \
         drill.sandbox to false if you trust the dump"
    )]
    Sandbox(String),
    #[error("the drill cannot run as user {user}: {problem}. Set {key}")]
    User { user: String, problem: String, key: &'static str },
    #[error("preparing the drill in {} (archive.work_directory). Check its free space and permissions", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("the dump's format is not recognised. Set drill.engine to the kind of its database")]
    UnknownFormat,
    /// Found and configured.
    #[error("the dump was made by {0}, but drill.engine is {1}. Correct drill.engine, or set it to auto")]
    OtherEngine(String, String),
    #[error("reading the dump")]
    Read(#[source] io::Error),
    /// With the missing line.
    #[error("the dump was cut: it does not end with the line \"{0}\". Check the program that dumps the database")]
    Incomplete(&'static str),
    #[error("{program} failed: {message}")]
    Program { program: String, message: String },
    #[error("starting {program}")]
    Start { program: String, source: io::Error },
    /// With the database's error.
    #[error("the dump does not load: {0}")]
    Load(String),
    #[error(
        "the dump needs a MySQL 8 server: {0}. Debian has none: install it from MySQL, and set drill.programs to the folder \
         of its programs"
    )]
    NeedsMySql(String),
    #[error("the dump holds no table. Check the program that dumps the database")]
    NoTable,
    #[error("the drill did not end within {} (drill.timeout_minutes)", units::duration(*.0))]
    TimeLimit(Duration),
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl DrillError {
    /// Whether this machine or the configuration must change before any dump can be drilled.
    pub fn is_configuration(&self) -> bool {
        matches!(self, DrillError::MissingProgram { .. } | DrillError::Sandbox(_) | DrillError::User { .. })
    }
}
