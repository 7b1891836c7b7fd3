//! Listing, looking up, renaming and removing in `sftp.directory`, and what its file system says.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::mpsc;
use std::{iter, thread};

use chrono::DateTime;
use ssh2::{ErrorCode, File, FileStat};

use crate::destination::error::{DestinationError, is_failure, is_link, is_missing, is_no_space, is_refusal_to_write};
use crate::destination::session::connection::Connection;
use crate::destination::session::server::Server;
use crate::rules::listing::{Entry, Kind};
use crate::runtime::interrupt::Interrupt;

/// `LIBSSH2_ERROR_FILE`, with which ssh2 ends a listing.
const END_OF_LISTING: ErrorCode = ErrorCode::Session(-16);
/// `LIBSSH2_ERROR_PROTO`, which libssh2 1.11 also returns if a name does not fit into ssh2's buffer.
const NAME_TOO_LONG: ErrorCode = ErrorCode::Session(-14);

/// `SSH_FXE_STATVFS_ST_RDONLY` of OpenSSH's PROTOCOL, section 4.4.
const READ_ONLY: u64 = 1;

/// A listing beyond these limits is no folder of archives, and may never end.
const MAX_ENTRIES: usize = 100_000;
const MAX_NAMES: usize = 32 * 1024 * 1024;

/// How much of an archive is read to learn which job it belongs to.
const BEGINNING: u64 = 64 * 1024;

/// How many files are tried to find the free space: the server may refuse some, and each costs time.
const FILES_TRIED: usize = 3;

/// How much longer than for other answers a sync is waited for: a disk has to write what it has buffered.
const SYNC_PATIENCE: u32 = 10;

/// Whether a file on the server is on its disk, where a power failure does not reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    /// The server says so.
    Synced,
    /// The server does not support the question.
    NotOffered,
    /// The server failed to sync it, for this reason.
    Failed(String),
}

impl Server {
    /// Everything in the directory, and the bytes that are free there if the server reports them: over a connection of its
    /// own, in one attempt, within `sftp.timeout_seconds` in total.
    pub fn list_once(&self) -> Result<(Vec<Entry>, Option<u64>), DestinationError> {
        self.pool.clear();
        let end = Interrupt::new();
        let _ends_too = self.interrupt.on_trigger({
            let end = end.clone();
            move || end.expire()
        });
        let (sender, receiver) = mpsc::channel();
        let server = self.with_interrupt(&end);
        let span = tracing::Span::current();
        // Its result is ignored if it arrives too late: nothing ends the resolution of a name, for example.
        thread::spawn(move || {
            span.in_scope(|| {
                let listed = server.connect_once().and_then(|connection| {
                    let listed = (connection.list()?, connection.free_space());
                    // If this fails, dropping the connection cuts it.
                    let _ = connection.close();
                    Ok(listed)
                });
                _ = sender.send(listed);
            });
        });
        receiver.recv_timeout(self.config.timeout).unwrap_or_else(|_| {
            end.expire();
            let (what, source) = ("while sftp.directory was listed".to_owned(), io::ErrorKind::TimedOut.into());
            Err(DestinationError::Broken { what, limit: self.config.timeout, source })
        })
    }
}

