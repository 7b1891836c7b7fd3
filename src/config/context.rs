//! The context in which values are read: the configuration's path, the environment, and the trust in files.

use std::collections::BTreeSet;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::environment::Environment;
use super::mistakes::{Refusal, quote, refuse};
use crate::disk::bounded_read::{self, ReadError};
use crate::disk::trust::Trust;
use crate::rules::trust::Contents;

/// Set to "1", it turns mistakes about untrusted files into warnings.
const TRUST_FILES: &str = "SCRIPTING_SYSTEM_TRUST_FILES";

/// The file that a configuration extends.
#[derive(Debug)]
pub(super) struct Extended {
    pub(super) file: PathBuf,
    pub(super) folder: PathBuf,
    /// The full paths of the keys that it defines. A list, a secret or a single value is one key.
    pub(super) keys: BTreeSet<String>,
}

impl Extended {
    /// Whether the value of the key `path`, such as `email.to[0]`, is from this file.
    pub(super) fn defines(&self, path: &str) -> bool {
        let ends = path.match_indices(['.', '[']).map(|(end, _)| end).chain([path.len()]);
        ends.into_iter().any(|end| self.keys.contains(&path[..end]))
    }
}

#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// The configuration file.
    pub(super) file: &'a Path,
    folder: &'a Path,
    /// The file that it extends, if any.
    pub(super) extended: Option<&'a Extended>,
    pub(super) environment: &'a Environment,
    /// Collects reasons not to trust the files that are read.
    pub(super) trust: &'a Trust,
    /// Whether such reasons are warnings instead of mistakes.
    pub(super) is_lenient: bool,
}

impl<'a> Context<'a> {
    /// `folder` is the absolute path of the folder of `file`.
    pub(super) fn new(file: &'a Path, folder: &'a Path, environment: &'a Environment, trust: &'a Trust) -> Context<'a> {
        let is_lenient = environment.variable(TRUST_FILES).is_some_and(|value| value == "1");
        Context { file, folder, extended: None, environment, trust, is_lenient }
    }

    pub(super) fn extending(self, extended: Option<&'a Extended>) -> Context<'a> {
        Context { extended, ..self }
    }

    /// The context of the key `path`: relative paths start at the folder of the file that it is written in.
    pub(super) fn at(self, path: &str) -> Context<'a> {
        let extended = self.extended.filter(|extended| extended.defines(path));
        Context { folder: extended.map_or(self.folder, |extended| &extended.folder), ..self }
    }

    /// `text` as an absolute path: `~` is the home folder, a relative path starts at [`at`](Context::at).
    pub(super) fn path(self, text: &str) -> Result<PathBuf, Refusal> {
        let path = match text.strip_prefix('~') {
            _ if text.is_empty() => refuse("is empty", "write a path"),
            _ if text.contains('\0') => refuse("contains a NUL character", "remove it"),
            None => Ok(self.folder.join(text)),
            Some(rest) if rest.is_empty() || rest.starts_with('/') => match self.environment.home() {
                Some(home) => Ok(home.join(rest.trim_start_matches('/'))),
                None => refuse("needs a home folder, but none is known", "write an absolute path"),
            },
            Some(_) => {
                let fix = "write an absolute path, or ./ before the name";
                refuse("is another user's home, which is not supported", fix)
            }
        };
        let path = path.map_err(|refusal| refusal.about(quote(text)))?;
        // `..` is kept, because it may follow a symbolic link.
        Ok(path.components().filter(|component| *component != Component::CurDir).collect())
    }

    /// Reads the file `path`; more than `max_bytes` are refused.
    pub(super) fn read(self, path: &Path, max_bytes: u64, holds: Contents) -> Result<Vec<u8>, Refusal> {
        let bytes = bounded_read::read(path, max_bytes).map_err(|error| unreadable(&error))?;
        self.trust.check(path, holds);
        Ok(bytes)
    }
}

pub(super) fn unreadable(error: &ReadError) -> Refusal {
    match error {
        ReadError::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            Refusal::new("does not exist", "create it, or name another file")
        }
        ReadError::NotAFile => Refusal::new("is not a regular file", "name a file"),
        ReadError::TooLarge(max_bytes) => {
            Refusal::new(format!("is larger than {max_bytes} bytes"), "name another file")
        }
        ReadError::Io(error) => Refusal::new(format!("cannot be read: {error}"), "check its permissions"),
    }
}
