//! The lock that allows only one run of a job at a time: an advisory lock (flock(2)) on an empty file in the [state
//! folder](crate::disk::state_folder), named after the [job's id](JobId). Replacing the configuration does not release it, and
//! no other user can take it. The system releases it when the process ends; the file is kept.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{io, thread};

use rustix::fs::OFlags;
use thiserror::Error;

use crate::disk::job_id::JobId;
use crate::disk::state_folder::{self, StateFolderError};

const MODE: u32 = 0o600;

/// A probe holds a shared lock for some microseconds.
const MAX_PROBE_TIME: Duration = Duration::from_millis(50);

#[derive(Debug)]
#[must_use = "dropping the lock lets the next run begin"]
pub struct Lock {
    _file: File,
}

#[derive(Debug, Error)]
pub enum LockError {
    /// With the path of the configuration.
    #[error("another run with {} is under way; this one ends", .0.display())]
    Held(PathBuf),
    #[error(transparent)]
    Folder(#[from] StateFolderError),
    #[error("locking {}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl Lock {
    /// Acquires the lock of `job`, with the configuration `config`; waits no longer than a [probe](Lock::probe) takes. For
    /// `work_directory` see [`state_folder::find`].
    ///
    /// # Errors
    /// If another run holds the lock, its file cannot be created, or the file system cannot lock.
    pub fn acquire(config: &Path, job: &JobId, work_directory: &Path) -> Result<Lock, LockError> {
        let path = path(job, &state_folder::find(work_directory, true)?);
        let mut options = OpenOptions::new();
        // An exclusive lock on NFS needs a file that is open for writing.
        options.read(true).write(true).create(true).mode(MODE).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        let file = match options.open(&path) {
            Ok(file) => file,
            Err(source) => return Err(LockError::Io { path, source }),
        };
        let locked = match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                thread::sleep(MAX_PROBE_TIME);
                file.try_lock()
            }
            other => other,
        };
        result(locked, config, path).map(|()| Lock { _file: file })
    }

    /// Checks whether a run holds the lock of `job`, with the configuration `config`. Creates nothing and blocks no run.
    pub fn probe(config: &Path, job: &JobId, work_directory: &Path) -> Result<(), LockError> {
        let path = path(job, &state_folder::find(work_directory, false)?);
        match File::open(&path) {
            Ok(file) => result(file.try_lock_shared(), config, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(LockError::Io { path, source }),
        }
    }
}

fn path(job: &JobId, folder: &Path) -> PathBuf {
    folder.join(format!("{job}.lock"))
}

fn result(locked: Result<(), TryLockError>, config: &Path, path: PathBuf) -> Result<(), LockError> {
    locked.map_err(|error| match error {
        TryLockError::WouldBlock => LockError::Held(config.to_owned()),
        TryLockError::Error(source) => LockError::Io { path, source },
    })
}
