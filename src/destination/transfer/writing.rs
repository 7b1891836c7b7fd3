//! Writes to an open file on the server, and finds out why a write failed.

use std::io::{self, Seek as _, SeekFrom, Write as _};

use ssh2::{File, OpenFlags, OpenType};

use crate::destination::error::{DestinationError, is_no_space};
use crate::destination::session::connection::Connection;
use crate::destination::session::folder::{Durability, free_space};

/// Servers report a full disk and similar problems only as "failure".
pub(crate) const NO_SPACE: &str = "(no space, a quota, or a file size limit?)";
/// Only the owner may read a dump.
pub(crate) const MODE: i32 = 0o600;
/// With less space than this, a refused write is taken for a full disk.
const ALMOST_FULL: u64 = 256 * 1024;
/// How often libssh2 may accept no bytes without an error. The session's time limit applies to each call.
const MAX_STALLS: usize = 3;

/// A file that is open for writing.
pub(crate) struct RemoteWriter<'a> {
    pub(crate) connection: &'a Connection,
    name: &'a str,
    file: File,
    /// Approximate size of the complete file in bytes, if known.
    expected_size: Option<u64>,
}

impl<'a> RemoteWriter<'a> {
    /// Opens the file `name` for writing, with `flags`, and with `mode` if it is created.
    pub(crate) fn open(
        connection: &'a Connection,
        name: &'a str,
        flags: OpenFlags,
        (expected_size, mode): (Option<u64>, i32),
    ) -> Result<Self, ssh2::Error> {
        let file = connection.sftp.open_mode(connection.path(name), OpenFlags::WRITE | flags, mode, OpenType::File)?;
        Ok(RemoteWriter { connection, name, file, expected_size })
    }

    /// Checks that there is enough space, and returns it in bytes, if the server reports it.
    pub(crate) fn check_space(&mut self) -> Result<Option<u64>, DestinationError> {
        match (self.expected_size, self.free_space()) {
            (Some(needed), free @ Some(available)) if needed > available => Err(self.no_space(free)),
            (_, free) => Ok(free),
        }
    }

    pub(crate) fn free_space(&mut self) -> Option<u64> {
        free_space(&mut self.file)
    }

    /// Continues at `position`. All earlier writes must have been acknowledged.
    pub(crate) fn seek(&mut self, position: u64) -> Result<(), DestinationError> {
        self.file.seek(SeekFrom::Start(position)).map(|_| ()).map_err(|error| self.failed(error))
    }

    /// Sends those of `bytes` that are not sent yet: a call must repeat the bytes that are not acknowledged. Returns the number
    /// of newly acknowledged bytes, at least 1.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<usize, DestinationError> {
        for _ in 0..=MAX_STALLS {
            match self.file.write(bytes) {
                Ok(0) => {}
                Ok(count) => return Ok(count),
                Err(error) => return Err(self.failed(error)),
            }
        }
        Err(self.connection.broken(self.activity(), io::ErrorKind::WriteZero.into()))
    }

    /// Asks the server to write the file to its disk.
    pub(crate) fn sync(&mut self) -> Durability {
        self.connection.sync(&mut self.file)
    }

    /// Some servers report a full disk or a quota only when a file is closed.
    pub(crate) fn close(self) -> Result<(), DestinationError> {
        let RemoteWriter { connection, name, file, expected_size } = self;
        let what = format!("to close {name:?} {NO_SPACE}");
        connection.close_file(file, |error| refused(connection, (name, expected_size), &what, error))
    }

    /// A full disk, a broken connection, or a refusal.
    fn failed(&mut self, error: io::Error) -> DestinationError {
        let what = format!("to write {:?} {NO_SPACE}", self.name);
        match self.connection.transfer_failed(self.activity(), &what, error) {
            // OpenSSH reports a full disk only as "failure", so query the file system.
            refusal @ DestinationError::Refused { .. } => match self.free_space() {
                free @ Some(available) if available < ALMOST_FULL => self.no_space(free),
                _ => refusal,
            },
            broken => broken,
        }
    }

    fn activity(&self) -> String {
        format!("while sending {:?}", self.name)
    }

    fn no_space(&self, free: Option<u64>) -> DestinationError {
        DestinationError::NoSpace { name: self.name.to_owned(), needed: self.expected_size, free }
    }
}

/// The error for the refused request `what` ("to close …") about the file `name` of about `needed` bytes.
pub(crate) fn refused(
    connection: &Connection,
    (name, needed): (&str, Option<u64>),
    what: &str,
    error: ssh2::Error,
) -> DestinationError {
    if is_no_space(&error) {
        DestinationError::NoSpace { name: name.to_owned(), needed, free: None }
    } else {
        connection.failed(what, error)
    }
}
