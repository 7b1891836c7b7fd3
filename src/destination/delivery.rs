//! One delivery: the archive is sent under a temporary name, read back over a new connection, and then published.

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

/// An archive that is delivered to a server, over as many connections as that takes.
pub struct Delivery<'a> {
    pub server: &'a Server,
    pub naming: &'a Naming,
    /// The archive's final name.
    pub name: &'a str,
    /// The archive, which may still grow while it is sent.
    pub spool: &'a Spool,
    /// Decides by an archive's first 64 KiB whether it belongs to another job and must not be replaced.
    pub belongs_to_another_job: &'a dyn Fn(&[u8]) -> bool,
    pub progress: &'a Progress,
}

/// What sending led to.
pub struct Sent {
    pub state: SentState,
    /// Unfinished uploads of earlier runs that were removed before.
    pub cleared: Vec<String>,
}

pub enum SentState {
    /// All of the archive has its temporary name.
    Uploaded {
        temporary_name: String,
        /// How many connections took part.
        connections: usize,
        /// Whether a link broke. The server may have lost what it acknowledged before that.
        is_resumed: bool,
        durability: Durability,
    },
    /// The same bytes already have the final name, as this connection has shown.
    AlreadyThere(Connection),
}

/// A verified archive that has its final name.
pub struct Verified {
    pub published: Published,
    pub connection: Connection,
    /// Of what this delivery has uploaded.
    pub durability: Option<Durability>,
}

impl Delivery<'_> {
    /// Removes unfinished uploads of earlier runs of this job, puts set-aside archives without successor back, and sends the
    /// archive, beginning over `connection`. It will have about `expected_size` bytes.
    ///
    /// # Errors
    /// If something other than a file or another job's archive has the final name, the archive is given up, or the server
    /// or the link fails.
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
        let (is_there, connection) = self.server.with_connection("sending the archive", Some(connection), work)?;
        let state = if is_there {
            SentState::AlreadyThere(connection)
        } else {
            connection.goodbye();
            SentState::Uploaded {
                connections: upload.connections(),
                is_resumed: upload.is_resumed,
                durability: upload.durability,
                temporary_name: part,
            }
        };
        Ok(Sent { state, cleared })
    }

    /// Reads the upload back over a new connection, and gives it its final name. If a link broke during the upload and the
    /// server has lost bytes, sends the archive again.
    ///
    /// # Errors
    /// If the server holds other bytes, and as [`send`](Delivery::send).
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
                tracing::info!("some of what was sent before the link broke is missing, sending it again: {error}");
                let durability = self.send_again(&part)?;
                (self.verify_once(&part, &mut publication)?, durability)
            }
            verified => (verified?, durability),
        };
        let (published, connection) = verified;
        Ok(Verified { published, connection, durability: Some(durability) })
    }

    /// Bytes that the spool holds by now.
    pub fn size(&self) -> u64 {
        self.spool.extent().map_or(0, |extent| extent.written)
    }

    fn publication(&self) -> Publication<'_> {
        let Delivery { server, naming, name, spool, belongs_to_another_job, .. } = *self;
        Publication { server, naming, archive: name, spool, belongs_to_another_job, replaced: None }
    }

    /// Puts set-aside archives back, removes other uploads of this job than `part`, whose names it adds to `cleared`, and
    /// returns the listing after that. An upload that the server does not remove is not an error.
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
                    tracing::info!("{name:?}, an unfinished upload of an earlier run, is not removed: {error}");
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
                    tracing::debug!("{part:?} could not be removed at once ({error}); the next run removes it");
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
        connection.goodbye();
        Ok(upload.durability)
    }

    fn bar(&self, label: &'static str) -> Bar {
        self.progress.bar(label, Some(self.size()))
    }
}
