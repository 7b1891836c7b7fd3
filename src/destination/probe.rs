//! Examines the server for `check`: its host key, its round trip, and whether a small file can be written, renamed and removed.

use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate};
use ssh2::{File, OpenFlags, OpenType};

use crate::config::HostKeyPolicy;
use crate::destination::error::DestinationError;
use crate::destination::session::connection::Connection;
use crate::destination::session::folder::{Durability, free_space};
use crate::destination::session::host_key::fingerprint;
use crate::destination::session::known_hosts::Place;
use crate::destination::session::server::Server;
use crate::destination::transfer::writing::{MODE, NO_SPACE};
use crate::rules::archive_name::Naming;
use crate::rules::connections::extra_for_size;
use crate::rules::known_hosts::algorithm_of;
use crate::rules::listing::{Entry, Kind};
use crate::rules::upload_method::Writing;
use crate::runtime::interrupt::Interrupt;

/// A write test uses the upload name of one of this many days from 1970-01-01 on: no run is for such a date, and every run
/// removes unfinished uploads of any date.
const DAYS: usize = 365;
/// Half of the bytes that two writers write, and [`Connection::beginning`] reads.
const HALF: usize = 32 * 1024;
const CONTENT: &[u8] = b"scripting-system check: may be removed\n";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedHostKey {
    /// Such as `ssh-ed25519`.
    pub algorithm: String,
    /// As OpenSSH writes it: `SHA256:…`.
    pub fingerprint: String,
    pub trust: Trust,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// It is in a known_hosts file.
    Known(Place),
    /// `sftp.host_key` pins it.
    Pinned,
    /// It is the server's first key, and `sftp.host_key` is `accept-new`.
    First,
}

/// The result of writing, renaming and removing a small file.
#[derive(Debug)]
pub struct WriteTest {
    /// Bytes free in the file system, if the server reports them.
    pub free: Option<u64>,
    /// The result of writing and renaming.
    pub written: Result<(), DestinationError>,
    pub durability: Durability,
    /// Whether the server accepts several writers of one file, in any order. `None` if one connection is configured or usual for
    /// this server, the small file could not be written, or the connection broke.
    pub takes_several_writers: Option<bool>,
    /// The file's name, and the error, if it could not be removed.
    pub leftover: Option<(String, DestinationError)>,
}

impl Server {
    /// The trusted host key, once a connection has received one.
    pub fn host_key(&self) -> Option<TrustedHostKey> {
        let host_key = self.host_key.get()?;
        let trust = match (&self.config.host_key, &host_key.place) {
            (HostKeyPolicy::Pinned(_), _) => Trust::Pinned,
            (_, Some(place)) => Trust::Known(place.clone()),
            (_, None) => Trust::First,
        };
        Some(TrustedHostKey {
            algorithm: algorithm_of(&host_key.key).unwrap_or("unknown").to_owned(),
            fingerprint: fingerprint(&host_key.key),
            trust,
        })
    }

    /// Number of connections that write and read back an archive of `size` bytes, based on the last measured round trip.
    pub fn connections_for(&self, size: u64) -> u64 {
        let shares = self.shares();
        (shares.writers + shares.readers).min(1 + extra_for_size(size))
    }
}

impl Connection {
    /// Measures the time of a small request.
    pub fn round_trip(&self) -> Result<Duration, DestinationError> {
        let started = Instant::now();
        self.lookup(".")?;
        Ok(started.elapsed())
    }
}

/// Creates, writes, syncs, renames and removes a small file, and then one that has two writers, in `sftp.directory`, over a new
/// connection. Existing files are not touched, except the whole file of a test that could not remove it: both names are upload
/// names of days in 1970. If the program is killed, the next run removes the file. A signal does not stop the test, because
/// that would leave the file behind.
///
/// # Errors
/// If the file cannot be created, or the connection breaks before that.
pub fn try_writing(server: &Server, naming: &Naming) -> Result<WriteTest, DestinationError> {
    let connection = server.with_interrupt(&Interrupt::new()).connect_additional()?;
    let listing = connection.list()?;
    let mut free = free_names(naming, &listing);
    let (Some(first), Some(second)) = (free.next(), free.next()) else {
        return Err(DestinationError::NotAFile(naming.upload_name(&naming.archive.file_name(first_day()))));
    };
    let is_whole = |entry: &&Entry| entry.kind == Kind::File && entry.size == Some(CONTENT.len() as u64);
    let has_test_name = |entry: &&Entry| test_names(naming).any(|name| name == entry.name);
    let (first, flag) = match listing.iter().filter(is_whole).find(has_test_name) {
        // Otherwise, each test would leave another file where removal is refused.
        Some(left) => (left.name.clone(), OpenFlags::TRUNCATE),
        None => (first, OpenFlags::EXCLUSIVE),
    };
    let flags = OpenFlags::WRITE | OpenFlags::CREATE | flag;
    let mut file = connection
        .sftp
        .open_mode(connection.path(&first), flags, MODE, OpenType::File)
        .map_err(|error| connection.create_failed(&first, None, error))?;
    let free = free_space(&mut file);
    let mut durability = Durability::NotOffered;
    let renamed = write(&connection, file, &first, &mut durability).and_then(|()| connection.rename(&first, &second));
    let (name, other) = if renamed.is_ok() { (second, first) } else { (first, second) };
    let leftover = connection.remove(&name).err().map(|error| (name, error));
    let several = server.config.connections > 1 && server.method().writing == Writing::SeveralConnections;
    let tries_several = several && renamed.is_ok() && leftover.is_none();
    let takes_several_writers = if tries_several { takes_several_writers(&connection, &other) } else { None };
    Ok(WriteTest { free, written: renamed, durability, takes_several_writers, leftover })
}

