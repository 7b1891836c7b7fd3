//! The folder for a job's files that outlast a run, such as its lock. Only the job's user has access.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;
use thiserror::Error;

const SYSTEM_WIDE: &str = "/var/lib/scripting-system";
const IN_HOME: &str = ".local/state/scripting-system";
const IN_WORK_DIRECTORY: &str = "scripting-system-";

const MODE: u32 = 0o700;
const GROUP_AND_OTHERS: u32 = 0o077;

#[derive(Debug, Error)]
pub enum StateFolderError {
    #[error("the state folder {} cannot be used: {problem}", folder.display())]
    NotPrivate {
        folder: PathBuf,
        /// With advice.
        problem: String,
    },
    #[error("cannot create the state folder {}; check the permissions of archive.work_directory", folder.display())]
    Create {
        /// The last of the candidates.
        folder: PathBuf,
        source: io::Error,
    },
}

/// The state folder of this process's user: `/var/lib/scripting-system` if it belongs to that user, else a folder in the
/// user's home, else one in `work_directory`. Without `create`, the result may not exist.
///
/// # Errors
/// If it cannot be created, or another user owns it or has access.
pub fn find(work_directory: &Path, create: bool) -> Result<PathBuf, StateFolderError> {
    let uid = geteuid().as_raw();
    let last = work_directory.join(format!("{IN_WORK_DIRECTORY}{uid}"));
    let mut failure = None;
    for folder in system_wide(uid).into_iter().chain(in_home(uid)).chain([last.clone()]) {
        if create {
            failure = DirBuilder::new().recursive(true).mode(MODE).create(&folder).err();
        }
        if let Ok(metadata) = fs::symlink_metadata(&folder) {
            return match problem(&metadata, uid) {
                Some(problem) => Err(StateFolderError::NotPrivate { folder, problem }),
                None => Ok(folder),
            };
        }
    }
    failure.map_or(Ok(last.clone()), |source| Err(StateFolderError::Create { folder: last, source }))
}

/// `None` unless it belongs to `uid`, or root can create it.
fn system_wide(uid: u32) -> Option<PathBuf> {
    let is_candidate = match fs::symlink_metadata(SYSTEM_WIDE) {
        Ok(metadata) => metadata.is_dir() && metadata.uid() == uid,
        Err(_) => uid == 0 && Path::new(SYSTEM_WIDE).parent().is_some_and(Path::is_dir),
    };
    is_candidate.then(|| SYSTEM_WIDE.into())
}

/// Uses the password database, because `$HOME` may differ between cron and a shell.
fn in_home(uid: u32) -> Option<PathBuf> {
    let users = fs::read("/etc/passwd").ok()?;
    let home = home_of(&String::from_utf8_lossy(&users), uid)?;
    (home.is_absolute() && home.is_dir()).then(|| home.join(IN_HOME))
}

/// The home folder of `uid` in `users` (passwd(5)).
fn home_of(users: &str, uid: u32) -> Option<PathBuf> {
    let mut users = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let is_user = |fields: &Vec<&str>| fields.len() > 5 && fields[2].parse() == Ok(uid);
    users.find(is_user).map(|fields| fields[5].into())
}

fn problem(metadata: &Metadata, uid: u32) -> Option<String> {
    let owner = metadata.uid();
    if !metadata.is_dir() {
        Some("it is a link or a file, not a folder; remove it".to_owned())
    } else if owner != uid {
        let fix = "remove it as root, or set archive.work_directory to a folder that belongs to this user";
        Some(format!("it belongs to the user {owner}, not to {uid}, who runs this job; {fix}"))
    } else {
        let mode = metadata.mode() & 0o7777;
        (mode & GROUP_AND_OTHERS != 0)
            .then(|| format!("others may enter it (mode {mode:04o}); set its mode with chmod 700"))
    }
}
