//! Lists, looks up, renames and removes files in `sftp.directory`, and queries its file system.

use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::{iter, thread};

use chrono::DateTime;
use ssh2::{ErrorCode, File, FileStat};

use crate::destination::error::{
    DestinationError, is_connection_error, is_failure, is_missing, is_no_space, is_refusal_to_write,
};
use crate::destination::session::connection::Connection;
use crate::destination::session::server::Server;
use crate::rules::listing::{Entry, Kind};
use crate::runtime::interrupt::Interrupt;
use crate::runtime::worker::inherit;

/// `LIBSSH2_ERROR_FILE`: ssh2's end of a listing.
const END_OF_LISTING: ErrorCode = ErrorCode::Session(-16);
/// `LIBSSH2_ERROR_PROTO`: libssh2 1.11 also returns it if a name exceeds ssh2's buffer.
const NAME_TOO_LONG: ErrorCode = ErrorCode::Session(-14);

/// `SSH_FXE_STATVFS_ST_RDONLY` of OpenSSH's PROTOCOL, section 4.4.
const READ_ONLY: u64 = 1;

/// Limits for a listing: a longer one is not a folder of archives and may be endless.
const MAX_ENTRIES: usize = 100_000;
const MAX_NAME_BYTES: usize = 32 * 1024 * 1024;

/// How many files are opened to query the file system: the server may refuse some, and each attempt takes time.
const MAX_FILES_TRIED: usize = 3;

/// Whether the server has written a file to its disk, safe from a power failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    Synced,
    /// The server does not support syncing.
    NotOffered,
    /// The sync failed for this reason.
    Failed(String),
}

impl Server {
    /// All entries of the directory and its free bytes, if the server reports them. Uses a separate connection, makes one
    /// attempt, and takes at most `sftp.timeout_seconds`.
    pub fn list_once(&self) -> Result<(Vec<Entry>, Option<u64>), DestinationError> {
        self.pool.clear();
        let end = Interrupt::new();
        let _guard = self.interrupt.on_trigger({
            let end = end.clone();
            move || end.expire()
        });
        let (sender, receiver) = mpsc::channel();
        let server = self.with_interrupt(&end);
        // A late result is ignored: resolving a name, for example, cannot be interrupted.
        thread::spawn(inherit(move || {
            let listed = server.connect_once().and_then(|connection| {
                let listed = (connection.list()?, connection.free_space());
                // If this fails, dropping the connection closes the socket.
                let _ = connection.close();
                Ok(listed)
            });
            _ = sender.send(listed);
        }));
        receiver.recv_timeout(self.config.timeout).unwrap_or_else(|_| {
            end.expire();
            let (what, source) = ("while listing sftp.directory".to_owned(), io::ErrorKind::TimedOut.into());
            Err(DestinationError::Broken { what, limit: self.config.timeout, source })
        })
    }
}

impl Connection {
    /// All entries of the directory. Symbolic links are not followed.
    ///
    /// # Errors
    /// If the server or the connection fails, or the listing is too large.
    pub fn list(&self) -> Result<Vec<Entry>, DestinationError> {
        let failed = |error| self.failed("to list sftp.directory", error);
        let mut directory = self.sftp.opendir(self.directory()).map_err(failed)?;
        let mut entries = Vec::new();
        let mut bytes = 0;
        // A listing also has "." and "..".
        for _ in 0..MAX_ENTRIES + 3 {
            self.interrupt.check()?;
            match directory.readdir() {
                Ok((path, _)) if path == Path::new(".") || path == Path::new("..") => {}
                Ok((path, stat)) => {
                    bytes += path.as_os_str().len();
                    if bytes > MAX_NAME_BYTES {
                        return Err(DestinationError::ListingTooLarge("its names have more than 32 MiB"));
                    }
                    entries.push(listed(&path, &stat));
                }
                Err(error) if error.code() == END_OF_LISTING => return Ok(entries),
                Err(error) if error.code() == NAME_TOO_LONG => {
                    return Err(DestinationError::ListingTooLarge(
                        "it has a name of more than 4 KiB, or a malformed one",
                    ));
                }
                Err(error) => return Err(failed(error)),
            }
        }
        Err(DestinationError::ListingTooLarge("it has more than 100,000 names"))
    }

    /// Bytes free in the directory's file system; `None` if the server does not report them.
    pub fn free_space(&self) -> Option<u64> {
        self.file_system().map(|file_system| file_system.free)
    }

    /// The directory's file system; `None` if the server does not report it.
    fn file_system(&self) -> Option<FileSystem> {
        // Many servers report it only for an open file. OpenSSH can open a folder as a file; for other servers, open a file
        // in the folder.
        let query = |path: &Path| file_system(&mut self.sftp.open(path).ok()?);
        query(self.directory()).or_else(|| {
            let mut directory = self.sftp.opendir(self.directory()).ok()?;
            file_system(&mut directory).or_else(|| {
                let entries = iter::from_fn(|| directory.readdir().ok()).take(MAX_ENTRIES);
                let files = entries.filter(|(_, stat)| kind_of(stat) == Kind::File);
                files.take(MAX_FILES_TRIED).find_map(|(name, _)| query(&self.directory().join(name)))
            })
        })
    }

