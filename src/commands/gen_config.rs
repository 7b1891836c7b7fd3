//! `gen-config`: writes a configuration to be edited.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use thiserror::Error;

use crate::config::template::TEMPLATE;

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
    /// Nobody takes what is printed.
    #[error("cannot print the configuration")]
    Print(#[source] io::Error),
}

/// Writes the template into the file `output`, or to `stdout` where none is named. The file is for its owner alone,
/// appears whole or not at all, and replaces another one only by `force`; a symbolic link that lies there is taken
/// for a file and never followed.
///
/// # Errors
/// Where the file already exists, or cannot be written.
pub fn gen_config(output: Option<&Path>, force: bool, stdout: &mut dyn Write) -> Result<(), GenConfigError> {
    let Some(file) = output else {
        return stdout.write_all(TEMPLATE.as_bytes()).and_then(|()| stdout.flush()).map_err(GenConfigError::Print);
    };
    let failed = |source| GenConfigError::Write { file: file.to_owned(), source };
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    // Made with mode 0600, and gone again if this fails half-way.
    let mut temporary = NamedTempFile::new_in(folder).map_err(failed)?;
    temporary.write_all(TEMPLATE.as_bytes()).map_err(failed)?;
    temporary.as_file().sync_all().map_err(failed)?;
    let persisted = if force { temporary.persist(file) } else { temporary.persist_noclobber(file) };
    match persisted {
        Ok(_) => Ok(()),
        Err(refused) if !force && refused.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(GenConfigError::Exists(file.to_owned()))
        }
        Err(refused) => Err(failed(refused.error)),
    }
}
