//! Reads an open file on the server, requesting enough data ahead to use the full bandwidth.

use std::io::{self, Read, Seek, SeekFrom};

use sha2::{Digest as _, Sha256};
use ssh2::File;

use crate::destination::error::DestinationError;
use crate::destination::session::connection::Connection;
use crate::destination::session::folder::Durability;
use crate::rules::checksum::Digest;

/// libssh2 requests four times the size of a read in advance.
const READ_AHEAD: usize = 4;
/// The length of its requests in bytes (`MAX_SFTP_READ_SIZE` of its sftp.h), unless a read and all that is requested with it
/// are smaller.
pub(crate) const REQUEST: u64 = 30_000;
/// What a read asks for, for each request that it may cause.
const READ_PER_REQUEST: usize = REQUEST as usize / READ_AHEAD;

/// How many bytes of an archive are read to identify its job.
const BEGINNING: u64 = 64 * 1024;

pub(crate) struct RemoteReader<'a> {
    connection: &'a Connection,
    name: &'a str,
    file: File,
    buffer: Vec<u8>,
    /// The position of the last seek.
    first: u64,
    position: u64,
}

impl<'a> RemoteReader<'a> {
    /// Opens the file `name` over `connection`, and keeps up to `in_flight` requested bytes in flight.
    pub(crate) fn open(connection: &'a Connection, name: &'a str, in_flight: usize) -> Result<Self, ssh2::Error> {
        let file = connection.sftp.open(connection.path(name))?;
        let buffer_size = (in_flight / READ_AHEAD).max(READ_PER_REQUEST);
        Ok(RemoteReader { connection, name, file, buffer: vec![0; buffer_size], first: 0, position: 0 })
    }

    pub(crate) fn connection(&self) -> &'a Connection {
        self.connection
    }

    /// Continues at `position`.
    pub(crate) fn seek(&mut self, position: u64) -> Result<(), DestinationError> {
        // libssh2 keeps what it has read in advance, even an end of the file, if the position does not change.
        let moved =
            self.file.seek(SeekFrom::Start(position + 1)).and_then(|_| self.file.seek(SeekFrom::Start(position)));
        (self.first, self.position) = (position, position);
        moved.map(|_| ()).map_err(|error| self.failed(error))
    }

    /// Whether reads that end at `end` request nothing after it: they consist of whole requests.
    pub(crate) fn ends_exactly_at(&self, end: u64) -> bool {
        (end - self.first).is_multiple_of(REQUEST)
    }

    /// The next bytes, at most `max`, which must not be 0; nothing at the end of the file. Requests bytes in advance, but none
    /// after `max` except to complete a request.
    ///
    /// # Errors
    /// If the server or the connection fails, or the run is interrupted.
    pub(crate) fn read(&mut self, max: u64) -> Result<&[u8], DestinationError> {
        self.connection.interrupt.check()?;
        let count = match self.read_once(max) {
            // libssh2 fails if the server sends fewer bytes than requested while it has further requests.
            Err(DestinationError::Refused { .. }) if self.buffer.len() > READ_PER_REQUEST => {
                self.buffer.truncate(READ_PER_REQUEST);
                self.seek(self.position)?;
                self.read_once(max)?
            }
            other => other?,
        };
        self.position += count as u64;
        Ok(&self.buffer[..count])
    }

    /// Asks the server to write the file to its disk.
    pub(crate) fn sync(&mut self) -> Durability {
        self.connection.sync(&mut self.file)
    }

    fn read_once(&mut self, max: u64) -> Result<usize, DestinationError> {
        let requests = usize::try_from(max.div_ceil(REQUEST)).unwrap_or(usize::MAX);
        let count = requests.saturating_mul(READ_PER_REQUEST).min(self.buffer.len());
        let count = self.file.read(&mut self.buffer[..count]).map_err(|error| self.failed(error))?;
        Ok(count.min(usize::try_from(max).unwrap_or(usize::MAX)))
    }

    fn failed(&self, error: io::Error) -> DestinationError {
        let (during, what) = (format!("while reading {:?} back", self.name), format!("to read {:?} back", self.name));
        self.connection.transfer_failed(during, &what, error)
    }
}

impl Connection {
    /// The SHA-256 of the file `name`. Calls `progress` with the number of bytes that were read.
    pub(crate) fn sha256(
        &self,
        name: &str,
        in_flight: usize,
        progress: impl Fn(usize),
    ) -> Result<Digest, DestinationError> {
        let reader = RemoteReader::open(self, name, in_flight);
        let mut reader = reader.map_err(|error| self.failed(&format!("to read {name:?}"), error))?;
        let mut sha256 = Sha256::new();
        loop {
            let bytes = reader.read(u64::MAX)?;
            if bytes.is_empty() {
                return Ok(sha256.finalize().into());
            }
            sha256.update(bytes);
            progress(bytes.len());
        }
    }

    /// The first 64 KiB of the file `name`, or all of it if it is shorter.
    pub fn beginning(&self, name: &str) -> Result<Vec<u8>, DestinationError> {
        let reader = RemoteReader::open(self, name, BEGINNING as usize);
        let mut reader = reader.map_err(|error| self.failed(&format!("to read {name:?}"), error))?;
        let (mut bytes, mut left) = (Vec::new(), BEGINNING);
        while left > 0 {
            let more = reader.read(left)?;
            if more.is_empty() {
                break;
            }
            bytes.extend_from_slice(more);
            left -= more.len() as u64;
        }
        Ok(bytes)
    }
}
