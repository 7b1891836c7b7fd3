//! A look at the server before there is anything to send: who it is, how it let us in, and whether a small file gets
//! through what an archive must get through.

use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate};
use ssh2::{File, OpenFlags, OpenType};

use crate::config::HostKeyPolicy;
use crate::destination::durability::Durability;
use crate::destination::error::DestinationError;
use crate::destination::session::authentication::Login;
use crate::destination::session::connection::{Connection, Server};
use crate::destination::session::folder::free_space;
use crate::destination::session::host_key::fingerprint;
use crate::destination::session::known_hosts::Place;
use crate::destination::transfer::lanes;
use crate::destination::transfer::upload::{MODE, NO_SPACE};
use crate::rules::archive_name::Naming;
use crate::rules::known_hosts::algorithm_of;
use crate::rules::listing::Entry;
use crate::runtime::interrupt::Interrupt;

/// A trial takes the names of so many days from 1970 on: no run is for one of them, and each run clears what uploads of
/// any day have left.
const DAYS: usize = 365;
/// Few bytes, but a write of its own.
const CONTENT: &[u8] = b"scripting-system check: may be removed\n";

/// The host key that the server showed, and that was trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenHostKey {
    /// Its type: `ssh-ed25519`.
    pub algorithm: String,
    /// OpenSSH's fingerprint: `SHA256:…`.
    pub fingerprint: String,
    /// Why it was trusted.
    pub trust: Trust,
}

/// Why a host key is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// This line of a known_hosts file has it.
    Known(Place),
    /// `sftp.host_key` pins it.
    Pinned,
    /// It is the first one, and `sftp.host_key` is `accept-new`.
    First,
}

/// What a trial showed.
#[derive(Debug)]
pub struct Trial {
    /// How many bytes are free where the small file lay, where the server tells.
    pub free: Option<u64>,
    /// Whether it could be written and renamed.
    pub written: Result<(), DestinationError>,
    /// Whether the server put it on its disk.
    pub durability: Durability,
    /// Under which name it is still there, and what the server said when it was to be removed.
    pub left: Option<(String, DestinationError)>,
}

impl Server {
    /// The addresses that the server's name stands for.
    ///
    /// # Errors
    /// If the name does not resolve.
    pub fn addresses(&self) -> Result<Vec<SocketAddr>, DestinationError> {
        let (host, port) = (self.config.host.as_str(), self.config.port);
        let unknown = |source| DestinationError::UnknownHost { host: host.to_owned(), source };
        Ok((host, port).to_socket_addrs().map_err(unknown)?.collect())
    }

    /// The same server, whose connections nothing ends before their work is done.
    fn undisturbed(&self) -> Server {
        let mut server = self.clone();
        server.interrupt = Interrupt::new();
        server
    }

    /// The host key that was trusted, once there was a connection that came so far.
    pub fn host_key(&self) -> Option<SeenHostKey> {
        let seen = self.host_key.get()?;
        let trust = match (&self.config.host_key, &seen.place) {
            (HostKeyPolicy::Pinned(_), _) => Trust::Pinned,
            (_, Some(place)) => Trust::Known(place.clone()),
            (_, None) => Trust::First,
        };
        Some(SeenHostKey {
            algorithm: algorithm_of(&seen.key).unwrap_or("unknown").to_owned(),
            fingerprint: fingerprint(&seen.key),
            trust,
        })
    }

    /// How the login was made, once there was one.
    pub fn login(&self) -> Option<Login> {
        self.login.get().copied()
    }

    /// How many connections an archive of `size` bytes would be sent over, by the round trip that was last seen.
    pub fn connections_for(&self, size: u64) -> u64 {
        self.connections().min(1 + lanes::worth_for(size))
    }
}

impl Connection {
    /// How long the server takes for its shortest answer.
    ///
    /// # Errors
    /// If there is none.
    pub fn round_trip(&self) -> Result<Duration, DestinationError> {
        let asked = Instant::now();
        self.look(".")?;
        Ok(asked.elapsed())
    }
}

