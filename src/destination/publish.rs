//! The final name, which only a verified archive gets.
//!
//! ssh2 does not bind `posix-rename@openssh.com`, which OpenSSH has, and no other rename overwrites. So a replacement takes
//! two renames: the existing archive is set aside, then the new one gets its name. If a run is killed in between, the next
//! one puts the set-aside archive back.

use crate::destination::error::DestinationError;
use crate::destination::session::connection::Connection;
use crate::destination::session::server::Server;
use crate::destination::transfer::read_back::ReadBack;
use crate::disk::spool::Spool;
use crate::rules::archive_name::{Naming, ReplacedVersion};
use crate::rules::listing::{Entry, Kind, unfinished_replacements};
use crate::runtime::progress::Bar;

/// What has the archive's final name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Occupant {
    Nothing,
    /// The bytes that are to be delivered.
    SameArchive,
    /// An archive of this job with other bytes.
    OtherArchive(Entry),
}

/// How an archive got its final name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// The name was free.
    New,
    /// An archive with other bytes had it.
    Replacement(Replaced),
    /// The same bytes were there already, from an earlier run or from another machine.
    AlreadyThere,
}

/// An archive that was set aside for a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    pub set_aside_as: String,
    /// In bytes, if the server reports it.
    pub size: Option<u64>,
}

/// An archive that gets its final name, over as many connections as that takes.
pub(crate) struct Publication<'a> {
    pub(crate) server: &'a Server,
    pub(crate) naming: &'a Naming,
    /// The final name.
    pub(crate) archive: &'a str,
    pub(crate) spool: &'a Spool,
    /// Decides by an archive's first 64 KiB whether it belongs to another job and must not be replaced.
    pub(crate) belongs_to_another_job: &'a dyn Fn(&[u8]) -> bool,
    /// The archive that this publication has set aside.
    pub(crate) replaced: Option<Replaced>,
}

/// Puts back every set-aside archive without successor, and returns the folder's listing after that.
pub fn put_back(connection: &Connection, naming: &Naming) -> Result<Vec<Entry>, DestinationError> {
    let mut listing = connection.list()?;
    for (old, archive) in unfinished_replacements(&listing, naming) {
        match connection.rename(&old, &archive) {
            Ok(()) => tracing::info!("{archive:?} was put back: it was set aside, and nothing has its name"),
            Err(error @ DestinationError::Broken { .. }) => return Err(error),
            Err(error) => {
                tracing::info!("{archive:?} is not put back, and {old:?} is kept: {error}");
                continue;
            }
        }
        if let Some(entry) = listing.iter_mut().find(|entry| entry.name == old) {
            entry.name = archive;
        }
    }
    Ok(listing)
}

impl Publication<'_> {
    /// What has the archive's final name. To compare it, waits until the spool is complete.
    ///
    /// # Errors
    /// If something other than a file or another job's archive has the name, the archive is given up, or the server or the
    /// link fails.
    pub(crate) fn occupant(&self, connection: &Connection, bar: &Bar) -> Result<Occupant, DestinationError> {
        let entry = match connection.lookup(self.archive)? {
            None => return Ok(Occupant::Nothing),
            Some(entry) if entry.kind != Kind::File => return Err(DestinationError::NotAFile(entry.name)),
            Some(entry) => entry,
        };
        if (self.belongs_to_another_job)(&connection.beginning(self.archive)?) {
            return Err(DestinationError::OfAnotherJob(entry.name));
        }
        match self.compare(connection, bar) {
            Ok(()) => Ok(Occupant::SameArchive),
            Err(DestinationError::Different { .. }) => Ok(Occupant::OtherArchive(entry)),
            Err(error) => Err(error),
        }
    }

    /// Renames the verified upload to its final name, and checks the result. May be called again after a broken link: it
    /// looks up on the server what was already done.
    ///
    /// # Errors
    /// As [`occupant`](Publication::occupant). The archive that was to be replaced then has its own name, or the next run
    /// puts it back.
    pub(crate) fn publish(&mut self, connection: &Connection, bar: &Bar) -> Result<Published, DestinationError> {
        match self.try_publishing(connection, bar) {
            // Another machine may have delivered since the name was looked up: what has the name now decides.
            Err(DestinationError::Refused { .. }) => self.try_publishing(connection, bar),
            other => other,
        }
    }

    fn try_publishing(&mut self, connection: &Connection, bar: &Bar) -> Result<Published, DestinationError> {
        let part = self.naming.upload_name(self.archive);
        let size = self.spool.extent().map_err(DestinationError::Spool)?.written;
        if connection.lookup(&part)?.is_none() {
            // The answer to an earlier attempt's rename may be lost: the content decides.
            self.compare(connection, bar)?;
            return Ok(self.published());
        }
        match self.occupant(connection, bar)? {
            Occupant::Nothing => {}
            Occupant::SameArchive => {
                connection.remove(&part)?;
                return Ok(self.replaced.clone().map_or(Published::AlreadyThere, Published::Replacement));
            }
            Occupant::OtherArchive(entry) => self.set_aside(connection, &entry)?,
        }
        let renamed = connection.rename(&part, self.archive).and_then(|()| {
            // A server may report success without having renamed the file.
            match (connection.lookup(self.archive)?, connection.lookup(&part)?) {
                (Some(entry), None) if entry.size.is_none_or(|there| there == size) => Ok(()),
                _ => {
                    let difference = "it did not get its final name".to_owned();
                    Err(DestinationError::Different { name: self.archive.to_owned(), difference })
                }
            }
        });
        if renamed.is_err()
            && let Some(Replaced { set_aside_as, .. }) = &self.replaced
            && let Err(error) = connection.rename(set_aside_as, self.archive)
        {
            tracing::debug!("{set_aside_as:?} could not be put back at once ({error}); the next run puts it back");
        }
        renamed.map(|()| self.published())
    }

    fn compare(&self, connection: &Connection, bar: &Bar) -> Result<(), DestinationError> {
        ReadBack::new(self.server, self.spool, self.archive)?.run(self.server, connection, bar)
    }

    /// Renames the existing archive. Of the replaced archives of a date, the first and the latest are kept.
    fn set_aside(&mut self, connection: &Connection, existing: &Entry) -> Result<(), DestinationError> {
        let first = self.naming.replaced_name(self.archive, ReplacedVersion::First);
        let name = if connection.lookup(&first)?.is_none() {
            first
        } else {
            let last = self.naming.replaced_name(self.archive, ReplacedVersion::Last);
            match connection.lookup(&last)? {
                None => {}
                Some(entry) if entry.kind == Kind::File => connection.remove(&last)?,
                Some(_) => return Err(DestinationError::NotAFile(last)),
            }
            last
        };
        // Recorded first: if the answer is lost, the next attempt finds the final name free.
        self.replaced = Some(Replaced { set_aside_as: name.clone(), size: existing.size });
        connection.rename(self.archive, &name)
    }

    fn published(&self) -> Published {
        self.replaced.clone().map_or(Published::New, Published::Replacement)
    }
}
