//! What `verify` and `restore` share: which archives lie on the server. Neither changes anything there.

use chrono::Local;

use super::foreground::{Site, Work};
use crate::archive::PackedDump;
use crate::destination::{Connection, Server};
use crate::report::message::Dump;
use crate::rules::other_pattern;
use crate::rules::recovery::{self, NoArchive, Stored};

/// The server, a connection to it, and the archives that lie there, oldest first, empty ones among them.
///
/// # Errors
/// If the server cannot be reached or does not list the folder, or all archives there are of another pattern.
pub(super) fn look(site: &Site) -> Work<(Server, Connection, Vec<Stored>)> {
    let server = Server::new(&site.config.sftp, &site.interrupt, &site.retry, false);
    let (listing, connection) = server.with_connection("listing the archives", None, |connection| connection.list())?;
    site.tell_first_contact(&server);
    let stored = recovery::stored(&listing, &site.config.naming, site.started.date_naive());
    if let Some(other) = other_pattern::find(&listing, &site.config.naming.archive).filter(|_| stored.is_empty()) {
        return Err(NoArchive::OtherPattern(other).into());
    }
    Ok((server, connection, stored))
}

/// `dump` as it is told: its time in the job's zone, as it was then.
pub(super) fn told_dump(dump: &PackedDump) -> Dump {
    Dump { size: dump.size, modified: dump.modified.map(|time| time.with_timezone(&Local).fixed_offset()) }
}
