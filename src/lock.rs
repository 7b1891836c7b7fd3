//! One run at a time per configuration.
//!
//! The lock is an advisory one (flock(2)) on the configuration file itself: it leaves no file behind, and the
//! system frees it however a run ends.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use thiserror::Error;

/// A look shares the lock for some microseconds; whoever meets that tries again after this.
const LONGEST_LOOK: Duration = Duration::from_millis(50);

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
    /// Takes the lock of the configuration at `path`, waiting no longer than somebody's [look](Lock::look) takes.
    ///
    /// # Errors
    /// If another run has it, or the file system cannot lock.
    pub fn acquire(path: &Path) -> Result<Lock, LockError> {
        let failed = |source| LockError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let locked = match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                thread::sleep(LONGEST_LOOK);
                file.try_lock()
            }
            other => other,
        };
        match locked {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Held(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Looks whether a run has the lock of the configuration at `path`. A run that begins at that very moment is not
    /// kept from it.
    ///
    /// # Errors
    /// If a run has it, or the file system cannot lock.
    pub fn look(path: &Path) -> Result<(), LockError> {
        let failed = |source| LockError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(()),
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
        assert!(matches!(Lock::look(file.path()), Err(LockError::Held(_))));
        drop(first);
        assert!(Lock::look(file.path()).is_ok());
        assert!(Lock::acquire(file.path()).is_ok());
    }

    #[test]
    fn a_look_keeps_no_run_from_beginning() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let looking = File::open(file.path()).unwrap();
        looking.try_lock_shared().unwrap();
        let path = file.path().to_owned();
        let run = thread::spawn(move || Lock::acquire(&path).is_ok());
        thread::sleep(LONGEST_LOOK / 5);
        drop(looking);
        assert!(run.join().unwrap());
    }
}
