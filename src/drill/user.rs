//! The system user of the throwaway server: never one that can reach a real database.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use rustix::process::geteuid;

use crate::drill::error::DrillError;

/// Where database servers of Debian and of MySQL create their sockets.
const SOCKET_FOLDERS: [&str; 4] = ["/run/postgresql", "/run/mysqld", "/var/run/mysqld", "/tmp"];

/// The user and group ids to change to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ids {
    pub(super) user: u32,
    pub(super) group: u32,
}

/// The ids of `name` if root runs the job; `None` for the job's own user, which then runs the server.
///
/// # Errors
/// If there is no such user, it is root, it cannot enter `folder`, or it owns the socket of a database server.
pub(super) fn find(name: &str, folder: &Path) -> Result<Option<Ids>, DrillError> {
    let accounts = fs::read("/etc/passwd").unwrap_or_default();
    let accounts = String::from_utf8_lossy(&accounts);
    // passwd(5): name, password, user id, group id.
    let fields = |line: &str| -> Option<(String, Ids)> {
        let parts: Vec<&str> = line.split(':').collect();
        let ids = Ids { user: parts.get(2)?.parse().ok()?, group: parts.get(3)?.parse().ok()? };
        Some((parts[0].to_owned(), ids))
    };
    let find = |is_wanted: &dyn Fn(&str, Ids) -> bool| {
        accounts.lines().filter_map(fields).find(|(name, ids)| is_wanted(name, *ids))
    };
    let own = geteuid();
    let refuse = |user: &str, problem: String, key| Err(DrillError::User { user: user.to_owned(), problem, key });
    if !own.is_root() {
        let user = find(&|_, ids| ids.user == own.as_raw()).map_or_else(|| own.as_raw().to_string(), |(name, _)| name);
        return match socket_of(own.as_raw()) {
            Some(socket) => refuse(&user, owns(&socket), "up another user for the job"),
            None => Ok(None),
        };
    }
    let to_other = "drill.user to an unprivileged user of this machine, such as nobody";
    let Some((_, ids)) = find(&|user, _| user == name) else {
        return refuse(name, "/etc/passwd does not list it".to_owned(), to_other);
    };
    if ids.user == 0 {
        return refuse(name, "it has all of root's rights".to_owned(), to_other);
    }
    if let Some(socket) = socket_of(ids.user) {
        return refuse(name, owns(&socket), to_other);
    }
    if let Some(closed) = folder.ancestors().find(|folder| !can_enter(ids, folder)) {
        let problem = format!("it cannot enter {}", closed.display());
        return refuse(name, problem, "archive.work_directory to a folder that every user can enter (chmod o+x)");
    }
    Ok(Some(ids))
}

fn owns(socket: &str) -> String {
    format!("it owns {socket}, the socket of a database server, and the dump could reach that server's data")
}

/// The socket of a database server that `user` owns.
fn socket_of(user: u32) -> Option<String> {
    let entries = SOCKET_FOLDERS.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let sockets = entries.filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_named = name.starts_with(".s.PGSQL.") || name.ends_with(".sock");
        is_named && entry.metadata().is_ok_and(|it| it.file_type().is_socket() && it.uid() == user)
    });
    sockets.map(|entry| entry.path().display().to_string()).next()
}

fn can_enter(ids: Ids, folder: &Path) -> bool {
    fs::metadata(folder).is_ok_and(|metadata| {
        let bit = match (metadata.uid() == ids.user, metadata.gid() == ids.group) {
            (true, _) => 0o100,
            (false, true) => 0o010,
            (false, false) => 0o001,
        };
        metadata.mode() & bit != 0
    })
}
