//! The folder of a drill in the work directory: locked as long as the drill runs, so that the next one recognises what a killed
//! drill left.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::drill::error::DrillError;
use crate::drill::user::Ids;

const PREFIX: &str = "scripting-system-drill-";
/// For the orderly end of processes.
const GRACE_PERIOD: Duration = Duration::from_secs(1);
/// A killed process may have to free much memory.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// Dropping it ends all processes in the folder, and removes it.
#[derive(Debug)]
pub(super) struct Folder {
    outer: PathBuf,
    _lock: File,
}

impl Folder {
    /// Creates the folder in `work_directory`, a path without links.
    pub(super) fn create(work_directory: &Path, ids: Option<Ids>) -> Result<Folder, DrillError> {
        let failed = |source| DrillError::Folder { path: work_directory.to_owned(), source };
        loop {
            // With mode 0700.
            let outer = tempfile::Builder::new().prefix(PREFIX).tempdir_in(work_directory).map_err(failed)?.keep();
            // Another drill may take the folder for a leftover until it is locked.
            let Ok(lock) = File::create_new(lock_of(&outer)) else { continue };
            if lock.try_lock().is_err() || !lock_of(&outer).exists() {
                continue;
            }
            let folder = Folder { outer, _lock: lock };
            let inner = folder.inner();
            DirBuilder::new().mode(0o700).create(&inner).map_err(failed)?;
            fs::create_dir(inner.join("tmp")).map_err(failed)?;
            if let Some(Ids { user, group }) = ids {
                // The user may enter its own part, but not replace the lock.
                fs::set_permissions(&folder.outer, Permissions::from_mode(0o711)).map_err(failed)?;
                for path in [inner.join("tmp"), inner] {
                    chown(path, Some(user), Some(group)).map_err(failed)?;
                }
            }
            return Ok(folder);
        }
    }

    /// The part that belongs to the server's user.
    pub(super) fn inner(&self) -> PathBuf {
        self.outer.join("s")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        clear(&self.outer, Signal::KILL);
    }
}

fn lock_of(outer: &Path) -> PathBuf {
    outer.join("lock")
}

/// Ends the processes and removes the folders of drills that were killed.
pub fn clear_leftovers(work_directory: &Path) {
    let Ok(work_directory) = work_directory.canonicalize() else { return };
    for entry in fs::read_dir(work_directory).into_iter().flatten().flatten() {
        if !entry.file_name().as_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        let outer = entry.path();
        match File::options().write(true).open(lock_of(&outer)) {
            Ok(lock) if lock.try_lock().is_ok() => {
                tracing::info!("Removing {}, from a drill that was killed", outer.display());
                clear(&outer, Signal::QUIT);
            }
            // A drill is running.
            Ok(_) => {}
            // The drill was killed before it created the lock, or is about to create it. Removes only an empty folder.
            Err(_) => _ = fs::remove_dir(&outer),
        }
    }
}

/// Sends `first` to the processes in `folder`, then SIGKILL, and removes the folder. On SIGQUIT, PostgreSQL ends at once and
/// releases its shared memory.
fn clear(folder: &Path, first: Signal) {
    let begun = Instant::now();
    loop {
        let processes = processes_in(folder);
        if processes.is_empty() || begun.elapsed() > KILL_LIMIT {
            break;
        }
        let signal = if begun.elapsed() < GRACE_PERIOD { first } else { Signal::KILL };
        for process in processes {
            // Fails if it has ended.
            let _ = kill_process(process, signal);
        }
        thread::sleep(Duration::from_millis(20));
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!("{} cannot be removed: {error}", folder.display());
        }
        _ => {}
    }
}

/// The processes whose current folder is below `folder`, or that were started with it in their environment.
fn processes_in(folder: &Path) -> Vec<Pid> {
    let wanted = folder.as_os_str().as_bytes();
    let is_in = |process: &Path| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
            || environment
                .split(|byte| *byte == 0)
                .any(|variable| variable.strip_prefix(b"TMPDIR=").is_some_and(|value| value.starts_with(wanted)))
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        Pid::from_raw(pid).filter(|_| is_in(&entry.path()))
    });
    processes.collect()
}
