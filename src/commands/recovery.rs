//! What `verify` and `restore` share: which archives lie on the server. Neither changes anything there.

use chrono::Local;

use super::foreground::Site;
use crate::archive::PackedDump;
use crate::destination::{Connection, DestinationError, Server};
use crate::report::message::Dump;
use crate::rules::recovery::{self, Stored};
use crate::rules::retention::Entry;

/// The server, a connection to it, what lies there, and the archives among that, oldest first, with the empty ones.
///
/// # Errors
/// If the server cannot be reached or does not tell.
pub(super) fn look(site: &Site) -> Result<(Server, Connection, Vec<Entry>, Vec<Stored>), DestinationError> {
    let server = Server::new(&site.config.sftp, &site.interrupt, &site.retry, false);
    let (listing, connection) = server.with_connection("listing the archives", None, |connection| connection.list())?;
    site.tell_first_contact(&server);
    let stored = recovery::stored(&listing, &site.config.naming(), site.started.date_naive());
    Ok((server, connection, listing, stored))
}

/// `dump` as it is told: its time in the job's zone, as it was then.
pub(super) fn told_dump(dump: &PackedDump) -> Dump {
    Dump { size: dump.size, modified: dump.modified.map(|time| time.with_timezone(&Local).fixed_offset()) }
}
