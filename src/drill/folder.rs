//! The folder of a drill in the work directory: locked as long as the drill runs, so that the next one recognises what a killed
//! drill left.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::drill::user::Ids;

const PREFIX: &str = "scripting-system-drill-";
/// After it, processes are killed.
const GRACE_PERIOD: Duration = Duration::from_secs(1);
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// Dropping it ends all processes in the folder, and removes it.
#[derive(Debug)]
pub(super) struct Folder {
    outer: PathBuf,
    _lock: File,
}

impl Folder {
    /// Creates the folder in `work_directory`, a path without links.
    pub(super) fn create(work_directory: &Path, ids: Option<Ids>) -> io::Result<Folder> {
        loop {
            // With mode 0700.
            let outer = tempfile::Builder::new().prefix(PREFIX).tempdir_in(work_directory)?.keep();
            // Another drill may take the folder for a leftover until it is locked.
            let Ok(lock) = File::create_new(outer.join("lock")) else { continue };
            if lock.try_lock().is_err() || !outer.join("lock").exists() {
                continue;
            }
            let folder = Folder { outer, _lock: lock };
            let tmp = folder.inner().join("tmp");
            DirBuilder::new().mode(0o700).recursive(true).create(&tmp)?;
            if let Some(Ids { user, group }) = ids {
                // The user may enter its own part, but not replace the lock.
                fs::set_permissions(&folder.outer, Permissions::from_mode(0o711))?;
                chown(tmp, Some(user), Some(group))?;
                chown(folder.inner(), Some(user), Some(group))?;
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

/// Ends the processes and removes the folders of drills that were killed.
pub fn clear_leftovers(work_directory: &Path) {
    let entries = work_directory.canonicalize().and_then(fs::read_dir);
    for entry in entries.into_iter().flatten().flatten() {
        let is_own = entry.metadata().is_ok_and(|it| it.is_dir() && it.uid() == geteuid().as_raw());
        if !is_own || !entry.file_name().as_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        match File::options().write(true).open(entry.path().join("lock")) {
            Ok(lock) if lock.try_lock().is_ok() => clear(&entry.path(), Signal::QUIT),
            // A drill is running.
            Ok(_) => {}
            // The drill was killed before it created the lock, or is about to create it. Removes only an empty folder.
            Err(_) => _ = fs::remove_dir(entry.path()),
        }
    }
}

/// Sends `first` to the processes in `folder`, then SIGKILL, and removes the folder. On SIGQUIT, PostgreSQL ends at once and
/// releases its shared memory.
fn clear(folder: &Path, first: Signal) {
    let begun = Instant::now();
    let mut processes = processes_in(folder);
    while !processes.is_empty() && begun.elapsed() < KILL_LIMIT {
        for process in processes {
            // Fails if it has ended.
            let _ = kill_process(process, if begun.elapsed() < GRACE_PERIOD { first } else { Signal::KILL });
        }
        thread::sleep(Duration::from_millis(20));
        processes = processes_in(folder);
    }
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::warn!("{} cannot be removed: {error}", folder.display());
    }
}

/// The processes whose current folder is in `folder`, or that were started with it in their environment. If they have a user of
/// their own, also that user's processes that this one has adopted.
fn processes_in(folder: &Path) -> Vec<Pid> {
    let adopted = format!(" {} ", std::process::id());
    let user_of = |path: &Path| fs::metadata(path).map(|it| it.uid()).ok();
    let user = user_of(&folder.join("s")).filter(|user| *user != geteuid().as_raw());
    let variable = [b"TMPDIR=", folder.as_os_str().as_bytes()].concat();
    let is_adopted = |process: &Path, cwd: &Path| {
        // proc_pid_stat(5): after the name in parentheses, the state and the parent. A zombie has ended.
        let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").map_or("Z", |(_, state)| state);
        let is_child = !state.starts_with('Z') && state.get(1..).is_some_and(|parent| parent.starts_with(&adopted));
        // Another drill of this process has its own programs.
        is_child && user.is_some() && user_of(process) == user && !cwd.to_string_lossy().contains(PREFIX)
    };
    let is_in = |process: &Path| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        let cwd = fs::read_link(process.join("cwd")).unwrap_or_default();
        cwd.starts_with(folder)
            || environment.split(|byte| *byte == 0).any(|own| own.starts_with(&variable))
            || is_adopted(process, &cwd)
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter(|entry| is_in(&entry.path()));
    processes.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)).collect()
}
