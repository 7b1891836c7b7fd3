//! One run at a time per configuration.
//!
//! The lock is an advisory one (flock(2)) on the configuration file itself: it leaves no file behind, and the
//! system frees it however a run ends.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Held while a run is under way.
#[derive(Debug)]
#[must_use = "dropping the lock lets the next run begin"]
pub struct Lock {
    _file: File,
}

/// Why a run cannot begin.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another run has the lock.
    #[error("another run with {} is under way; this one ends here", .0.display())]
    Held(PathBuf),
    /// The lock could not be asked for.
    #[error("locking {}", path.display())]
    Io {
        /// The configuration file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
}

impl Lock {
    /// Takes the lock of the configuration at `path`, without waiting.
    ///
    /// # Errors
    /// If another run has it, or the file system cannot lock.
    pub fn acquire(path: &Path) -> Result<Lock, LockError> {
        let failed = |source| LockError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Held(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_must_wait_until_the_first_has_ended() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let first = Lock::acquire(file.path()).unwrap();
        assert!(matches!(Lock::acquire(file.path()), Err(LockError::Held(_))));
        drop(first);
        assert!(Lock::acquire(file.path()).is_ok());
    }
}
