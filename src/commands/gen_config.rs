//! `gen-config`: writes a configuration to be edited, the schema of configurations, or an older system's converted.

mod converted;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::cli;
use crate::config::LoadError;
use crate::config::schema::json_schema;
use crate::config::template::TEMPLATE;
use crate::disk::atomic_file::AtomicFile;
use crate::runtime::error_chain::with_causes;

/// For its owner alone: a configuration may hold secrets.
const PRIVATE: u32 = 0o600;
/// For every editor.
const PUBLIC: u32 = 0o644;

/// Why no configuration was written.
#[derive(Debug, Error)]
pub enum GenConfigError {
    /// It may hold somebody's work.
    #[error("{} already exists and was left alone; name another file, or overwrite it with --force", .0.display())]
    Exists(PathBuf),
    /// The file could not be made.
    #[error("cannot write {}; check that its folder exists and who may write there", file.display())]
    Write {
        /// The file that was to be written.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The old configuration cannot be converted.
    #[error(transparent)]
    Old(LoadError),
    /// Nobody takes what is printed.
    #[error("cannot print the configuration")]
    Print(#[source] io::Error),
}

impl GenConfigError {
    /// The error and its causes as lines for a terminal: one for each mistake of an old configuration.
    pub fn lines(&self) -> Vec<String> {
        match self {
            GenConfigError::Old(error) => error.lines(),
            other => vec![with_causes(other)],
        }
    }
}

/// Writes what `arguments` ask for into the file that they name, or to `stdout` where they name none. A file appears whole
/// or not at all, and replaces another one only by force; a symbolic link that lies there is taken for a file and never
/// followed. A configuration is for its owner alone. What is to be told about a conversion goes to `stderr`.
///
/// # Errors
/// Where the file already exists, or cannot be written, or where the old configuration cannot be converted.
pub fn gen_config(
    arguments: &cli::GenConfig,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> Result<(), GenConfigError> {
    if let Some(old) = &arguments.from {
        return converted::write(old, arguments, stdout, stderr);
    }
    let (text, mode) = if arguments.schema { (json_schema(), PUBLIC) } else { (TEMPLATE.to_owned(), PRIVATE) };
    match &arguments.output {
        Some(file) => appear(prepare(file, &text)?, mode, arguments.force),
        None => print(stdout, &text),
    }
}

fn print(stdout: &mut dyn Write, text: &str) -> Result<(), GenConfigError> {
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(GenConfigError::Print)
}

/// A file that is complete and has not got its name yet. It is gone if it never gets one.
fn prepare(file: &Path, text: &str) -> Result<AtomicFile, GenConfigError> {
    let failed = |source| GenConfigError::Write { file: file.to_owned(), source };
    let prepared = AtomicFile::create(file).map_err(failed)?;
    prepared.as_file().write_all(text.as_bytes()).map_err(failed)?;
    Ok(prepared)
}

fn appear(prepared: AtomicFile, mode: u32, force: bool) -> Result<(), GenConfigError> {
    let file = prepared.path().to_owned();
    prepared.publish(mode, force).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists if !force => GenConfigError::Exists(file),
        _ => GenConfigError::Write { file, source },
    })
}
