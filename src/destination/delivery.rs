//! Sends an archive under a temporary name, reads it back over a new connection, and publishes it.

use crate::destination::error::DestinationError;
use crate::destination::publish::{Occupant, Publication, Published, put_back};
use crate::destination::session::connection::Connection;
use crate::destination::session::folder::Durability;
use crate::destination::session::server::Server;
use crate::destination::transfer::read_back::ReadBack;
use crate::destination::transfer::upload::Upload;
use crate::disk::spool::Spool;
use crate::rules::archive_name::Naming;
use crate::rules::listing::{Entry, own_uploads};
use crate::runtime::progress::{Bar, Progress};

/// The delivery of one archive. It reconnects after a broken connection.
pub struct Delivery<'a> {
    pub server: &'a Server,
    pub naming: &'a Naming,
    /// The archive's final name.
    pub name: &'a str,
    /// The archive, which may still grow during the upload.
    pub spool: &'a Spool,
    /// Whether an archive with these first 64 KiB belongs to another job and must not be replaced.
    pub belongs_to_other_job: &'a dyn Fn(&[u8]) -> bool,
    pub progress: &'a Progress,
}

pub struct Sent {
    pub state: SentState,
    /// Unfinished uploads of earlier runs that were removed first.
    pub cleared: Vec<String>,
}

pub enum SentState {
    /// The whole archive is on the server under its temporary name.
    Uploaded {
        temporary_name: String,
        connections: usize,
        /// Whether a connection broke. The server may have lost data that it had acknowledged.
        is_resumed: bool,
        durability: Durability,
    },
    /// The same bytes already have the final name.
    AlreadyThere(Connection),
}

/// A verified archive under its final name.
pub struct Verified {
    pub published: Published,
    pub connection: Connection,
    /// `None` if nothing was uploaded.
    pub durability: Option<Durability>,
}

impl Delivery<'_> {
    /// Removes unfinished uploads of earlier runs of this job, puts back set-aside archives that were not replaced, and sends
    /// the archive of about `expected_size` bytes, starting over `connection`.
    ///
    /// # Errors
    /// If the final name is taken by something other than a file or by another job's archive, the archive is abandoned, or the
    /// server or the connection fails.
    pub fn send(&self, connection: Connection, expected_size: Option<u64>) -> Result<Sent, DestinationError> {
        let part = self.naming.upload_name(self.name);
        let mut upload = Upload::new(self.server, self.spool, expected_size, &part);
        let publication = self.publication();
        let mut cleared = Vec::new();
        let work = |connection: &Connection| {
            let listing = self.prepare(connection, &part, &mut cleared)?;
            let bar = self.progress.bar("Compare", expected_size);
            if publication.occupant(connection, &bar)? == Occupant::SameArchive {
                return Ok(true);
            }
            let existing = listing.iter().find(|entry| entry.name == part);
            upload.run(self.server, connection, existing, &self.progress.bar("Send", expected_size))?;
            Ok(false)
        };
        let (is_delivered, connection) = self.server.with_connection("sending the archive", Some(connection), work)?;
        let state = if is_delivered {
            SentState::AlreadyThere(connection)
        } else {
            connection.close_quietly();
            SentState::Uploaded {
                connections: upload.connections(),
                is_resumed: upload.is_resumed,
                durability: upload.durability,
                temporary_name: part,
            }
        };
        Ok(Sent { state, cleared })
    }

    /// Reads the upload back over a new connection and gives it its final name. If a connection broke during the upload and
    /// the server lost data, sends the archive again.
    ///
    /// # Errors
    /// If the server's copy differs, and as [`send`](Delivery::send).
    pub fn verify_and_publish(&self, sent: SentState) -> Result<Verified, DestinationError> {
        let (part, is_resumed, durability) = match sent {
            SentState::AlreadyThere(connection) => {
                return Ok(Verified { published: Published::AlreadyThere, connection, durability: None });
            }
            SentState::Uploaded { temporary_name, is_resumed, durability, .. } => {
                (temporary_name, is_resumed, durability)
            }
        };
        let mut publication = self.publication();
        let (verified, durability) = match self.verify_once(&part, &mut publication) {
            Err(error @ DestinationError::Different { .. }) if is_resumed => {
                tracing::info!("the server lost data sent before the connection broke, sending it again: {error}");
                let durability = self.send_again(&part)?;
                (self.verify_once(&part, &mut publication)?, durability)
            }
            verified => (verified?, durability),
        };
        let (published, connection) = verified;
        Ok(Verified { published, connection, durability: Some(durability) })
    }

    /// Size of the archive so far, in bytes.
    pub fn size(&self) -> u64 {
        self.spool.extent().map_or(0, |extent| extent.written)
    }

    fn publication(&self) -> Publication<'_> {
        let Delivery { server, naming, name, spool, belongs_to_other_job, .. } = *self;
        Publication { server, naming, final_name: name, spool, belongs_to_other_job, replaced: None }
    }

    /// Puts set-aside archives back, removes this job's uploads other than `part`, adds their names to `cleared`, and returns
    /// the new listing. Failing to remove an upload is not an error.
    fn prepare(
        &self,
        connection: &Connection,
        part: &str,
        cleared: &mut Vec<String>,
    ) -> Result<Vec<Entry>, DestinationError> {
        let mut listing = put_back(connection, self.naming)?;
        for name in own_uploads(&listing, self.naming).into_iter().filter(|name| name != part) {
            match connection.remove(&name) {
                Ok(()) => {
                    listing.retain(|entry| entry.name != name);
                    cleared.push(name);
                }
                Err(error @ DestinationError::Broken { .. }) => return Err(error),
                Err(error) => {
                    tracing::info!("could not remove {name:?}, an unfinished upload of an earlier run: {error}");
                }
            }
        }
        Ok(listing)
    }

    fn verify_once(
        &self,
        part: &str,
        publication: &mut Publication<'_>,
    ) -> Result<(Published, Connection), DestinationError> {
        let bar = || self.bar("Verify");
        let read_back = ReadBack::new(self.server, self.spool, part)?;
        self.server.expect_transfer(self.size());
        let ((), connection) = self.server.with_connection("verifying the archive", None, |connection| {
            read_back.run(self.server, connection, &bar()).inspect_err(|error| {
                if matches!(error, DestinationError::Different { .. })
                    && let Err(error) = connection.remove(part)
                {
                    tracing::debug!("could not remove {part:?} ({error}); the next run will remove it");
                }
            })
        })?;
        self.server.with_connection("publishing the archive", Some(connection), |connection| {
            publication.publish(connection, &bar())
        })
    }

    fn send_again(&self, part: &str) -> Result<Durability, DestinationError> {
        let mut upload = Upload::new(self.server, self.spool, Some(self.size()), part);
        let ((), connection) = self.server.with_connection("sending the archive", None, |connection| {
            let existing = connection.lookup(part)?;
            upload.run(self.server, connection, existing.as_ref(), &self.bar("Send"))
        })?;
        connection.close_quietly();
        Ok(upload.durability)
    }

    fn bar(&self, label: &'static str) -> Bar {
        self.progress.bar(label, Some(self.size()))
    }
}
