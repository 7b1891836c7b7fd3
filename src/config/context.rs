//! What a value is read with: the configuration's place, the environment, and the judge of files.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::environment::Environment;
use super::mistakes::{Refusal, quoted, refuse, shown};
use crate::disk::bounded_read;
use crate::disk::trust::Trust;
use crate::rules::trust::Holds;

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
        if text.is_empty() {
            return refuse("is empty", "write a path");
        }
        if text.contains('\0') {
            return refuse("holds a NUL character", "write a path without it");
        }
        let path = match text.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                let Some(home) = self.environment.home() else {
                    let problem = format!("{} needs a home folder, and none is known", quoted(text));
                    return refuse(problem, "write an absolute path");
                };
                home.join(rest.trim_start_matches('/'))
            }
            Some(_) => {
                let problem = format!("{} is another user's home, which is not supported", quoted(text));
                return refuse(problem, "write an absolute path, or ./ before the name");
            }
            None => self.folder.join(text),
        };
        // `..` is kept, because it may follow a symbolic link.
        Ok(path.components().filter(|component| *component != Component::CurDir).collect())
    }

    /// The content of the file `path`, which may have up to `max_bytes`.
    pub(super) fn read(self, path: &Path, max_bytes: u64, holds: Holds) -> Result<Vec<u8>, Refusal> {
        let bytes = bounded_read::read(path, max_bytes).map_err(|error| unreadable(path, &error, max_bytes))?;
        self.trust.judge(path, holds);
        Ok(bytes)
    }
}

/// Why the file `path`, which may have up to `max_bytes`, was not read.
pub(super) fn unreadable(path: &Path, error: &io::Error, max_bytes: u64) -> Refusal {
    let path = shown(path);
    match error.kind() {
        io::ErrorKind::NotFound => {
            Refusal::new(format!("the file {path} does not exist"), "create it, or name another one")
        }
        io::ErrorKind::InvalidInput => Refusal::new(format!("{path} is not a regular file"), "name a file"),
        io::ErrorKind::FileTooLarge => {
            Refusal::new(format!("{path} is longer than {max_bytes} bytes"), "name another file")
        }
        _ => Refusal::new(format!("the file {path} cannot be read: {error}"), "check who may read it"),
    }
}
