//! The final name, which nothing but a verified archive gets.
//!
//! libssh2 has no rename that overwrites, so a replacement takes two: the old archive steps aside as `.old`, then
//! the new one takes its name. Whoever is killed in between leaves the `.old` for the next run to put back. Once its
//! successor is in place, what becomes of the `.old` is retention's decision.

use super::{Connection, DestinationError, ReadBack, Server};
use crate::progress::Bar;
use crate::rules::retention::{Entry, Kind, Naming, to_put_back};
use crate::spool::{Extent, Spool};

/// What lies under an archive's final name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Free,
    /// The very bytes that are to be delivered.
    Same,
    /// An archive with other bytes.
    Other,
}

/// What a published archive did to the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// Its name was free.
    New,
    /// It took the place of an archive with other bytes.
    Replacement,
}

/// Puts back every replaced archive whose successor never came. Gives the directory as it is then.
///
/// # Errors
/// If the server or the link fails.
pub fn put_back(connection: &Connection, naming: &Naming) -> Result<Vec<Entry>, DestinationError> {
    let mut listing = connection.list()?;
    for (old, archive) in to_put_back(&listing, naming) {
        connection.rename(&old, &archive)?;
        tracing::info!("{archive:?} was put back: an earlier run had moved it aside and did not replace it");
        if let Some(entry) = listing.iter_mut().find(|entry| entry.name == old) {
            entry.name = archive;
        }
    }
    Ok(listing)
}

/// What lies under the name `archive` in the directory `listing`, compared with all of `spool`. Where something does,
/// this waits until the spool is complete.
///
/// # Errors
/// If something other than a file lies there, the archive is given up, or the server or the link fails.
pub fn standing(
    server: &Server,
    connection: &Connection,
    listing: &[Entry],
    archive: &str,
    spool: &Spool,
    bar: &Bar,
) -> Result<Standing, DestinationError> {
    match listing.iter().find(|entry| entry.name == archive) {
        None => Ok(Standing::Free),
        Some(entry) if entry.kind != Kind::File => Err(DestinationError::NotAFile(archive.to_owned())),
        Some(_) => match ReadBack::new(server, spool, archive)?.run(server, connection, bar) {
            Ok(()) => Ok(Standing::Same),
            Err(DestinationError::Different { .. }) => Ok(Standing::Other),
            Err(error) => Err(error),
        },
    }
}

/// Gives the verified `.part` of `archive` its final name, and proves by a look that it has it. May be called again
/// after a broken link: what was already done is found out by looking.
///
/// # Errors
/// If the server or the link fails. The archive that was to be replaced is then under its own name, or will be put
/// back by the next run.
pub fn publish(
    server: &Server,
    connection: &Connection,
    naming: &Naming,
    archive: &str,
    spool: &Spool,
    bar: &Bar,
) -> Result<Published, DestinationError> {
    let (part, old) = (naming.part(archive), naming.old(archive));
    let Extent { written: size, .. } = spool.extent().map_err(DestinationError::Spool)?;
    if connection.look(&part)?.is_none() {
        // An earlier attempt may have come this far and lost the answer: only the content tells.
        ReadBack::new(server, spool, archive)?.run(server, connection, bar)?;
    } else {
        let is_taken = connection.look(archive)?.is_some();
        if is_taken {
            match connection.look(&old)? {
                // Retention has kept what an earlier run replaced: this one has come in between.
                Some(Entry { kind: Kind::File, .. }) => connection.remove(archive)?,
                there => {
                    if there.is_some() {
                        // Whatever has the name, nobody could put it back.
                        connection.remove(&old)?;
                    }
                    connection.rename(archive, &old)?;
                }
            }
        }
        if let Err(error) = connection.rename(&part, archive) {
            if is_taken && let Err(error) = connection.rename(&old, archive) {
                tracing::debug!("{old:?} could not be put back at once ({error}); the next run does it");
            }
            return Err(error);
        }
        match connection.look(archive)? {
            Some(entry) if entry.size.is_none_or(|there| there == size) => {}
            _ => {
                let difference = "it did not get its final name".to_owned();
                return Err(DestinationError::Different { name: archive.to_owned(), difference });
            }
        }
    }
    Ok(if connection.look(&old)?.is_some() { Published::Replacement } else { Published::New })
}
