//! Looking, renaming and removing in `sftp.directory`.

use std::io::Read as _;
use std::iter;
use std::path::Path;

use chrono::DateTime;
use ssh2::{ErrorCode, File, FileStat};

use super::error::is_missing;
use super::{Connection, DestinationError};
use crate::rules::retention::{Entry, Kind};

/// `LIBSSH2_ERROR_FILE`, with which ssh2 ends a listing.
const END_OF_LISTING: ErrorCode = ErrorCode::Session(-16);

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
        loop {
            self.interrupt.check()?;
            match directory.readdir() {
                Ok((path, _)) if path == Path::new(".") || path == Path::new("..") => {}
                Ok((path, stat)) => entries.push(listed(&path, &stat)),
                Err(error) if error.code() == END_OF_LISTING => return Ok(entries),
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// How many bytes are free where the directory lies; `None` where the server does not tell.
    pub fn free_space(&self) -> Option<u64> {
        // Many servers tell it of an open file alone. OpenSSH opens a folder as one where it is only to be read; others
        // are asked about a file that lies there.
        let beside = |path: &Path| free_space(&mut self.sftp.open(path).ok()?);
        beside(self.directory()).or_else(|| {
            let mut directory = self.sftp.opendir(self.directory()).ok()?;
            free_space(&mut directory).or_else(|| {
                let files = iter::from_fn(|| directory.readdir().ok()).filter(|(_, stat)| kind_of(stat) == Kind::File);
                files.take(FILES_ASKED).find_map(|(name, _)| beside(&self.directory().join(name)))
            })
        })
    }

    /// The entry called `name`, if there is one; a symbolic link as itself.
    pub(super) fn look(&self, name: &str) -> Result<Option<Entry>, DestinationError> {
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
            Err(error) if !is_missing(&error) => Err(self.failed(&format!("to remove {name:?}"), error)),
            _ => Ok(()),
        }
    }

    /// Gives the file called `from` the free name `to`.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), DestinationError> {
        self.sftp
            .rename(&self.path(from), &self.path(to), None)
            .map_err(|error| self.failed(&format!("to rename {from:?} to {to:?}"), error))
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

/// How many bytes are free where `file` lies; `None` where the server does not tell, or makes nothing of the question.
pub(super) fn free_space(file: &mut File) -> Option<u64> {
    let stat = file.statvfs().ok().filter(|stat| stat.f_blocks > 0)?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
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