impl Connection {
    /// Everything in the directory. Symbolic links are not followed.
    ///
    /// # Errors
    /// If the server or the link fails, or the listing is too large.
    pub fn list(&self) -> Result<Vec<Entry>, DestinationError> {
        let failed = |error| self.failed("to list sftp.directory", error);
        let mut directory = self.sftp.opendir(self.directory()).map_err(failed)?;
        let mut entries = Vec::new();
        let mut bytes = 0;
        // In addition to its entries, a folder lists itself and its parent.
        for _ in 0..MAX_ENTRIES + 3 {
            self.interrupt.check()?;
            match directory.readdir() {
                Ok((path, _)) if path == Path::new(".") || path == Path::new("..") => {}
                Ok((path, stat)) => {
                    bytes += path.as_os_str().len();
                    if bytes > MAX_NAMES {
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
        self.file_system().map(|there| there.free)
    }

    /// The directory's file system; `None` if the server does not report it.
    fn file_system(&self) -> Option<FileSystem> {
        // Many servers report it for an open file only. OpenSSH opens a folder as a file for reading; other servers are
        // asked about a file in the folder.
        let of = |path: &Path| file_system(&mut self.sftp.open(path).ok()?);
        of(self.directory()).or_else(|| {
            let mut directory = self.sftp.opendir(self.directory()).ok()?;
            file_system(&mut directory).or_else(|| {
                let entries = iter::from_fn(|| directory.readdir().ok()).take(MAX_ENTRIES);
                let files = entries.filter(|(_, stat)| kind_of(stat) == Kind::File);
                files.take(FILES_TRIED).find_map(|(name, _)| of(&self.directory().join(name)))
            })
        })
    }

    /// As [`failed`](Connection::failed), after a request to change something.
    fn change_failed(&self, what: &str, error: ssh2::Error) -> DestinationError {
        if is_refusal_to_write(&error) && self.file_system().is_some_and(|there| there.is_read_only) {
            let directory = self.directory().display().to_string();
            return DestinationError::ReadOnly { what: what.to_owned(), directory };
        }
        self.failed(what, error)
    }

    /// Why the file called `name`, of about `needed` bytes, could not be created.
    pub(crate) fn create_failed(&self, name: &str, needed: Option<u64>, error: ssh2::Error) -> DestinationError {
        let is_full = || self.file_system().is_some_and(|there| there.free == 0 || !there.has_inodes);
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

    /// The entry called `name`, if it exists. A symbolic link is not followed.
    pub(crate) fn lookup(&self, name: &str) -> Result<Option<Entry>, DestinationError> {
        match self.sftp.lstat(&self.path(name)) {
            Ok(stat) => Ok(Some(entry(name, &stat))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(self.failed(&format!("to look at {name:?}"), error)),
        }
    }

    /// The first 64 KiB of the file called `name`, or all of it.
    pub fn beginning(&self, name: &str) -> Result<Vec<u8>, DestinationError> {
        let what = format!("to read {name:?}");
        let file = self.sftp.open(self.path(name)).map_err(|error| self.failed(&what, error))?;
        let mut bytes = Vec::new();
        let read = file.take(BEGINNING).read_to_end(&mut bytes);
        read.map_err(|error| self.transfer_failed(format!("when it was asked {what}"), &what, error))?;
        Ok(bytes)
    }

    /// Removes the file called `name`. If it does not exist, that is fine.
    pub fn remove(&self, name: &str) -> Result<(), DestinationError> {
        match self.sftp.unlink(&self.path(name)) {
            Err(error) if !is_missing(&error) => Err(self.change_failed(&format!("to remove {name:?}"), error)),
            _ => Ok(()),
        }
    }

    /// Renames the file called `from` to the free name `to`.
    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<(), DestinationError> {
        self.sftp
            .rename(&self.path(from), &self.path(to), None)
            .map_err(|error| self.change_failed(&format!("to rename {from:?} to {to:?}"), error))
    }

    /// Asks the server to sync `file`, which is open for writing, to its disk (`fsync@openssh.com`, OpenSSH's PROTOCOL
    /// file, section 4.4). Waits up to ten times `sftp.timeout_seconds`. If the link breaks, the connection is cut.
    pub(crate) fn sync(&self, file: &mut File) -> Durability {
        let usual = self.session.timeout();
        self.session.set_timeout(usual.saturating_mul(SYNC_PATIENCE));
        let synced = file.fsync();
        self.session.set_timeout(usual);
        match synced.map_err(|error| (error.code(), error)) {
            Ok(()) => Durability::Synced,
            // Permission denied, bad message and unsupported (draft-ietf-secsh-filexfer-02 section 7): the answers of
            // servers that don't know the extension, or don't allow it.
            Err((ErrorCode::SFTP(3 | 5 | 8), _)) => Durability::NotOffered,
            Err((_, error)) => {
                if is_link(&error) {
                    self.cut();
                }
                Durability::Failed(error.message().to_owned())
            }
        }
    }
}

fn listed(path: &Path, stat: &FileStat) -> Entry {
    match path.to_str() {
        Some(name) => entry(name, stat),
        // This program creates no name that is not UTF-8.
        None => Entry { kind: Kind::Other, ..entry(&path.to_string_lossy(), stat) },
    }
}

fn entry(name: &str, stat: &FileStat) -> Entry {
    // Servers that do not know a time report 0.
    let modified = stat.mtime.filter(|seconds| *seconds > 0);
    let modified = modified.and_then(|seconds| DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0));
    Entry { name: name.to_owned(), kind: kind_of(stat), size: stat.size, modified }
}

struct FileSystem {
    /// Bytes that this user may still write.
    free: u64,
    has_inodes: bool,
    is_read_only: bool,
}

/// The file system of `file`; `None` if the server does not report it, or reports nonsense.
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
    file_system(file).map(|there| there.free)
}

fn kind_of(stat: &FileStat) -> Kind {
    if stat.perm.is_none() {
        // Nothing of unknown type is ever removed.
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
