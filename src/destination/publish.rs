//! Gives a verified archive its final name.
//!
//! ssh2 has no binding for OpenSSH's `posix-rename@openssh.com`, and no other rename overwrites. So a replacement takes two
//! renames: the existing archive is set aside, then the new one gets its name. If a run is killed in between, the next run
//! puts the set-aside archive back. Checksum files are set aside and written before their archives, so that no archive ever
//! has the checksum of another one.

use crate::destination::error::DestinationError;
use crate::destination::session::connection::Connection;
use crate::destination::session::server::Server;
use crate::destination::transfer::read_back::ReadBack;
use crate::disk::spool::{Content, Spool};
use crate::rules::archive_name::{Naming, ReplacedVersion, is_encrypted};
use crate::rules::checksum::{Checksum, ChecksumFile};
use crate::rules::listing::{Entry, Kind, unfinished_replacements, unpaired_checksums};
use crate::rules::origin::Mark;
use crate::runtime::progress::Bar;
use crate::runtime::retry::Retryable as _;

/// Bytes that are requested in advance to hash an archive.
const IN_FLIGHT: usize = 1024 * 1024;

/// Whether the archive with this name belongs to another job and must not be replaced.
pub type IsOtherJobs<'a> = dyn Fn(&Connection, &str) -> Result<bool, DestinationError> + 'a;

/// The files that have the archive's final name, or its name in the other form, encrypted or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Occupant {
    Nothing,
    /// The archive to deliver: byte for byte, or if encrypted, with the same content before encryption.
    SameArchive,
    /// Archives of this job with other content.
    OtherArchives(Vec<Entry>),
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
    /// Its former name.
    pub name: String,
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
    pub(crate) belongs_to_other_job: &'a IsOtherJobs<'a>,
    /// The dump's name and the job's mark, if the archive gets a checksum file.
    pub(crate) checksum: Option<&'a (String, Mark)>,
    /// The archive's name in the other form, encrypted or not, if the folder has one.
    pub(crate) other_form: Option<String>,
    /// Whether a file that this program has not written has the name of the checksum file.
    pub(crate) has_foreign_checksum: bool,
    /// The archive that this publication has set aside.
    pub(crate) replaced: Option<Replaced>,
    /// Whether the upload may have its final name already.
    pub(crate) may_be_done: bool,
    /// The folder, as listed after the upload.
    pub(crate) listing_before: Option<Vec<Entry>>,
    /// The folder after the rename, if its listing shows the result.
    pub(crate) listing: Option<Vec<Entry>>,
}

/// Puts back every set-aside archive in `listing` that was not replaced, with its checksum file, and returns the new listing of
/// the folder.
pub fn put_back(
    connection: &Connection,
    naming: &Naming,
    mut listing: Vec<Entry>,
) -> Result<Vec<Entry>, DestinationError> {
    for (old, archive) in unfinished_replacements(&listing, naming) {
        // It belongs to the archive that was not published.
        clear_checksum(connection, naming, &archive, &mut listing)?;
        rename_back(connection, (old, archive), &mut listing)?;
    }
    for (old, name) in unpaired_checksums(&listing, naming) {
        let Some(ChecksumFile::Valid(checksum)) = connection.checksum_named(naming, &old)? else { continue };
        let archive = naming.checksum_of(&name).unwrap_or_default();
        // Otherwise it belongs to an archive that was removed.
        if connection.sha256(archive, IN_FLIGHT, |_| {})? == checksum.archive {
            rename_back(connection, (old, name), &mut listing)?;
        } else {
            connection.discard(&old);
        }
    }
    Ok(listing)
}

fn rename_back(
    connection: &Connection,
    (old, name): (String, String),
    listing: &mut [Entry],
) -> Result<(), DestinationError> {
    match connection.rename(&old, &name) {
        Ok(()) => tracing::info!("{name:?} was put back: it had been set aside and not replaced"),
        Err(error @ DestinationError::Broken { .. }) => return Err(error),
        Err(error) => {
            tracing::info!("{name:?} could not be put back, {old:?} is kept: {error}");
            return Ok(());
        }
    }
    if let Some(entry) = listing.iter_mut().find(|entry| entry.name == old) {
        entry.name = name;
    }
    Ok(())
}

