//! Shared by the commands that read archives: lists the folder on the server, and formats facts about a dump.

use std::path::PathBuf;
use std::time::Duration;

use age::x25519::Identity;

use crate::archive::{ArchiveError, PackedDump};
use crate::commands::foreground::{Context, Work};
use crate::config::ReadBack;
use crate::destination::{Connection, DestinationError, Server};
use crate::disk::identity::read_all;
use crate::disk::last_drill;
use crate::exit_code::ExitCode;
use crate::report::message::headline::moment;
use crate::rules::archive_name::Naming;
use crate::rules::checksum::{ChecksumFile, Digest};
use crate::rules::drill_history::DrillHistory;
use crate::rules::job_zone::JobZone;
use crate::rules::listing::Entry;
use crate::rules::other_pattern;
use crate::rules::recovery::{self, NoArchive, StoredArchive};
use crate::rules::units::rate;
use crate::runtime::error_chain::with_causes;

/// The server, the listing of its folder, and its free bytes, if it reports them. `what` describes the work in messages.
pub(super) fn list_once(context: &Context, what: &str) -> Result<(Server, Vec<Entry>, Option<u64>), DestinationError> {
    let server =
        Server::new(&context.config.sftp, &context.interrupt, &context.retry, (false, context.accounts.clone()));
    let ((entries, free), connection) =
        server.with_connection(what, None, |connection| Ok((connection.list()?, connection.free_space())))?;
    // The result is complete even if closing fails.
    let _ = connection.close();
    Ok((server, entries, free))
}

pub(super) fn last_drill(config: &ReadBack) -> DrillHistory {
    last_drill::read(&config.id, &config.work_directory).unwrap_or_default()
}

/// The server, a connection to it, the listing of its folder, and the archives in it, oldest first, including empty ones.
///
/// # Errors
/// If the server cannot be reached, does not list the folder, or has only archives of another pattern.
pub(super) fn connect_and_list(context: &Context) -> Work<(Server, Connection, Vec<Entry>, Vec<StoredArchive>)> {
    let server =
        Server::new(&context.config.sftp, &context.interrupt, &context.retry, (false, context.accounts.clone()));
    let (listing, connection) = server.with_connection("listing the archives", None, |connection| connection.list())?;
    context.report_new_host_key(&server);
    let stored = recovery::stored(&listing, &context.config.naming, context.started.date_naive());
    if let Some(other) = other_pattern::find(&listing, &context.config.naming.archive).filter(|_| stored.is_empty()) {
        return Err(NoArchive::OtherPattern(other).into());
    }
    Ok((server, connection, listing, stored))
}

/// The SHA-256 of `archive` according to its checksum file, and the connection. An error of the archive is the inner result.
pub(super) fn stored_sha256(
    server: &Server,
    connection: Connection,
    (naming, archive): (&Naming, &StoredArchive),
) -> Result<(Result<Option<Digest>, ArchiveError>, Connection), DestinationError> {
    let lookup = |connection: &Connection| connection.checksum(naming, &archive.file.name);
    let (file, connection) = server.with_connection("reading the checksum file", Some(connection), lookup)?;
    let sha256 = match file {
        None | Some(ChecksumFile::Foreign) => Ok(None),
        Some(ChecksumFile::Valid(checksum)) => Ok(Some(checksum.archive)),
        Some(ChecksumFile::Damaged) => Err(ArchiveError::ChecksumDamaged(naming.checksum_name(&archive.file.name))),
    };
    Ok((sha256, connection))
}

/// The identities in `files`, or the exit code after printing why they cannot be read.
pub(super) fn identities(files: &[PathBuf]) -> Result<Vec<Identity>, ExitCode> {
    read_all(files).map_err(|error| {
        eprintln!("scripting-system: {}", with_causes(&error));
        ExitCode::Configuration
    })
}

/// "modified 23 Nov 2026 22:54:11 +01:00", in the job's zone.
pub(super) fn modification_time(dump: &PackedDump, zone: &JobZone) -> String {
    let text =
        |time: chrono::DateTime<chrono::Utc>| format!("modified {}", moment(time.with_timezone(zone).fixed_offset()));
    dump.modified.map_or_else(|| "modification time unknown".to_owned(), text)
}

/// ", 20.49 MiB/s", if it can be calculated.
pub(super) fn rate_suffix(bytes: Option<u64>, took: Duration) -> String {
    bytes.and_then(|bytes| rate(bytes, took)).map(|rate| format!(", {rate}")).unwrap_or_default()
}
