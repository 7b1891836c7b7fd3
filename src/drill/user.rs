//! The system user of the throwaway server: never one that can reach a real database.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use rustix::process::{getegid, geteuid};

use crate::drill::error::DrillError;

/// Where database servers of Debian and of MySQL create their sockets.
const SOCKET_FOLDERS: [&str; 4] = ["/run/postgresql", "/run/mysqld", "/var/run/mysqld", "/tmp"];

#[derive(Debug, Clone, Copy)]
pub(super) struct Ids {
    pub(super) user: u32,
    pub(super) group: u32,
}

/// The ids of `name`, to change to, if root runs the job; `None` for the job's own user.
///
/// # Errors
/// If there is no such user, it is root, it cannot enter `folder`, or it owns the socket of a database server.
pub(super) fn find(name: &str, folder: &Path) -> Result<Option<Ids>, DrillError> {
    let is_root = geteuid().is_root();
    let name = if is_root { name } else { "of the job" };
    let refuse = |problem: String, fix| Err(DrillError::User { user: name.to_owned(), problem, fix });
    let other = if is_root { "set drill.user to another user, such as nobody" } else { "run the job as another user" };
    let ids = if is_root { account(name) } else { Some(Ids { user: geteuid().as_raw(), group: getegid().as_raw() }) };
    let Some(ids) = ids else { return refuse("/etc/passwd does not list it".to_owned(), other) };
    if ids.user == 0 {
        return refuse("it has all rights".to_owned(), other);
    }
    if let Some(socket) = socket_of(ids.user) {
        return refuse(format!("it owns {socket}, the socket of a database server that the dump could reach"), other);
    }
    if let Some(closed) = folder.ancestors().find(|folder| !can_enter(ids, folder)).filter(|_| is_root) {
        let problem = format!("it cannot enter {}", closed.display());
        return refuse(problem, "let it enter (chmod o+x), or change archive.work_directory");
    }
    Ok(is_root.then_some(ids))
}

fn account(name: &str) -> Option<Ids> {
    let accounts = fs::read("/etc/passwd").ok()?;
    let accounts = String::from_utf8_lossy(&accounts);
    // passwd(5): name, password, user id, group id.
    let mut rows = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let row = rows.find(|row| row[0] == name)?;
    Some(Ids { user: row.get(2)?.parse().ok()?, group: row.get(3)?.parse().ok()? })
}

/// The socket of a database server that `user` owns.
fn socket_of(user: u32) -> Option<String> {
    let mut entries = SOCKET_FOLDERS.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let is_server = |name: &str| name.starts_with(".s.PGSQL.") || name.ends_with(".sock");
    let socket = entries.find(|entry| {
        let is_own = entry.metadata().is_ok_and(|it| it.file_type().is_socket() && it.uid() == user);
        is_own && is_server(&entry.file_name().to_string_lossy())
    });
    socket.map(|entry| entry.path().display().to_string())
}

fn can_enter(ids: Ids, folder: &Path) -> bool {
    fs::metadata(folder).is_ok_and(|metadata| match (metadata.uid() == ids.user, metadata.gid() == ids.group) {
        (true, _) => metadata.mode() & 0o100 != 0,
        (false, true) => metadata.mode() & 0o010 != 0,
        (false, false) => metadata.mode() & 0o001 != 0,
    })
}
