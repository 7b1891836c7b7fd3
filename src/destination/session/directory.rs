//! `sftp.directory`, resolved once in a run: on some servers relative and absolute paths name different folders.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

#[derive(Debug)]
pub(crate) struct Directory {
    /// As in the configuration, for messages.
    pub(crate) configured: String,
    /// Set by the first connection of the run.
    resolved: OnceLock<PathBuf>,
}

impl Directory {
    pub(crate) fn new(configured: &str) -> Directory {
        Directory { configured: configured.to_owned(), resolved: OnceLock::new() }
    }

    /// The path to use in requests.
    pub(crate) fn path(&self) -> &Path {
        self.resolved.get().map_or(Path::new(&self.configured), PathBuf::as_path)
    }

    pub(crate) fn is_resolved(&self) -> bool {
        self.resolved.get().is_some()
    }

    /// Uses `path` from now on, unless another path is used already.
    pub(crate) fn resolve(&self, path: PathBuf) {
        self.resolved.get_or_init(|| path);
    }
}
