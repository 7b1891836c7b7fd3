//! What `verify` and `restore` share: which archives lie on the server. Neither changes anything there.

pub mod report;

use crate::archive::PackedDump;
use crate::commands::foreground::{Site, Work};
use crate::commands::recovery::report::Dump;
use crate::config::JobZone;
use crate::destination::{Connection, Server};
use crate::rules::other_pattern;
use crate::rules::recovery::{self, NoArchive, Stored};
use crate::rules::listing::Entry;

/// The server, a connection to it, what lies there, and the archives among that, oldest first, with the empty ones.
///
/// # Errors
/// If the server cannot be reached or does not list the folder, or all archives there are of another pattern.
pub(super) fn look(site: &Site) -> Work<(Server, Connection, Vec<Entry>, Vec<Stored>)> {
    let server = Server::new(&site.config.sftp, &site.interrupt, &site.retry, false);
    let (listing, connection) = server.with_connection("listing the archives", None, |connection| connection.list())?;
    site.tell_first_contact(&server);
    let stored = recovery::stored(&listing, &site.config.naming, site.started.date_naive());
    if let Some(other) = other_pattern::find(&listing, &site.config.naming.archive).filter(|_| stored.is_empty()) {
        return Err(NoArchive::OtherPattern(other).into());
    }
    Ok((server, connection, listing, stored))
}

/// `dump` as it is reported: its time in the job's `zone`, as it was then.
pub(super) fn told_dump(dump: &PackedDump, zone: &JobZone) -> Dump {
    Dump { size: dump.size, modified: dump.modified.map(|time| time.with_timezone(zone).fixed_offset()) }
}