/// Removes the checksum file of `archive`, which does not exist, if `listing` has one of this program. If the account may not
/// remove files, gives it the name of an unfinished upload.
pub(crate) fn clear_checksum(
    connection: &Connection,
    naming: &Naming,
    archive: &str,
    listing: &mut Vec<Entry>,
) -> Result<(), DestinationError> {
    let name = naming.checksum_name(archive);
    if !listing.iter().any(|entry| entry.name == name)
        || !matches!(connection.checksum(naming, archive)?, Some(ChecksumFile::Valid(_) | ChecksumFile::Damaged))
    {
        return Ok(());
    }
    let cleared = match connection.remove(&name) {
        Err(DestinationError::Refused { .. }) => connection.rename(&name, &naming.upload_name(&name)),
        other => other,
    };
    match cleared {
        Ok(()) => listing.retain(|entry| entry.name != name),
        Err(error @ DestinationError::Broken { .. }) => return Err(error),
        Err(error) => tracing::info!("could not remove {name:?}, the checksum file of no archive: {error}"),
    }
    Ok(())
}

impl Publication<'_> {
    /// Finds the files that have the archive's final name in either form. Waits until the spool is complete before comparing
    /// them.
    ///
    /// # Errors
    /// If the name is taken by something other than a file or by another job's archive, the archive is abandoned, or the
    /// server or the connection fails.
    pub(crate) fn occupant(&mut self, connection: &Connection, bar: &Bar) -> Result<Occupant, DestinationError> {
        let mut existing = Vec::new();
        for name in [Some(self.final_name), self.other_form.as_deref()].into_iter().flatten() {
            match connection.lookup(name)? {
                None => continue,
                Some(entry) if entry.kind != Kind::File => return Err(DestinationError::NotAFile(entry.name)),
                Some(entry) => existing.push(entry),
            }
            if (self.belongs_to_other_job)(connection, name)? {
                return Err(DestinationError::OtherJobsArchive(name.to_owned()));
            }
        }
        let is_same = match existing.first() {
            Some(entry) if entry.name == self.final_name => self.is_same(connection, bar),
            _ => Ok(false),
        };
        match is_same {
            Ok(true) => Ok(Occupant::SameArchive),
            Ok(false) if !existing.is_empty() => Ok(Occupant::OtherArchives(existing)),
            Ok(false) | Err(DestinationError::Disappeared(_)) => Ok(Occupant::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Whether the file with the final name has the content of the archive. If it has, the checksum file is completed.
    fn is_same(&mut self, connection: &Connection, bar: &Bar) -> Result<bool, DestinationError> {
        if !is_encrypted(self.final_name) {
            return match self.compare(connection, bar) {
                Ok(()) => self.write_checksum(connection).map(|()| true),
                Err(DestinationError::Different { .. }) => Ok(false),
                Err(error) => Err(error),
            };
        }
        let content = self.content(connection)?;
        let checksum = connection.checksum(self.naming, self.final_name)?.and_then(ChecksumFile::valid);
        let Some(checksum) = checksum.filter(|checksum| checksum.plain == content.plain_sha256) else {
            return Ok(false);
        };
        let in_flight = self.server.in_flight(0, 1);
        Ok(connection.sha256(self.final_name, in_flight, |count| bar.advance(count))? == checksum.archive)
    }

    fn exists(&self, connection: &Connection) -> Result<bool, DestinationError> {
        connection.lookup(self.final_name).map(|entry| entry.is_some())
    }

    fn content(&self, connection: &Connection) -> Result<Content, DestinationError> {
        connection.rest_during(|| self.spool.wait_until_complete()).map_err(DestinationError::Spool)
    }

    /// Writes the checksum file, unless it is there or a file of another program has its name.
    fn write_checksum(&mut self, connection: &Connection) -> Result<(), DestinationError> {
        let Some((dump, mark)) = self.checksum else { return Ok(()) };
        let content = self.content(connection)?;
        let checksum = Checksum::new(dump, mark.clone(), [content.plain_sha256, content.sha256]);
        match connection.checksum(self.naming, self.final_name)? {
            Some(ChecksumFile::Foreign) => self.has_foreign_checksum = true,
            Some(ChecksumFile::Valid(existing)) if existing == checksum => {}
            // Another machine has just published its archive, so the rename will fail.
            Some(ChecksumFile::Valid(_)) if is_encrypted(self.final_name) && self.exists(connection)? => {}
            _ => {
                let name = self.naming.checksum_name(self.final_name);
                connection.write_checksum(&name, &checksum.text(self.final_name))?;
            }
        }
        Ok(())
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
            Occupant::OtherArchives(existing) => self.set_aside(connection, &existing)?,
        }
        let renamed = self
            .write_checksum(connection)
            .and_then(|()| connection.rename(&part, self.final_name))
            .and_then(|()| self.check_rename(connection, &part, size));
        if renamed.is_err()
            && self.replaced.is_some()
            && let Err(error) = connection.list().and_then(|listing| put_back(connection, self.naming, listing))
        {
            tracing::debug!("could not put back the existing archive ({error}); the next run will put it back");
        }
        renamed.map(|()| self.published())
    }

    /// A server may report success without having renamed the file, or list its folder late.
    fn check_rename(&mut self, connection: &Connection, part: &str, size: u64) -> Result<(), DestinationError> {
        let is_renamed =
            |new: Option<&Entry>| new.is_some_and(|entry| entry.size.is_none_or(|renamed| renamed == size));
        // If nothing else has changed since the folder was listed, one request suffices.
        if let Some(mut listing) =
            self.listing_before.take().filter(|_| self.replaced.is_none() && self.checksum.is_none())
            && let Some(new) = connection.lookup(self.final_name)?.filter(|new| is_renamed(Some(new)))
        {
            listing.retain(|entry| entry.name != part && entry.name != new.name);
            listing.push(new);
            self.listing = Some(listing);
            return Ok(());
        }
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

    /// Renames the existing archives, and their checksum files first. The first and the latest replaced archives of a date are
    /// kept.
    fn set_aside(&mut self, connection: &Connection, existing: &[Entry]) -> Result<(), DestinationError> {
        let date = self.naming.archive.date_of(self.final_name);
        let names = date.map(|date| self.naming.file_names(date)).unwrap_or_default();
        let mut version = ReplacedVersion::First;
        for name in &names {
            if connection.lookup(&self.naming.replaced_name(name, version))?.is_some() {
                version = ReplacedVersion::Last;
                break;
            }
        }
        for name in &names {
            let target = self.naming.replaced_name(name, version);
            if version == ReplacedVersion::Last {
                self.make_way(connection, &target, self.final_name)?;
            }
            // Without its archive, it may be left from an earlier one.
            let checksum = self.naming.checksum_name(self.final_name);
            self.make_way(connection, &self.naming.checksum_name(&target), &checksum)?;
        }
        for Entry { name, size, .. } in existing {
            let set_aside_as = self.naming.replaced_name(name, version);
            if let Some(ChecksumFile::Valid(_) | ChecksumFile::Damaged) = connection.checksum(self.naming, name)? {
                let [old, new] = [name, &set_aside_as].map(|archive| self.naming.checksum_name(archive));
                if connection.lookup(&new)?.is_none() {
                    connection.rename(&old, &new)?;
                } else {
                    // Another program has written a file with that name.
                    self.make_way(connection, &old, &old)?;
                }
            }
            // Recorded before the rename: if the reply is lost, the next attempt finds the final name free.
            self.replaced = Some(Replaced { name: name.clone(), set_aside_as: set_aside_as.clone(), size: *size });
            connection.rename(name, &set_aside_as)?;
        }
        Ok(())
    }

    /// Removes the file `name`, a replaced version of `of`, if it exists. If the account may not remove files, gives it the name
    /// of another machine's upload, which `prune` removes.
    fn make_way(&self, connection: &Connection, name: &str, of: &str) -> Result<(), DestinationError> {
        match connection.lookup(name)? {
            None => Ok(()),
            Some(_)
                if self.naming.any_checksum_of(name).is_some()
                    && connection.checksum_named(self.naming, name)? == Some(ChecksumFile::Foreign) =>
            {
                Ok(())
            }
            Some(Entry { kind: Kind::File, modified, .. }) => match connection.remove(name) {
                Err(DestinationError::Refused { .. }) => {
                    let mut number = modified.map_or(0, |modified| modified.timestamp() & 0xffff_ffff);
                    loop {
                        let naming = Naming { id: format!("{number:08x}"), ..self.naming.clone() };
                        let free = naming.upload_name(of);
                        if connection.lookup(&free)?.is_none() {
                            return connection.rename(name, &free);
                        }
                        number = (number + 1) & 0xffff_ffff;
                    }
                }
                removed => removed,
            },
            Some(_) => Err(DestinationError::NotAFile(name.to_owned())),
        }
    }

    fn published(&self) -> Published {
        self.replaced.clone().map_or(Published::New, Published::Replacement)
    }
}
