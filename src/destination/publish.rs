//! The final name, which only a verified archive gets.
//!
//! libssh2 binds no rename that overwrites, so a replacement takes two: the existing archive is set aside, then the new one
//! gets its name. A run that is killed in between leaves a set-aside archive for the next run to put back.

use crate::destination::error::DestinationError;
use crate::destination::session::connection::{Connection, Server};
use crate::destination::transfer::read_back::ReadBack;
use crate::disk::spool::{Extent, Spool};
use crate::rules::archive_name::{Naming, Which};
use crate::rules::listing::{Entry, Kind, own_uploads, to_put_back};
use crate::runtime::progress::Bar;

/// What an archive's final name belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Free,
    /// The very bytes that are to be delivered.
    Same,
    /// An archive of this job with other bytes.
    Other(Entry),
}

/// How an archive got its final name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// The name was free.
    New,
    /// An archive with other bytes had it.
    Replacement(Replaced),
    /// During the upload, another machine delivered the same bytes.
    AlreadyThere,
}

/// An archive that was set aside for a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// Its name from now on.
    pub set_aside_as: String,
    /// Its size in bytes, where the server reports it.
    pub size: Option<u64>,
}

/// An archive on its way to its final name, over as many connections as that takes.
pub struct Publication<'a> {
    server: &'a Server,
    naming: &'a Naming,
    archive: &'a str,
    spool: &'a Spool,
    is_of_another_job: &'a dyn Fn(&[u8]) -> bool,
    replaced: Option<Replaced>,
}

/// Puts back every set-aside archive that has no successor, and returns the folder's listing after that.
///
/// # Errors
/// If the server or the link fails.
pub fn put_back(connection: &Connection, naming: &Naming) -> Result<Vec<Entry>, DestinationError> {
    let mut listing = connection.list()?;
    for (old, archive) in to_put_back(&listing, naming) {
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

/// As [`put_back`]; also removes the unfinished uploads of earlier runs of this job, except the one called `part`, and adds
/// their names to `cleared`.
///
/// # Errors
/// If the server or the link fails. An upload that the server does not remove is not an error.
pub fn prepare(
    connection: &Connection,
    naming: &Naming,
    part: &str,
    cleared: &mut Vec<String>,
) -> Result<Vec<Entry>, DestinationError> {
    let mut listing = put_back(connection, naming)?;
    for name in own_uploads(&listing, naming).into_iter().filter(|name| name != part) {
        match connection.remove(&name) {
            Ok(()) => {
                listing.retain(|entry| entry.name != name);
                cleared.push(name);
            }
            Err(error @ DestinationError::Broken { .. }) => return Err(error),
            Err(error) => tracing::info!("{name:?}, an unfinished upload of an earlier run, is not removed: {error}"),
        }
    }
    Ok(listing)
}

impl<'a> Publication<'a> {
    /// Of the archive in `spool` under the name `archive`. `is_of_another_job` decides by an archive's first 64 KiB
    /// whether it belongs to another job and must not be replaced.
    pub fn new(
        server: &'a Server,
        naming: &'a Naming,
        archive: &'a str,
        spool: &'a Spool,
        is_of_another_job: &'a dyn Fn(&[u8]) -> bool,
    ) -> Publication<'a> {
        Publication { server, naming, archive, spool, is_of_another_job, replaced: None }
    }

    /// What has the archive's final name. Where that is an archive of this job, waits until the spool is complete.
    ///
    /// # Errors
    /// If something other than a file or another job's archive has the name, the archive is given up, or the server or the
    /// link fails.
    pub fn standing(&self, connection: &Connection, bar: &Bar) -> Result<Standing, DestinationError> {
        let entry = match connection.look(self.archive)? {
            None => return Ok(Standing::Free),
            Some(entry) if entry.kind != Kind::File => return Err(DestinationError::NotAFile(entry.name)),
            Some(entry) => entry,
        };
        if (self.is_of_another_job)(&connection.beginning(self.archive)?) {
            return Err(DestinationError::OfAnotherJob(entry.name));
        }
        match ReadBack::new(self.server, self.spool, self.archive)?.run(self.server, connection, bar) {
            Ok(()) => Ok(Standing::Same),
            Err(DestinationError::Different { .. }) => Ok(Standing::Other(entry)),
            Err(error) => Err(error),
        }
    }

    /// Gives the verified upload its final name, and checks that it has it. May be called again after a broken link: what
    /// was already done is looked up on the server.
    ///
    /// # Errors
    /// As [`standing`](Publication::standing). An archive that was to be replaced then has its own name, or gets it back by
    /// the next run.
    pub fn publish(&mut self, connection: &Connection, bar: &Bar) -> Result<Published, DestinationError> {
        match self.try_publishing(connection, bar) {
            // Since the name was looked up, another machine may have delivered: what has it now decides.
            Err(DestinationError::Refused { .. }) => self.try_publishing(connection, bar),
            other => other,
        }
    }

    fn try_publishing(&mut self, connection: &Connection, bar: &Bar) -> Result<Published, DestinationError> {
        let part = self.naming.part(self.archive);
        let Extent { written: size, .. } = self.spool.extent().map_err(DestinationError::Spool)?;
        if connection.look(&part)?.is_none() {
            // The answer to an earlier attempt's rename may be lost: only the content decides.
            ReadBack::new(self.server, self.spool, self.archive)?.run(self.server, connection, bar)?;
            return Ok(self.published());
        }
        match self.standing(connection, bar)? {
            Standing::Free => {}
            Standing::Same => {
                connection.remove(&part)?;
                return Ok(self.replaced.clone().map_or(Published::AlreadyThere, Published::Replacement));
            }
            Standing::Other(entry) => self.set_aside(connection, &entry)?,
        }
        let renamed = connection.rename(&part, self.archive).and_then(|()| {
            // A server may answer that it has renamed a file, and not have done so.
            match (connection.look(self.archive)?, connection.look(&part)?) {
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
            tracing::debug!("{set_aside_as:?} could not be put back at once ({error}); the next run does it");
        }
        renamed.map(|()| self.published())
    }

    /// Renames the existing archive: the first one of its date is kept, and the latest.
    fn set_aside(&mut self, connection: &Connection, existing: &Entry) -> Result<(), DestinationError> {
        let first = self.naming.old(self.archive, Which::First);
        let name = if connection.look(&first)?.is_none() {
            first
        } else {
            let last = self.naming.old(self.archive, Which::Last);
            match connection.look(&last)? {
                None => {}
                Some(entry) if entry.kind == Kind::File => connection.remove(&last)?,
                Some(_) => return Err(DestinationError::NotAFile(last)),
            }
            last
        };
        // Noted first: if the answer is lost, the next attempt finds the final name free.
        self.replaced = Some(Replaced { set_aside_as: name.clone(), size: existing.size });
        connection.rename(self.archive, &name)
    }

    fn published(&self) -> Published {
        self.replaced.clone().map_or(Published::New, Published::Replacement)
    }
}
