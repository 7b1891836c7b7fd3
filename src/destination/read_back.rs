//! What the server really holds: the whole file is read back and compared.

use std::io::{self, Read, Seek, SeekFrom};

use sha2::{Digest, Sha256};
use ssh2::File;

use super::error::is_missing;
use super::lanes;
use super::parts::{Part, Parts};
use super::{Connection, DestinationError, Server};
use crate::progress::Bar;
use crate::rules::retention::Kind;
use crate::spool::{BLOCK, Content, Spool};

/// libssh2 asks ahead for four times as much as one call takes.
const READ_AHEAD: usize = 4;
/// No call takes less, so that requests stay whole.
const LEAST: usize = 32 * 1024;

/// The proof that a file on the server holds an archive. Where the link breaks, it can go on over another one.
pub struct ReadBack<'a> {
    name: &'a str,
    content: Content,
    parts: Parts,
    at_once: usize,
}

impl<'a> ReadBack<'a> {
    /// Of the file called `name`, against all of `spool`, which must be complete.
    ///
    /// # Errors
    /// If the archive is given up.
    pub fn new(server: &Server, spool: &Spool, name: &'a str) -> Result<ReadBack<'a>, DestinationError> {
        let connections = server.connections();
        Ok(ReadBack {
            name,
            content: spool.wait_until_complete().map_err(DestinationError::Spool)?,
            parts: Parts::new(spool, connections),
            at_once: (lanes::in_flight(connections) / READ_AHEAD).max(LEAST),
        })
    }

    /// Reads what is left of it over `connection`, and over further ones where that is worth it.
    ///
    /// # Errors
    /// [`DestinationError::Different`] if it holds something else; others if the server or the link fails.
    pub fn run(&self, server: &Server, connection: &Connection, bar: &Bar) -> Result<(), DestinationError> {
        let size = match connection.look(self.name)? {
            None => return Err(self.different("it is not there")),
            Some(entry) if entry.kind != Kind::File => return Err(DestinationError::NotAFile(self.name.to_owned())),
            Some(entry) => entry.size,
        };
        if let Some(size) = size.filter(|size| *size != self.content.size) {
            return Err(self.different(&format!("it has {size} bytes instead of {}", self.content.size)));
        }
        let first = || {
            let mut file = self.open(connection)?;
            self.read_parts(connection, &mut file, bar)?;
            // It is about to get its final name, which shall outlast a power failure.
            if let Err(error) = file.fsync() {
                tracing::debug!("the server does not sync the archive to its disk when asked ({error}); going on");
            }
            Ok(())
        };
        let further = |connection: &Connection| self.read_parts(connection, &mut self.open(connection)?, bar);
        lanes::run(server, &self.parts, first, further)?;
        if size.is_none() && self.has_more(connection)? {
            return Err(self.different(&format!("it has more than {} bytes", self.content.size)));
        }
        Ok(())
    }

    /// Takes parts and compares them, until there are no more.
    fn read_parts(&self, connection: &Connection, file: &mut File, bar: &Bar) -> Result<(), DestinationError> {
        let mut buffer = vec![0; self.at_once];
        while let Some(mut part) = self.parts.take()? {
            self.compare(connection, file, &mut part, &mut buffer, bar)?;
        }
        Ok(())
    }

    /// Compares block by block: parts begin where blocks do.
    fn compare(
        &self,
        connection: &Connection,
        file: &mut File,
        part: &mut Part<'_>,
        buffer: &mut [u8],
        bar: &Bar,
    ) -> Result<(), DestinationError> {
        file.seek(SeekFrom::Start(part.start())).map_err(|error| self.failed(connection, error))?;
        let (mut position, end) = (part.start(), part.end());
        let mut hasher = Sha256::new();
        while position < end && !self.parts.is_stopped() {
            connection.interrupt.check()?;
            // What is asked for ahead ends with the part.
            let most = usize::try_from((end - position).div_ceil(READ_AHEAD as u64)).unwrap_or(usize::MAX);
            let most = most.max(LEAST).min(buffer.len());
            let count = match file.read(&mut buffer[..most]) {
                Ok(0) => return Err(self.different(&format!("it ends after {position} bytes"))),
                Ok(count) => count.min(usize::try_from(end - position).unwrap_or(usize::MAX)),
                Err(error) => return Err(self.failed(connection, error)),
            };
            bar.advance(count);
            let mut bytes = &buffer[..count];
            while !bytes.is_empty() {
                let block_end = self.content.size.min((position / BLOCK + 1) * BLOCK);
                let left = usize::try_from(block_end - position).unwrap_or(usize::MAX);
                let (in_block, rest) = bytes.split_at(left.min(bytes.len()));
                hasher.update(in_block);
                position += in_block.len() as u64;
                bytes = rest;
                if position == block_end {
                    self.check_block(part.start(), &hasher.finalize_reset().into())?;
                    part.advance(block_end - part.start());
                }
            }
        }
        Ok(())
    }

    /// Compares the digest of the block that begins at `start`.
    fn check_block(&self, start: u64, digest: &[u8; 32]) -> Result<(), DestinationError> {
        let expected = usize::try_from(start / BLOCK).ok().and_then(|index| self.content.blocks.get(index));
        if expected == Some(digest) {
            return Ok(());
        }
        Err(self.different(&format!("it has the right size, but other bytes (in the MiB from byte {start} on)")))
    }

    /// Whether bytes follow where the archive ends. Asked of servers that do not tell sizes.
    fn has_more(&self, connection: &Connection) -> Result<bool, DestinationError> {
        let mut file = self.open(connection)?;
        file.seek(SeekFrom::Start(self.content.size))
            .and_then(|_| file.read(&mut [0]))
            .map(|count| count > 0)
            .map_err(|error| self.failed(connection, error))
    }

    fn open(&self, connection: &Connection) -> Result<File, DestinationError> {
        connection.sftp.open(connection.path(self.name)).map_err(|error| {
            if is_missing(&error) {
                return self.different("it is gone");
            }
            connection.failed(&format!("to open {:?}", self.name), error)
        })
    }

    fn different(&self, difference: &str) -> DestinationError {
        DestinationError::Different { name: self.name.to_owned(), difference: difference.to_owned() }
    }

    fn failed(&self, connection: &Connection, error: io::Error) -> DestinationError {
        if error.kind() == io::ErrorKind::TimedOut || !connection.is_alive() {
            return connection.broken(format!("while {:?} was read back", self.name), error);
        }
        DestinationError::Refused {
            what: format!("to read {:?} back", self.name),
            source: ssh2::Error::new(ssh2::ErrorCode::SFTP(4), "failure"),
        }
    }
}
