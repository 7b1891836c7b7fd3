//! Reads an open file on the server, requesting enough data ahead to use the full bandwidth.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use ssh2::File;

use crate::destination::error::DestinationError;
use crate::destination::session::connection::Connection;
use crate::rules::connections::in_flight;
use crate::runtime::progress::Bar;

/// libssh2 requests four times the size of a read in advance.
const READ_AHEAD: usize = 4;
/// In bytes, so that every SFTP request has the full size.
const MIN_READ: usize = 32 * 1024;

pub(crate) struct RemoteReader<'a> {
    connection: &'a Connection,
    name: &'a str,
    file: File,
    buffer: Vec<u8>,
}

impl<'a> RemoteReader<'a> {
    /// Opens the file `name` over `connection`, one of up to `connections` that share the work.
    pub(crate) fn open(connection: &'a Connection, name: &'a str, connections: u64) -> Result<Self, ssh2::Error> {
        let file = connection.sftp.open(connection.path(name))?;
        let buffer_size = (in_flight(connections) / READ_AHEAD).max(MIN_READ);
        Ok(RemoteReader { connection, name, file, buffer: vec![0; buffer_size] })
    }

    /// Passes the bytes of `range` to `consume` until it returns `false`. Returns the file's size if it ends within the range.
    ///
    /// # Errors
    /// Those of `consume`; others if the server or the connection fails.
    pub(crate) fn read(
        &mut self,
        range: Range<u64>,
        bar: &Bar,
        mut consume: impl FnMut(&[u8]) -> Result<bool, DestinationError>,
    ) -> Result<Option<u64>, DestinationError> {
        self.file.seek(SeekFrom::Start(range.start)).map_err(|error| self.failed(error))?;
        let mut position = range.start;
        while position < range.end {
            self.connection.interrupt.check()?;
            let left = range.end - position;
            // Avoids requests beyond the range.
            let max_bytes = usize::try_from(left.div_ceil(READ_AHEAD as u64)).unwrap_or(usize::MAX);
            let max_bytes = max_bytes.max(MIN_READ).min(self.buffer.len());
            let count = match self.file.read(&mut self.buffer[..max_bytes]) {
                Ok(0) => return Ok(Some(position)),
                Ok(count) => count.min(usize::try_from(left).unwrap_or(usize::MAX)),
                Err(error) => return Err(self.failed(error)),
            };
            bar.advance(count);
            position += count as u64;
            if !consume(&self.buffer[..count])? {
                break;
            }
        }
        Ok(None)
    }

    /// Whether the file has a byte at `position`.
    pub(crate) fn has_more(&mut self, position: u64) -> Result<bool, DestinationError> {
        let read = self.file.seek(SeekFrom::Start(position)).and_then(|_| self.file.read(&mut [0]));
        read.map(|count| count > 0).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> DestinationError {
        let (during, what) = (format!("while reading {:?} back", self.name), format!("to read {:?} back", self.name));
        self.connection.transfer_failed(during, &what, error)
    }
}
