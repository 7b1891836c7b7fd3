//! Gives a verified archive its final name.
//!
//! ssh2 has no binding for OpenSSH's `posix-rename@openssh.com`, and no other rename overwrites. So a replacement takes two
//! renames: the existing archive is set aside, then the new one gets its name. If a run is killed in between, the next run
//! puts the set-aside archive back.

use crate::destination::error::DestinationError;
use crate::destination::session::connection::Connection;
use crate::destination::session::server::Server;
use crate::destination::transfer::read_back::ReadBack;
use crate::disk::spool::Spool;
use crate::rules::archive_name::{Naming, ReplacedVersion};
use crate::rules::listing::{Entry, Kind, unfinished_replacements};
use crate::runtime::progress::Bar;
use crate::runtime::retry::Retryable as _;

/// The file that has the archive's final name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Occupant {
    Nothing,
    /// The archive to deliver, byte for byte.
    SameArchive,
    /// An archive of this job with other bytes.
    OtherArchive(Entry),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// The name was free.
    New,
    /// An archive with different bytes had it.
    Replacement(Replaced),
    /// The same bytes were already there, from an earlier run or from another machine.
    AlreadyThere,
}

/// An archive that was set aside to make way for a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    pub set_aside_as: String,
    /// In bytes, if the server reports it.
    pub size: Option<u64>,
}

/// Gives an archive its final name. It can continue over another connection.
pub(crate) struct Publication<'a> {
    pub(crate) server: &'a Server,
    pub(crate) naming: &'a Naming,
    pub(crate) final_name: &'a str,
    pub(crate) spool: &'a Spool,
    /// Whether an archive with these first 64 KiB belongs to another job and must not be replaced.
    pub(crate) belongs_to_other_job: &'a dyn Fn(&[u8]) -> bool,
    /// The archive that this publication has set aside.
    pub(crate) replaced: Option<Replaced>,
    /// Whether the upload may have its final name already.
    pub(crate) may_be_done: bool,
    /// The folder after the rename, if its listing shows the result.
    pub(crate) listing: Option<Vec<Entry>>,
}

