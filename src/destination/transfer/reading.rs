//! An open file on the server, read piece by piece with as much asked for ahead as fills the line.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use ssh2::File;

use crate::destination::error::DestinationError;
use crate::destination::session::connection::Connection;
use crate::destination::transfer::lanes;
use crate::runtime::progress::Bar;

/// libssh2 asks ahead for four times as much as one call takes.
const READ_AHEAD: usize = 4;
/// No call takes less, so that requests stay whole.
const LEAST: usize = 32 * 1024;

/// A file that is being read over one connection.
pub(crate) struct Reading<'a> {
    connection: &'a Connection,
    name: &'a str,
    file: File,
    buffer: Vec<u8>,
}

/// How reading a range has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Where it was to end, or where no more was wanted.
    Wanted,
    /// Where the file ends, after so many bytes.
    OfFile(u64),
}

impl<'a> Reading<'a> {
    /// Opens the file called `name` over `connection`, one of so many `connections` that share the reading.
    ///
    /// # Errors
    /// libssh2's.
    pub(crate) fn open(connection: &'a Connection, name: &'a str, connections: u64) -> Result<Self, ssh2::Error> {
        let file = connection.sftp.open(connection.path(name))?;
        let at_once = (lanes::in_flight(connections) / READ_AHEAD).max(LEAST);
        Ok(Reading { connection, name, file, buffer: vec![0; at_once] })
    }

    /// Hands the bytes of `range` to `take`, until that gives `false`.
    ///
    /// # Errors
    /// Those of `take`; others if the server or the link fails.
    pub(crate) fn read(
        &mut self,
        range: Range<u64>,
        bar: &Bar,
        mut take: impl FnMut(&[u8]) -> Result<bool, DestinationError>,
    ) -> Result<End, DestinationError> {
        self.file.seek(SeekFrom::Start(range.start)).map_err(|error| self.failed(error))?;
        let mut position = range.start;
        while position < range.end {
            self.connection.interrupt.check()?;
            let left = range.end - position;
            // What is asked for ahead ends with the range.
            let most = usize::try_from(left.div_ceil(READ_AHEAD as u64)).unwrap_or(usize::MAX);
            let most = most.max(LEAST).min(self.buffer.len());
            let count = match self.file.read(&mut self.buffer[..most]) {
                Ok(0) => return Ok(End::OfFile(position)),
                Ok(count) => count.min(usize::try_from(left).unwrap_or(usize::MAX)),
                Err(error) => return Err(self.failed(error)),
            };
            bar.advance(count);
            position += count as u64;
            if !take(&self.buffer[..count])? {
                break;
            }
        }
        Ok(End::Wanted)
    }

    /// Whether bytes follow from `position` on.
    ///
    /// # Errors
    /// If the server or the link fails.
    pub(crate) fn has_more(&mut self, position: u64) -> Result<bool, DestinationError> {
        let read = self.file.seek(SeekFrom::Start(position)).and_then(|_| self.file.read(&mut [0]));
        read.map(|count| count > 0).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> DestinationError {
        if error.kind() == io::ErrorKind::TimedOut || !self.connection.is_alive() {
            return self.connection.broken(format!("while {:?} was read back", self.name), error);
        }
        DestinationError::Refused {
            what: format!("to read {:?} back", self.name),
            source: ssh2::Error::new(ssh2::ErrorCode::SFTP(4), "failure"),
        }
    }
}
