//! Looking, renaming and removing in `sftp.directory`.

use std::io::Read as _;
use std::iter;
use std::path::Path;

use chrono::DateTime;
use ssh2::{ErrorCode, File, FileStat};

use crate::destination::error::DestinationError;
use crate::destination::error::{is_failure, is_missing, is_no_space, is_refusal_to_write};
use crate::destination::session::connection::Connection;
use crate::rules::listing::{Entry, Kind};

/// `LIBSSH2_ERROR_FILE`, with which ssh2 ends a listing.
const END_OF_LISTING: ErrorCode = ErrorCode::Session(-16);
/// `LIBSSH2_ERROR_PROTO`, which is also what libssh2 1.11 says where a name does not fit into ssh2's buffer.
const NAME_TOO_LONG: ErrorCode = ErrorCode::Session(-14);

/// `SSH_FXE_STATVFS_ST_RDONLY` of OpenSSH's PROTOCOL, section 4.4.
const READ_ONLY: u64 = 1;

/// A listing that goes beyond these bounds is no folder of archives, and may have no end.
const MAX_ENTRIES: usize = 100_000;
const MAX_NAMES: usize = 32 * 1024 * 1024;

/// How much of an archive is read to learn whose it is.
const BEGINNING: u64 = 64 * 1024;

/// Of so many files the server is asked how much room there is beside them: it may refuse some, and each costs time.
const FILES_ASKED: usize = 3;

impl Connection {
    /// Everything in the directory. Symbolic links are shown as such.
    ///
    /// # Errors
    /// If the server does not tell.
    pub fn list(&self) -> Result<Vec<Entry>, DestinationError> {
        let failed = |error| self.failed("to list sftp.directory", error);
        let mut directory = self.sftp.opendir(self.directory()).map_err(failed)?;
        let mut entries = Vec::new();
        let mut bytes = 0;
        // Beside the entries, a folder lists itself and its parent.
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

    /// How many bytes are free where the directory lies; `None` where the server does not tell.
    pub fn free_space(&self) -> Option<u64> {
        self.file_system().map(|there| there.free)
    }

    /// The file system where the directory lies; `None` where the server does not tell.
    pub(crate) fn file_system(&self) -> Option<FileSystem> {
        // Many servers tell it of an open file alone. OpenSSH opens a folder as one where it is only to be read; others
        // are asked about a file that lies there.
        let beside = |path: &Path| file_system(&mut self.sftp.open(path).ok()?);
        beside(self.directory()).or_else(|| {
            let mut directory = self.sftp.opendir(self.directory()).ok()?;
            file_system(&mut directory).or_else(|| {
                let entries = iter::from_fn(|| directory.readdir().ok()).take(MAX_ENTRIES);
                let files = entries.filter(|(_, stat)| kind_of(stat) == Kind::File);
                files.take(FILES_ASKED).find_map(|(name, _)| beside(&self.directory().join(name)))
            })
        })
    }

    /// As [`failed`](Connection::failed), where the server was asked to change something.
    pub(crate) fn change_failed(&self, what: &str, error: ssh2::Error) -> DestinationError {
        if is_refusal_to_write(&error) && self.file_system().is_some_and(|there| there.is_read_only) {
            return DestinationError::ReadOnly {
                what: what.to_owned(),
                directory: self.directory().display().to_string(),
            };
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

    /// The entry called `name`, if there is one; a symbolic link as itself.
    pub(crate) fn look(&self, name: &str) -> Result<Option<Entry>, DestinationError> {
        match self.sftp.lstat(&self.path(name)) {
            Ok(stat) => Ok(Some(entry(name, &stat))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(self.failed(&format!("to look at {name:?}"), error)),
        }
    }

    /// The first 64 KiB of the file called `name`, or all of it.
    ///
    /// # Errors
    /// If the server or the link fails.
    pub fn beginning(&self, name: &str) -> Result<Vec<u8>, DestinationError> {
        let what = format!("to read {name:?}");
        let file = self.sftp.open(self.path(name)).map_err(|error| self.failed(&what, error))?;
        let mut bytes = Vec::new();
        match file.take(BEGINNING).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(_) if self.is_alive() => Err(self.failed(&what, ssh2::Error::new(ErrorCode::SFTP(4), "failure"))),
            Err(error) => Err(self.broken(format!("when it was asked {what}"), error)),
        }
    }

    /// Removes the file called `name`. One that is already gone is as good as removed.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn remove(&self, name: &str) -> Result<(), DestinationError> {
        match self.sftp.unlink(&self.path(name)) {
            Err(error) if !is_missing(&error) => Err(self.change_failed(&format!("to remove {name:?}"), error)),
            _ => Ok(()),
        }
    }

    /// Gives the file called `from` the free name `to`.
    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<(), DestinationError> {
        self.sftp
            .rename(&self.path(from), &self.path(to), None)
            .map_err(|error| self.change_failed(&format!("to rename {from:?} to {to:?}"), error))
    }
}

fn listed(path: &Path, stat: &FileStat) -> Entry {
    match path.to_str() {
        Some(name) => entry(name, stat),
        // What is not UTF-8 is none of ours, whatever it is.
        None => Entry { kind: Kind::Other, ..entry(&path.to_string_lossy(), stat) },
    }
}

fn entry(name: &str, stat: &FileStat) -> Entry {
    // Servers that do not know a time report 0.
    let modified = stat.mtime.filter(|seconds| *seconds > 0);
    let modified = modified.and_then(|seconds| DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0));
    Entry { name: name.to_owned(), kind: kind_of(stat), size: stat.size, modified }
}

/// A file system on the server.
pub(crate) struct FileSystem {
    /// Bytes that this user may still write.
    pub(crate) free: u64,
    /// Whether a file can still be created there.
    pub(crate) has_inodes: bool,
    pub(crate) is_read_only: bool,
}

/// The file system where `file` lies; `None` where the server does not tell, or makes nothing of the question.
fn file_system(file: &mut File) -> Option<FileSystem> {
    let stat = file.statvfs().ok().filter(|stat| stat.f_blocks > 0)?;
    Some(FileSystem {
        free: stat.f_bavail.saturating_mul(stat.f_frsize),
        // Some file systems count none.
        has_inodes: stat.f_files == 0 || stat.f_favail > 0,
        is_read_only: stat.f_flag & READ_ONLY != 0,
    })
}

/// How many bytes are free where `file` lies, as far as the server tells.
pub(crate) fn free_space(file: &mut File) -> Option<u64> {
    file_system(file).map(|there| there.free)
}

fn kind_of(stat: &FileStat) -> Kind {
    if stat.perm.is_none() {
        // A server that tells no type is not trusted with deletions.
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