    /// As [`failed`](Connection::failed), after a request to change something.
    fn change_failed(&self, what: &str, error: ssh2::Error) -> DestinationError {
        if is_refusal_to_write(&error) && self.file_system().is_some_and(|file_system| file_system.is_read_only) {
            let directory = self.configured_directory().to_owned();
            return DestinationError::ReadOnly { what: what.to_owned(), directory };
        }
        self.failed(what, error)
    }

    /// The error for a failed attempt to create the file `name` of about `needed` bytes.
    pub(crate) fn create_failed(&self, name: &str, needed: Option<u64>, error: ssh2::Error) -> DestinationError {
        let is_full = || self.file_system().is_some_and(|disk| disk.free == 0 || !disk.has_inodes);
        if is_no_space(&error) || is_failure(&error) && is_full() {
            return DestinationError::NoSpace { name: name.to_owned(), needed, free: self.free_space() };
        }
        // OpenSSH forbids no name.
        let is_openssh = self.session.banner().is_some_and(|banner| banner.contains("OpenSSH"));
        let advice = if name.starts_with('.') && !is_openssh {
            " (if it forbids names that begin with a dot, set sftp.temporary_prefix)"
        } else {
            ""
        };
        self.change_failed(&format!("to create {name:?}{advice}"), error)
    }

    /// The entry `name`, if it exists. A symbolic link is not followed.
    pub(crate) fn lookup(&self, name: &str) -> Result<Option<Entry>, DestinationError> {
        match self.sftp.lstat(&self.path(name)) {
            Ok(stat) => Ok(Some(entry(name, &stat))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(self.failed(&format!("to look up {name:?}"), error)),
        }
    }

    /// Removes the file `name`, if it exists.
    pub fn remove(&self, name: &str) -> Result<(), DestinationError> {
        match self.sftp.unlink(&self.path(name)) {
            Err(error) if !is_missing(&error) => Err(self.change_failed(&format!("to remove {name:?}"), error)),
            _ => Ok(()),
        }
    }

    /// Removes the failed upload `name` and returns `true`, if possible; otherwise the next run removes it.
    pub(crate) fn discard(&self, name: &str) -> bool {
        let log = |error: &_| tracing::debug!("{name:?} could not be removed ({error}); the next run will remove it");
        self.remove(name).inspect_err(log).is_ok()
    }

    /// Renames the file `from` to the unused name `to`.
    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<(), DestinationError> {
        self.patiently(|| {
            let renamed = self.sftp.rename(&self.path(from), &self.path(to), None);
            renamed.map_err(|error| self.change_failed(&format!("to rename {from:?} to {to:?}"), error))
        })
    }

    /// Asks the server to write `file`, which is open for writing, to its disk (`fsync@openssh.com`, OpenSSH's PROTOCOL
    /// file, section 4.4). Waits up to ten times `sftp.timeout_seconds`. Shuts a broken connection down.
    pub(crate) fn sync(&self, file: &mut File) -> Durability {
        let synced = self.patiently(|| file.fsync());
        match synced.map_err(|error| (error.code(), error)) {
            Ok(()) => Durability::Synced,
            // Permission denied, bad message and unsupported (draft-ietf-secsh-filexfer-02 section 7): sent by servers that
            // don't know the extension or don't allow it.
            Err((ErrorCode::SFTP(3 | 5 | 8), _)) => Durability::NotOffered,
            Err((_, error)) => {
                if is_connection_error(&error) {
                    self.shut_down();
                }
                Durability::Failed(error.message().to_owned())
            }
        }
    }
}

fn listed(path: &Path, stat: &FileStat) -> Entry {
    match path.to_str() {
        Some(name) => entry(name, stat),
        // This program creates only UTF-8 names.
        None => Entry { kind: Kind::Other, ..entry(&path.to_string_lossy(), stat) },
    }
}

fn entry(name: &str, stat: &FileStat) -> Entry {
    // Servers report 0 for an unknown time.
    let modified = stat.mtime.filter(|seconds| *seconds > 0);
    let modified = modified.and_then(|seconds| DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0));
    Entry { name: name.to_owned(), kind: kind_of(stat), size: stat.size, modified }
}

struct FileSystem {
    /// Bytes available to this user.
    free: u64,
    has_inodes: bool,
    is_read_only: bool,
}

/// The file system of `file`; `None` if the server does not report it, or reports invalid figures.
fn file_system(file: &mut File) -> Option<FileSystem> {
    let stat = file.statvfs().ok().filter(|stat| stat.f_blocks > 0)?;
    Some(FileSystem {
        free: stat.f_bavail.saturating_mul(stat.f_frsize),
        // Some file systems do not count inodes.
        has_inodes: stat.f_files == 0 || stat.f_favail > 0,
        is_read_only: stat.f_flag & READ_ONLY != 0,
    })
}

/// Bytes free in the file system of `file`; `None` if the server does not report them.
pub(crate) fn free_space(file: &mut File) -> Option<u64> {
    file_system(file).map(|file_system| file_system.free)
}

fn kind_of(stat: &FileStat) -> Kind {
    if stat.perm.is_none() {
        // Entries of unknown type are never removed.
        return Kind::Other;
    }
    let kind = stat.file_type();
    if kind.is_file() {
        Kind::File
    } else if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        Kind::Symlink
    } else {
        Kind::Other
    }
}
