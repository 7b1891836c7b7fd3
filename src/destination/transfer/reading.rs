//! An open file on the server, read in pieces, with enough requested ahead to fill the line.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use ssh2::File;

use crate::destination::error::DestinationError;
use crate::destination::session::connection::Connection;
use crate::rules::connections::in_flight;
use crate::runtime::progress::Bar;

/// libssh2 requests four times as much ahead as one call takes.
const READ_AHEAD: usize = 4;
/// No call takes less, so that requests are whole ones.
const LEAST: usize = 32 * 1024;

pub(crate) struct Reading<'a> {
    connection: &'a Connection,
    name: &'a str,
    file: File,
    buffer: Vec<u8>,
}

impl<'a> Reading<'a> {
    /// Opens the file called `name` over `connection`, one of up to `connections` that share the reading.
    pub(crate) fn open(connection: &'a Connection, name: &'a str, connections: u64) -> Result<Self, ssh2::Error> {
        let file = connection.sftp.open(connection.path(name))?;
        let at_once = (in_flight(connections) / READ_AHEAD).max(LEAST);
        Ok(Reading { connection, name, file, buffer: vec![0; at_once] })
    }

    /// Passes the bytes of `range` to `take`, until that returns `false`. Returns the file's size if the file ends before.
    ///
    /// # Errors
    /// Those of `take`; others if the server or the link fails.
    pub(crate) fn read(
        &mut self,
        range: Range<u64>,
        bar: &Bar,
        mut take: impl FnMut(&[u8]) -> Result<bool, DestinationError>,
    ) -> Result<Option<u64>, DestinationError> {
        self.file.seek(SeekFrom::Start(range.start)).map_err(|error| self.failed(error))?;
        let mut position = range.start;
        while position < range.end {
            self.connection.interrupt.check()?;
            let left = range.end - position;
            // Nothing beyond the range is requested.
            let most = usize::try_from(left.div_ceil(READ_AHEAD as u64)).unwrap_or(usize::MAX);
            let most = most.max(LEAST).min(self.buffer.len());
            let count = match self.file.read(&mut self.buffer[..most]) {
                Ok(0) => return Ok(Some(position)),
                Ok(count) => count.min(usize::try_from(left).unwrap_or(usize::MAX)),
                Err(error) => return Err(self.failed(error)),
            };
            bar.advance(count);
            position += count as u64;
            if !take(&self.buffer[..count])? {
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
        let (during, what) = (format!("while {:?} was read back", self.name), format!("to read {:?} back", self.name));
        self.connection.transfer_failed(during, &what, error)
    }
}
