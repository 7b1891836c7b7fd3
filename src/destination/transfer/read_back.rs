//! Verifies a file on the server: reads all of it back and compares it.

use sha2::{Digest, Sha256};

use crate::destination::error::{DestinationError, is_missing};
use crate::destination::session::connection::Connection;
use crate::destination::session::server::Server;
use crate::destination::transfer::lanes;
use crate::destination::transfer::reading::RemoteReader;
use crate::destination::transfer::work_queue::{Part, WorkQueue};
use crate::disk::spool::{BLOCK, Content, Spool};
use crate::rules::listing::Kind;
use crate::runtime::progress::Bar;

/// Compares a file on the server with an archive. It can continue over another connection.
pub(crate) struct ReadBack<'a> {
    name: &'a str,
    content: Content,
    queue: WorkQueue<Spool>,
    connections: u64,
}

impl<'a> ReadBack<'a> {
    /// A comparison of the file `name` with `spool`. Waits until the spool is complete.
    ///
    /// # Errors
    /// If the archive is abandoned.
    pub(crate) fn new(server: &Server, spool: &Spool, name: &'a str) -> Result<ReadBack<'a>, DestinationError> {
        let connections = server.connections();
        Ok(ReadBack {
            name,
            content: spool.wait_until_complete().map_err(DestinationError::Spool)?,
            queue: WorkQueue::new(spool.clone(), connections),
            connections,
        })
    }

    /// Compares the rest over `connection`, and over additional ones if that pays off.
    ///
    /// # Errors
    /// [`DestinationError::Different`] if the content differs; others if the server or the connection fails.
    pub(crate) fn run(&self, server: &Server, connection: &Connection, bar: &Bar) -> Result<(), DestinationError> {
        let size = match connection.lookup(self.name)? {
            None => return Err(self.different("it is not there")),
            Some(entry) if entry.kind != Kind::File => return Err(DestinationError::NotAFile(self.name.to_owned())),
            Some(entry) => entry.size,
        };
        if let Some(size) = size.filter(|size| *size != self.content.size) {
            return Err(self.different(&format!("it has {size} bytes instead of {}", self.content.size)));
        }
        let transfer = |connection: &Connection| self.read_parts(&mut self.open(connection)?, bar);
        lanes::run(server, &self.queue, || transfer(connection), transfer)?;
        // Some servers do not report sizes.
        if size.is_none() && self.open(connection)?.has_more(self.content.size)? {
            return Err(self.different(&format!("it has more than {} bytes", self.content.size)));
        }
        Ok(())
    }

    fn read_parts(&self, reader: &mut RemoteReader<'_>, bar: &Bar) -> Result<(), DestinationError> {
        while let Some(mut part) = self.queue.take()? {
            self.compare(reader, &mut part, bar)?;
        }
        Ok(())
    }

    /// Compares block by block. Parts begin at block boundaries.
    fn compare(
        &self,
        reader: &mut RemoteReader<'_>,
        part: &mut Part<'_, Spool>,
        bar: &Bar,
    ) -> Result<(), DestinationError> {
        let mut position = part.start();
        let mut hasher = Sha256::new();
        let end = reader.read(part.start()..part.end(), bar, |mut bytes| {
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
            Ok(!self.queue.is_stopped())
        })?;
        end.map_or(Ok(()), |size| Err(self.different(&format!("it ends after {size} bytes"))))
    }

    /// Compares the digest of the block that begins at `start`.
    fn check_block(&self, start: u64, digest: &[u8; 32]) -> Result<(), DestinationError> {
        let expected = usize::try_from(start / BLOCK).ok().and_then(|index| self.content.blocks.get(index));
        if expected == Some(digest) {
            return Ok(());
        }
        Err(self.different(&format!("it has the right size but different bytes (in the MiB from byte {start} on)")))
    }

    fn open<'b>(&'b self, connection: &'b Connection) -> Result<RemoteReader<'b>, DestinationError> {
        RemoteReader::open(connection, self.name, self.connections).map_err(|error| {
            if is_missing(&error) {
                return self.different("it is gone");
            }
            connection.failed(&format!("to open {:?}", self.name), error)
        })
    }

    fn different(&self, difference: &str) -> DestinationError {
        DestinationError::Different { name: self.name.to_owned(), difference: difference.to_owned() }
    }
}