/// Whether the file `name` arrives whole if two handles write its halves, the second half first. `None` if the connection
/// breaks.
fn takes_several_writers(connection: &Connection, name: &str) -> Option<bool> {
    let content: Vec<u8> = (0..=u8::MAX).cycle().take(2 * HALF).collect();
    let open = |flag| {
        connection
            .sftp
            .open_mode(connection.path(name), OpenFlags::WRITE | flag, MODE, OpenType::File)
            .map_err(io::Error::from)
    };
    let write = || {
        let mut first = open(OpenFlags::CREATE | OpenFlags::EXCLUSIVE)?;
        let mut second = open(OpenFlags::empty())?;
        second.seek(SeekFrom::Start(HALF as u64))?;
        second.write_all(&content[HALF..])?;
        first.write_all(&content[..HALF])?;
        connection.patiently(|| second.close().and_then(|()| first.close()))?;
        Ok::<_, io::Error>(())
    };
    let has_arrived = write().is_ok() && connection.beginning(name).is_ok_and(|read| read == content);
    // If it remains, the next run removes it.
    match connection.remove(name) {
        Err(DestinationError::Broken { .. }) => None,
        _ => Some(has_arrived),
    }
}

fn write(
    connection: &Connection,
    mut file: File,
    name: &str,
    durability: &mut Durability,
) -> Result<(), DestinationError> {
    let written = file.write_all(CONTENT).is_ok();
    // OpenSSH reports a full disk only as "failure", so query the file system.
    let free = free_space(&mut file);
    *durability = connection.sync(&mut file);
    let what = format!("to write {name:?} {NO_SPACE}");
    let closed = connection.close_file(file, |error| connection.failed(&what, error));
    if written && closed.is_ok() {
        return Ok(());
    }
    let needed = CONTENT.len() as u64;
    if free.is_some_and(|free| free < needed) {
        return Err(DestinationError::NoSpace { name: name.to_owned(), needed: Some(needed), free });
    }
    Err(closed.err().unwrap_or_else(|| DestinationError::refused(&what)))
}

/// Unused upload names for dates that no run is for.
fn free_names<'a>(naming: &'a Naming, listing: &'a [Entry]) -> impl Iterator<Item = String> + 'a {
    test_names(naming).filter(|name| !listing.iter().any(|entry| entry.name == *name))
}

fn test_names(naming: &Naming) -> impl Iterator<Item = String> {
    let days = first_day().iter_days().take(DAYS);
    days.map(|day| naming.upload_name(&naming.archive.file_name(day)))
}

fn first_day() -> NaiveDate {
    DateTime::UNIX_EPOCH.date_naive()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::archive_name::ArchiveName;
    use crate::rules::inventory::tests::POLICY;
    use crate::rules::retention::{Action, Circumstances, plan};

    fn naming(pattern: &str) -> Naming {
        Naming {
            is_encrypted: false,
            archive: ArchiveName::new(pattern).unwrap(),
            temporary_prefix: ".".to_owned(),
            id: "0a1b2c3d".to_owned(),
        }
    }

    fn entry(name: &str) -> Entry {
        Entry { name: name.to_owned(), kind: Kind::File, size: Some(1), modified: None }
    }

    #[test]
    fn a_write_test_uses_an_unused_name() {
        let naming = naming("%Y%d%m");
        let listing = [entry(".19700101.tgz.0a1b2c3d.part"), entry(".19700301.tgz.0a1b2c3d.part")];
        let free: Vec<String> = free_names(&naming, &listing).take(2).collect();
        assert_eq!(free, [".19700201.tgz.0a1b2c3d.part", ".19700401.tgz.0a1b2c3d.part"]);
    }

    #[test]
    fn the_next_run_removes_the_file_of_a_killed_write_test() {
        let today = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
        for pattern in ["%Y%d%m", "%F", "db-%y%m%d", "%d.%m.%Y", "%Y-%j"] {
            let naming = naming(pattern);
            let leftover = free_names(&naming, &[]).next().unwrap();
            let plan = plan(&[entry(&leftover)], &naming, POLICY, Circumstances::on(today));
            assert_eq!(plan.decisions[0].action, Action::Remove, "{leftover}");
        }
    }
}