/// Puts back every set-aside archive in `listing` that was not replaced, and returns the new listing of the folder.
pub fn put_back(
    connection: &Connection,
    naming: &Naming,
    mut listing: Vec<Entry>,
) -> Result<Vec<Entry>, DestinationError> {
    for (old, archive) in unfinished_replacements(&listing, naming) {
        match connection.rename(&old, &archive) {
            Ok(()) => tracing::info!("{archive:?} was put back: it had been set aside and not replaced"),
            Err(error @ DestinationError::Broken { .. }) => return Err(error),
            Err(error) => {
                tracing::info!("{archive:?} could not be put back, {old:?} is kept: {error}");
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
    /// Finds the file that has the archive's final name. Waits until the spool is complete before comparing it.
    ///
    /// # Errors
    /// If the name is taken by something other than a file or by another job's archive, the archive is abandoned, or the
    /// server or the connection fails.
    pub(crate) fn occupant(&self, connection: &Connection, bar: &Bar) -> Result<Occupant, DestinationError> {
        let entry = match connection.lookup(self.final_name)? {
            None => return Ok(Occupant::Nothing),
            Some(entry) if entry.kind != Kind::File => return Err(DestinationError::NotAFile(entry.name)),
            Some(entry) => entry,
        };
        if (self.belongs_to_other_job)(&connection.beginning(self.final_name)?) {
            return Err(DestinationError::OtherJobsArchive(entry.name));
        }
        match self.compare(connection, bar) {
            Ok(()) => Ok(Occupant::SameArchive),
            Err(DestinationError::Different { .. }) => Ok(Occupant::OtherArchive(entry)),
            Err(DestinationError::Disappeared(_)) => Ok(Occupant::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Renames the verified upload to its final name and checks the result. Can be called again after a broken connection: it
    /// checks on the server which steps are done.
    ///
    /// # Errors
    /// As [`occupant`](Publication::occupant). The existing archive then keeps its name, or the next run puts it back.
    pub(crate) fn publish(&mut self, connection: &Connection, bar: &Bar) -> Result<Published, DestinationError> {
        match self.try_publishing(connection, bar) {
            // Another machine may have delivered since the lookup, so look again.
            Err(DestinationError::Refused { .. }) => self.try_publishing(connection, bar),
            other => other,
        }
    }

    fn try_publishing(&mut self, connection: &Connection, bar: &Bar) -> Result<Published, DestinationError> {
        let part = self.naming.upload_name(self.final_name);
        let size = self.spool.extent().map_err(DestinationError::Spool)?.written;
        if std::mem::replace(&mut self.may_be_done, true) && connection.lookup(&part)?.is_none() {
            // An earlier attempt may have renamed it and missed the reply, so compare the content.
            self.compare(connection, bar)?;
            return Ok(self.published());
        }
        match self.occupant(connection, bar)? {
            Occupant::Nothing => {}
            Occupant::SameArchive => {
                match connection.remove(&part) {
                    Err(error) if error.is_transient() => return Err(error),
                    Err(error) => tracing::info!("could not remove {part:?}, which is not needed: {error}"),
                    Ok(()) => {}
                }
                return Ok(self.replaced.clone().map_or(Published::AlreadyThere, Published::Replacement));
            }
            Occupant::OtherArchive(entry) => self.set_aside(connection, &entry)?,
        }
        let renamed =
            connection.rename(&part, self.final_name).and_then(|()| self.check_rename(connection, &part, size));
        if renamed.is_err()
            && let Some(Replaced { set_aside_as, .. }) = &self.replaced
            && let Err(error) = connection.rename(set_aside_as, self.final_name)
        {
            tracing::debug!("could not put back {set_aside_as:?} ({error}); the next run will put it back");
        }
        renamed.map(|()| self.published())
    }

    /// A server may report success without having renamed the file, or list its folder late.
    fn check_rename(&mut self, connection: &Connection, part: &str, size: u64) -> Result<(), DestinationError> {
        let is_renamed =
            |new: Option<&Entry>| new.is_some_and(|entry| entry.size.is_none_or(|renamed| renamed == size));
        let listing = match connection.list() {
            Err(error) if error.is_transient() => return Err(error),
            listing => listing.unwrap_or_default(),
        };
        let listed = |name: &str| listing.iter().find(|entry| entry.name == name);
        if is_renamed(listed(self.final_name)) && listed(part).is_none() {
            self.listing = Some(listing);
            return Ok(());
        }
        match (connection.lookup(self.final_name)?, connection.lookup(part)?) {
            (None, None) => Err(DestinationError::Disappeared(self.final_name.to_owned())),
            (new, None) if is_renamed(new.as_ref()) => Ok(()),
            _ => {
                let difference = "it did not get its final name".to_owned();
                Err(DestinationError::Different { name: self.final_name.to_owned(), difference })
            }
        }
    }

    fn compare(&self, connection: &Connection, bar: &Bar) -> Result<(), DestinationError> {
        ReadBack::new(self.server, self.spool, self.final_name).run(self.server, connection, bar)
    }

    /// Renames the existing archive. The first and the latest replaced archives of a date are kept.
    fn set_aside(&mut self, connection: &Connection, existing: &Entry) -> Result<(), DestinationError> {
        let first = self.naming.replaced_name(self.final_name, ReplacedVersion::First);
        let name = if connection.lookup(&first)?.is_none() {
            first
        } else {
            let last = self.naming.replaced_name(self.final_name, ReplacedVersion::Last);
            match connection.lookup(&last)? {
                None => {}
                Some(Entry { kind: Kind::File, modified, .. }) => match connection.remove(&last) {
                    Err(DestinationError::Refused { .. }) => {
                        // As another machine's abandoned upload, it is removed by `prune`.
                        let id = format!("{:08x}", modified.map_or(0, |modified| modified.timestamp() & 0xffff_ffff));
                        let name = Naming { id, ..self.naming.clone() }.upload_name(self.final_name);
                        connection.rename(&last, &name)?;
                    }
                    removed => removed?,
                },
                Some(_) => return Err(DestinationError::NotAFile(last)),
            }
            last
        };
        // Recorded before the rename: if the reply is lost, the next attempt finds the final name free.
        self.replaced = Some(Replaced { set_aside_as: name.clone(), size: existing.size });
        connection.rename(self.final_name, &name)
    }

    fn published(&self) -> Published {
        self.replaced.clone().map_or(Published::New, Published::Replacement)
    }
}
