//! Looking, renaming and removing in `sftp.directory`.

use std::path::Path;

use ssh2::{ErrorCode, FileStat};

use super::error::is_missing;
use super::{Connection, DestinationError};
use crate::rules::retention::{Entry, Kind};

/// `LIBSSH2_ERROR_FILE`, with which ssh2 ends a listing.
const END_OF_LISTING: ErrorCode = ErrorCode::Session(-16);

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
                Ok((path, stat)) => entries.push(self.entry(&path, stat)),
                Err(error) if error.code() == END_OF_LISTING => return Ok(entries),
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// The entry called `name`, if there is one; a symbolic link as itself.
    pub(super) fn look(&self, name: &str) -> Result<Option<Entry>, DestinationError> {
        match self.sftp.lstat(&self.path(name)) {
            Ok(stat) => Ok(Some(Entry { name: name.to_owned(), kind: kind_of(&stat), size: stat.size })),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(self.failed(&format!("to look at {name:?}"), error)),
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

    fn entry(&self, path: &Path, stat: FileStat) -> Entry {
        let Some(name) = path.to_str() else {
            // What is not UTF-8 is none of ours, whatever it is.
            return Entry { name: path.to_string_lossy().into_owned(), kind: Kind::Other, size: stat.size };
        };
        Entry { name: name.to_owned(), kind: kind_of(&stat), size: stat.size }
    }
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
