//! `gen-config`: writes a configuration template, or the JSON Schema of the configuration.

use std::io::{self, Write};
use std::path::PathBuf;

use thiserror::Error;

use crate::cli;
use crate::config::{json_schema, template};
use crate::disk::atomic_file;

/// An edited configuration may contain secrets.
const TEMPLATE_MODE: u32 = 0o600;
const SCHEMA_MODE: u32 = 0o644;

/// Why nothing was written.
#[derive(Debug, Error)]
pub enum GenConfigError {
    #[error("{} already exists and was not changed; name another file, or overwrite it with --force", .0.display())]
    Exists(PathBuf),
    #[error("cannot write {}: {error}; check that its folder exists and is writable", file.display())]
    Write { file: PathBuf, error: io::Error },
    #[error("cannot print the configuration: {0}")]
    Print(io::Error),
}

/// Writes the template or the schema to `arguments.output`, or to `stdout` if no file is given. The file appears complete or not at
/// all. It replaces an existing file or symbolic link only with `--force`.
///
/// # Errors
/// If the file exists and `--force` is not given, or if the output cannot be written.
pub fn gen_config(arguments: &cli::GenConfig, stdout: &mut dyn Write) -> Result<(), GenConfigError> {
    let (text, mode) = if arguments.schema { (json_schema(), SCHEMA_MODE) } else { (template(), TEMPLATE_MODE) };
    let Some(file) = &arguments.output else {
        return stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(GenConfigError::Print);
    };
    atomic_file::write(file, text.as_bytes(), mode, arguments.force).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists if !arguments.force => GenConfigError::Exists(file.clone()),
        _ => GenConfigError::Write { file: file.clone(), error },
    })
}
