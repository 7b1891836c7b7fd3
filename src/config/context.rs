//! What a value is read with: the configuration's place, the environment, and the judge of files.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::environment::Environment;
use super::mistakes::{Refusal, quoted, refuse};
use crate::disk::bounded_read::{self, ReadError};
use crate::disk::trust::Trust;
use crate::rules::trust::Contents;

/// Reasons not to trust a file are warnings where it is "1".
const TRUST_FILES: &str = "SCRIPTING_SYSTEM_TRUST_FILES";

/// Where a configuration is, and who reads it.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// The configuration file.
    pub(super) file: &'a Path,
    folder: &'a Path,
    pub(super) environment: &'a Environment,
    /// Collects the reasons not to trust the files that are read.
    pub(super) trust: &'a Trust,
    /// Such reasons are warnings, not mistakes.
    pub(super) is_lenient: bool,
}

impl<'a> Context<'a> {
    /// `folder` is the absolute one of the configuration `file`.
    pub(super) fn new(file: &'a Path, folder: &'a Path, environment: &'a Environment, trust: &'a Trust) -> Context<'a> {
        let is_lenient = environment.variable(TRUST_FILES).is_some_and(|value| value == "1");
        Context { file, folder, environment, trust, is_lenient }
    }

    /// `text` as an absolute path: `~` is the home, a relative path starts at the configuration's folder.
    pub(super) fn path(self, text: &str) -> Result<PathBuf, Refusal> {
        let path = match text.strip_prefix('~') {
            _ if text.is_empty() => refuse("is empty", "write a path"),
            _ if text.contains('\0') => refuse("holds a NUL character", "write a path without it"),
            None => Ok(self.folder.join(text)),
            Some(rest) if rest.is_empty() || rest.starts_with('/') => match self.environment.home() {
                Some(home) => Ok(home.join(rest.trim_start_matches('/'))),
                None => refuse("needs a home folder, and none is known", "write an absolute path"),
            },
            Some(_) => {
                let fix = "write an absolute path, or ./ before the name";
                refuse("is another user's home, which is not supported", fix)
            }
        };
        let path = path.map_err(|refusal| refusal.about(quoted(text)))?;
        // `..` is kept, because it may follow a symbolic link.
        Ok(path.components().filter(|component| *component != Component::CurDir).collect())
    }

    /// The content of the file `path`, which may have up to `max_bytes`.
    pub(super) fn read(self, path: &Path, max_bytes: u64, holds: Contents) -> Result<Vec<u8>, Refusal> {
        let bytes = bounded_read::read(path, max_bytes).map_err(|error| unreadable(&error))?;
        self.trust.check(path, holds);
        Ok(bytes)
    }
}

/// Why a file was not read.
pub(super) fn unreadable(error: &ReadError) -> Refusal {
    match error {
        ReadError::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            Refusal::new("does not exist", "create it, or name another one")
        }
        ReadError::NotAFile => Refusal::new("is not a regular file", "name a file"),
        ReadError::TooLarge(most) => Refusal::new(format!("is larger than {most} bytes"), "name another file"),
        ReadError::Io(error) => Refusal::new(format!("cannot be read: {error}"), "check who may read it"),
    }
}
