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
        "the program {program} is missing. Install the package {package}, or set drill.programs to the folder that has it; if it \
         is set, only that folder is searched"
    )]
    MissingProgram { program: &'static str, package: &'static str },
    #[error(
        "the database's programs cannot be confined: {0}. Use Linux 5.13 or later, with Landlock, or set drill.sandbox to false"
    )]
    Sandbox(String),
    #[error("the drill cannot run as the user {user}: {problem}. To fix it, {fix}")]
    User { user: String, problem: String, fix: &'static str },
    #[error("preparing the drill in {} (archive.work_directory). Check its free space and permissions", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("the dump's format is not recognised. Set drill.engine to the kind of its database")]
    UnknownFormat,
    #[error("reading the dump")]
    Read(#[source] io::Error),
    /// With the missing line.
    #[error("the dump was cut: it does not end with the line \"{0}\". Check the program that dumps the database")]
    Incomplete(&'static str),
    #[error("{program} failed: {message}")]
    Program { program: String, message: String },
    #[error("the dump does not load: {0}")]
    Load(String),
    #[error(
        "the dump needs a MySQL 8 server, which Debian lacks: {0}. Install one, and set drill.programs to the folder of its programs"
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
