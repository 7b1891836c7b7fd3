//! Sends an archive under a temporary name, reads it back over other connections, and publishes it.

use std::thread;

use crate::destination::error::DestinationError;
use crate::destination::publish::{IsOtherJobs, Occupant, Publication, Published, clear_checksum, put_back};
use crate::destination::session::connection::Connection;
use crate::destination::session::folder::Durability;
use crate::destination::session::server::Server;
use crate::destination::transfer::upload::Upload;
use crate::disk::spool::Spool;
use crate::rules::archive_name::Naming;
use crate::rules::listing::{Entry, own_uploads};
use crate::rules::origin::Mark;
use crate::runtime::progress::Progress;
use crate::runtime::worker::{inherit, propagate_panic};

/// The delivery of one archive. It reconnects after a broken connection.
pub struct Delivery<'a> {
    pub server: &'a Server,
    pub naming: &'a Naming,
    /// The archive's final name.
    pub name: &'a str,
    /// The archive, which may still grow during the upload.
    pub spool: &'a Spool,
    pub belongs_to_other_job: &'a IsOtherJobs<'a>,
    /// The dump's name and the job's mark, if the archive gets a checksum file.
    pub checksum: Option<&'a (String, Mark)>,
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
        upload: Box<Upload>,
        /// The archive's name in the other form, encrypted or not, if the folder has one.
        other_form: Option<String>,
        /// The connection that closed the file.
        writer: Connection,
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
    /// Bytes that were free when the upload was complete, if the server reports them.
    pub free: Option<u64>,
    /// Whether a file that this program has not written has the name of the checksum file.
    pub has_foreign_checksum: bool,
    /// The folder after the publication, if it is known.
    pub listing: Option<Vec<Entry>>,
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
        let mut upload = Upload::new(self.server, self.spool, expected_size, part.clone());
        let mut publication = self.publication(None);
        let mut cleared = Vec::new();
        let work = |connection: &Connection| {
            let listing = self.prepare(connection, &part, &mut cleared)?;
            let is_archive =
                |entry: &&Entry| self.naming.archive.date_of(&entry.name) == self.naming.archive.date_of(self.name);
            let archives = listing.iter().filter(is_archive).map(|entry| entry.name.clone());
            let (same_form, other_form): (Vec<_>, Vec<_>) = archives.partition(|name| name == self.name);
            publication.other_form = other_form.into_iter().next();
            if !same_form.is_empty() || publication.other_form.is_some() {
                let bar = self.progress.bar("Compare", expected_size);
                if publication.occupant(connection, &bar)? == Occupant::SameArchive {
                    return Ok(true);
                }
            }
            let existing = listing.into_iter().find(|entry| entry.name == part);
            self.upload(&mut upload, connection, existing, expected_size)?;
            Ok(false)
        };
        let (is_delivered, connection) = self.server.with_connection("sending the archive", Some(connection), work)?;
        let state = if is_delivered {
            SentState::AlreadyThere(connection)
        } else {
            SentState::Uploaded { upload: Box::new(upload), other_form: publication.other_form, writer: connection }
        };
        Ok(Sent { state, cleared })
    }

    /// Verifies the upload over a connection that did not write it, and gives it its final name. If the server lost or mixed
    /// up data for a reason that can be avoided, sends the archive again.
    ///
    /// # Errors
    /// If the server's copy differs, and as [`send`](Delivery::send).
    pub fn verify_and_publish(&self, sent: SentState) -> Result<Verified, DestinationError> {
        let (mut upload, other_form, writer) = match sent {
            SentState::AlreadyThere(connection) => {
                let published = Published::AlreadyThere;
                let (durability, free, listing) = (None, None, None);
                return Ok(Verified { published, connection, durability, free, has_foreign_checksum: false, listing });
            }
            SentState::Uploaded { upload, other_form, writer } => (upload, other_form, writer),
        };
        let mut publication = self.publication(other_form);
        let mut writer = Some(writer);
        let (published, connection) = loop {
            let (verified, listing) = self.verify(&upload, writer.take());
            publication.listing_before = listing;
            let connection = match verified {
                // A file that may not be read may not be read after another upload either.
                Err(error @ DestinationError::Refused { .. }) => return Err(error),
                Err(error) if upload.falls_back_after(&error) => {
                    self.send_again(&mut upload)?;
                    continue;
                }
                verified => verified?,
            };
            let bar = || self.progress.bar("Verify", Some(self.size()));
            let publish = |connection: &Connection| publication.publish(connection, &bar());
            match self.server.with_connection("publishing the archive", Some(connection), publish) {
                // A removal that was requested over a broken connection may be executed at any time.
                Err(error @ DestinationError::Disappeared(_)) if upload.falls_back_after(&error) => {
                    self.send_again(&mut upload)?;
                }
                published => break published?,
            }
        };
        let (durability, free) = (Some(upload.durability), upload.free);
        let Publication { has_foreign_checksum, listing, .. } = publication;
        Ok(Verified { published, connection, durability, free, has_foreign_checksum, listing })
    }

    /// Size of the archive so far, in bytes.
    pub fn size(&self) -> u64 {
        self.spool.extent().map_or(0, |extent| extent.written)
    }

    fn publication(&self, other_form: Option<String>) -> Publication<'_> {
        let Delivery { server, naming, name, spool, belongs_to_other_job, checksum, .. } = *self;
        Publication {
            server,
            naming,
            final_name: name,
            spool,
            belongs_to_other_job,
            checksum,
            other_form,
            has_foreign_checksum: false,
            replaced: None,
            may_be_done: false,
            listing_before: None,
            listing: None,
        }
    }

    /// Puts set-aside archives back, removes a checksum file without its archive and this job's uploads other than `part`, adds
    /// the names of the uploads to `cleared`, and returns the new listing. Failing to remove an upload is not an error.
    fn prepare(
        &self,
        connection: &Connection,
        part: &str,
        cleared: &mut Vec<String>,
    ) -> Result<Vec<Entry>, DestinationError> {
        let mut listing = put_back(connection, self.naming, connection.list()?)?;
        if !listing.iter().any(|entry| entry.name == self.name) {
            clear_checksum(connection, self.naming, self.name, &mut listing)?;
        }
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

    /// Sends the rest of `upload` over `connection`. Falls back to other methods if the server refuses one.
    fn upload(
        &self,
        upload: &mut Upload,
        connection: &Connection,
        mut existing: Option<Entry>,
        expected_size: Option<u64>,
    ) -> Result<(), DestinationError> {
        let bar = || self.progress.bar("Send", expected_size);
        loop {
            match upload.run(self.server, connection, existing.as_ref(), &bar()) {
                Err(error) if upload.falls_back_after(&error) => existing = connection.lookup(upload.name())?,
                result => return result,
            }
        }
    }

    /// Verifies the closed upload. If another connection is open for that, lists the folder over `writer` at the same time.
    fn verify(
        &self,
        upload: &Upload,
        writer: Option<Connection>,
    ) -> (Result<Connection, DestinationError>, Option<Vec<Entry>>) {
        // One was opened during the upload.
        let spare = self.server.pool.take().and_then(Result::ok);
        self.server.pool.clear();
        let listing = |writer: Connection, is_needed: bool| {
            let listing = is_needed.then(|| writer.list().ok()).flatten();
            writer.close_quietly();
            listing
        };
        let (writer, early) = if spare.is_some() { (writer, None) } else { (None, writer) };
        early.map(|writer| listing(writer, false));
        thread::scope(|scope| {
            let listed = writer.map(|writer| scope.spawn(inherit(move || listing(writer, true))));
            let verified = self.verify_over(upload, spare);
            (verified, listed.and_then(|listed| propagate_panic(listed.join())))
        })
    }

    fn verify_over(&self, upload: &Upload, spare: Option<Connection>) -> Result<Connection, DestinationError> {
        let bar = || self.progress.bar("Verify", Some(self.size()));
        let mut is_first = true;
        let ((), connection) = self.server.with_connection("verifying the archive", spare, |connection| {
            let is_first = std::mem::take(&mut is_first);
            upload.read_back().run(self.server, connection, &bar()).inspect_err(|error| match error {
                // If the server has crashed, it may have lost what was read back earlier.
                DestinationError::Broken { .. } if is_first => upload.read_back().forget(),
                DestinationError::Different { .. } => drop(connection.discard(upload.name())),
                _ => {}
            })
        })?;
        Ok(connection)
    }

    fn send_again(&self, upload: &mut Upload) -> Result<(), DestinationError> {
        let ((), connection) = self.server.with_connection("sending the archive", None, |connection| {
            let existing = connection.lookup(upload.name())?;
            self.upload(upload, connection, existing, Some(self.size()))
        })?;
        connection.close_quietly();
        Ok(())
    }
}