/// Creates a small file beside the archives, over a connection of its own as a run's verification has one, writes and
/// renames it, and removes it again. No file that was there before is touched: the name is one that is free, with the
/// temporary prefix, of a day in 1970. If the program is killed meanwhile, the next run removes what is left.
///
/// A signal does not end it: that would leave the file behind.
///
/// # Errors
/// If the server does not let the file be created, or the link breaks before that.
pub fn try_writing(server: &Server, naming: &Naming) -> Result<Trial, DestinationError> {
    let connection = server.undisturbed().connect_further()?;
    let listing = connection.list()?;
    let mut free = free_names(naming, &listing);
    let (Some(first), Some(second)) = (free.next(), free.next()) else {
        return Err(DestinationError::NotAFile(naming.part(&naming.archive.file_name(first_day()))));
    };
    let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
    let mut file = connection
        .sftp
        .open_mode(connection.path(&first), flags, MODE, OpenType::File)
        .map_err(|error| connection.create_failed(&first, None, error))?;
    let free = free_space(&mut file);
    let mut durability = Durability::NotOffered;
    let renamed = write(&connection, file, &first, &mut durability).and_then(|()| connection.rename(&first, &second));
    let name = if renamed.is_ok() { second } else { first };
    let left = connection.remove(&name).err().map(|error| (name, error));
    Ok(Trial { free, written: renamed, durability, left })
}

fn write(
    connection: &Connection,
    mut file: File,
    name: &str,
    durability: &mut Durability,
) -> Result<(), DestinationError> {
    let written = file.write_all(CONTENT).is_ok();
    // OpenSSH says no more than "failure" for a full disk; the file's own file system tells.
    let free = free_space(&mut file);
    *durability = connection.sync(&mut file);
    let closed = file.close();
    if written && closed.is_ok() {
        return Ok(());
    }
    let needed = CONTENT.len() as u64;
    if free.is_some_and(|free| free < needed) {
        return Err(DestinationError::NoSpace { name: name.to_owned(), needed: Some(needed), free });
    }
    let failure = ssh2::Error::new(ssh2::ErrorCode::SFTP(4), "failure");
    Err(connection.failed(&format!("to write {name:?} {NO_SPACE}"), closed.err().unwrap_or(failure)))
}

/// Names of unfinished uploads that nobody has, and that no run will ever take.
fn free_names<'a>(naming: &'a Naming, listing: &'a [Entry]) -> impl Iterator<Item = String> + 'a {
    let days = first_day().iter_days().take(DAYS);
    days.map(|day| naming.part(&naming.archive.file_name(day)))
        .filter(|name| !listing.iter().any(|entry| entry.name == *name))
}

fn first_day() -> NaiveDate {
    DateTime::UNIX_EPOCH.date_naive()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::archive_name::ArchiveName;
    use crate::rules::listing::Kind;
    use crate::rules::retention::keeping::Policy;
    use crate::rules::retention::{Action, Circumstances, plan};

    fn naming(pattern: &str) -> Naming {
        Naming {
            archive: ArchiveName::new(pattern).unwrap(),
            temporary_prefix: ".".to_owned(),
            id: "0a1b2c3d".to_owned(),
        }
    }

    fn entry(name: &str) -> Entry {
        Entry { name: name.to_owned(), kind: Kind::File, size: Some(1), modified: None }
    }

    #[test]
    fn a_trial_takes_no_name_that_is_there() {
        let naming = naming("%Y%d%m");
        let listing = [entry(".19700101.tgz.0a1b2c3d.part"), entry(".19700301.tgz.0a1b2c3d.part")];
        let free: Vec<String> = free_names(&naming, &listing).take(2).collect();
        assert_eq!(free, [".19700201.tgz.0a1b2c3d.part", ".19700401.tgz.0a1b2c3d.part"]);
    }

    #[test]
    fn what_a_killed_trial_leaves_is_cleared_by_the_next_run() {
        let policy =
            Policy { keep_days: 10, keep_at_least: 3, keep_daily: 0, keep_weekly: 0, keep_monthly: 0, keep_yearly: 0 };
        let today = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
        for pattern in ["%Y%d%m", "%F", "db-%y%m%d", "%d.%m.%Y", "%Y-%j"] {
            let naming = naming(pattern);
            let left = free_names(&naming, &[]).next().unwrap();
            let plan = plan(&[entry(&left)], &naming, policy, Circumstances::on(today));
            assert_eq!(plan.decisions[0].action, Action::Remove, "{left}");
        }
    }
}
