//! The archive on its way, under its temporary name.

use std::io::{self, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use indicatif::HumanBytes;
use ssh2::{File, OpenFlags, OpenType};

use crate::destination::durability::Durability;
use crate::destination::error::DestinationError;
use crate::destination::error::is_no_space;
use crate::destination::session::connection::{Connection, Server};
use crate::destination::session::folder::free_space;
use crate::destination::transfer::lanes;
use crate::destination::transfer::parts::{Part, Parts};
use crate::destination::transfer::window::Window;
use crate::disk::spool::Spool;
use crate::rules::listing::{Entry, Kind};
use crate::runtime::progress::Bar;
use crate::runtime::retry::Retryable as _;

/// How much more is handed to libssh2 at a time. The session's time limit counts one such call, which returns with
/// the first acknowledgement, so this is what must get through within `sftp.timeout_seconds`.
const STEP: usize = 256 * 1024;
/// How long the removal of a failed upload is waited for, in milliseconds.
const CLEAN_UP_LIMIT: u32 = 5_000;
/// Servers answer a full disk and its like with "failure" alone.
pub(crate) const NO_SPACE: &str = "(no space, a quota, or a limit on the size of files?)";
/// A database is nobody's business but its owner's.
pub(crate) const MODE: i32 = 0o600;

/// An upload of an archive that may still grow. Where the link breaks, it can go on over another one.
pub struct Upload<'a> {
    name: &'a str,
    parts: Parts<Spool>,
    in_flight: usize,
    /// About how many bytes it will be, where that is known.
    expected_size: Option<u64>,
    is_begun: bool,
    is_resumed: AtomicBool,
    durability: Mutex<Durability>,
}

impl<'a> Upload<'a> {
    /// Of all of `spool`, which will have about `expected_size` bytes, to a file called `name`.
    pub fn new(server: &Server, spool: &Spool, expected_size: Option<u64>, name: &'a str) -> Upload<'a> {
        let connections = server.connections();
        Upload {
            name,
            parts: Parts::new(spool.clone(), connections),
            in_flight: lanes::in_flight(connections),
            expected_size,
            is_begun: false,
            is_resumed: AtomicBool::new(false),
            durability: Mutex::new(Durability::NotOffered),
        }
    }

    /// How many connections took part.
    pub fn connections(&self) -> usize {
        self.parts.at_work()
    }

    /// Whether a link broke. What the server acknowledged before, and the file itself, may be gone since.
    pub fn is_resumed(&self) -> bool {
        self.is_resumed.load(Ordering::SeqCst)
    }

    /// Whether the server has the archive on its disk, once all of it was sent.
    pub fn durability(&self) -> Durability {
        self.durability.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends what is left of it over `connection`, and over further ones where that is worth it. What lies under its
    /// name in the directory `listing` from earlier runs is removed first and never followed.
    ///
    /// # Errors
    /// If the archive is given up, or the server or the link fails. What was sent by then is removed again where the
    /// link still holds; over another link, the next call goes on from it.
    pub fn run(
        &mut self,
        server: &Server,
        connection: &Connection,
        listing: &[Entry],
        bar: &Bar,
    ) -> Result<(), DestinationError> {
        let is_begun = std::mem::replace(&mut self.is_begun, true);
        let this = &*self;
        let first = || {
            let mut file = this.open(connection, listing, is_begun)?;
            // Further connections may be there by now: they were made meanwhile.
            this.parts.open();
            if this.parts.reach() == 0 {
                this.check_space(&mut file)?;
            }
            this.send_parts(connection, &mut file, bar)?;
            let durability = connection.sync(&mut file);
            let closed = this.close(connection, file);
            let is_synced = !matches!(durability, Durability::Failed(_));
            *this.durability.lock().unwrap_or_else(PoisonError::into_inner) = durability;
            // All bytes are acknowledged: after a failed sync, reading them back decides about the archive.
            closed.or_else(|error| if is_synced { Err(error) } else { Ok(()) })
        };
        let further = |connection: &Connection| {
            if !this.parts.wait_until_open() {
                return Ok(());
            }
            let mut file = this.open_again(connection)?;
            this.send_parts(connection, &mut file, bar)?;
            this.close(connection, file)
        };
        lanes::run(server, &this.parts, first, further).inspect_err(|error| {
            let is_linked = !matches!(error, DestinationError::Broken { .. } | DestinationError::Interrupted(_));
            // The link may be dead all the same, and nobody waits for this removal.
            connection.session.set_timeout(connection.session.timeout().min(CLEAN_UP_LIMIT));
            if is_linked && let Err(error) = connection.remove(this.name) {
                tracing::debug!("{:?} could not be removed at once ({error}); the next run does it", this.name);
            }
        })
    }

    fn open(&self, connection: &Connection, listing: &[Entry], is_begun: bool) -> Result<File, DestinationError> {
        let there = listing.iter().find(|entry| entry.name == self.name);
        let reach = self.parts.reach();
        // Before its first byte, what has the name is of an earlier run.
        if reach > 0
            && let Some(entry) = there
            && entry.kind == Kind::File
            && entry.size.is_some_and(|size| size >= reach)
        {
            tracing::info!("the upload goes on; the server has parts of the first {}", HumanBytes(reach));
            self.is_resumed.store(true, Ordering::SeqCst);
            return self.open_again(connection);
        }
        self.parts.start_over();
        // What was asked over a broken connection, a removal too, the server may still carry out.
        self.is_resumed.store(is_begun, Ordering::SeqCst);
        let mut flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
        // Some servers allow no removal at all, not even of what is not there.
        if there.is_some()
            && let Err(error) = connection.remove(self.name)
        {
            // A regular file is written again; a link could lead anywhere.
            let is_file = || connection.look(self.name).map(|there| there.is_some_and(|it| it.kind == Kind::File));
            if error.is_transient() || !is_file()? {
                return Err(error);
            }
            flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
        }
        self.open_with(connection, flags)
            .map_err(|error| connection.create_failed(self.name, self.expected_size, error))
    }

    fn open_again(&self, connection: &Connection) -> Result<File, DestinationError> {
        let refused = |error| self.refused(connection, &format!("to open {:?} again", self.name), error);
        self.open_with(connection, OpenFlags::WRITE).map_err(refused)
    }

    fn open_with(&self, connection: &Connection, flags: OpenFlags) -> Result<File, ssh2::Error> {
        connection.sftp.open_mode(connection.path(self.name), flags, MODE, OpenType::File)
    }

    /// Whether the server has room for it, where it tells.
    fn check_space(&self, file: &mut File) -> Result<(), DestinationError> {
        let (Some(needed), Some(free)) = (self.expected_size, free_space(file)) else { return Ok(()) };
        if needed <= free {
            return Ok(());
        }
        Err(DestinationError::NoSpace { name: self.name.to_owned(), needed: Some(needed), free: Some(free) })
    }

    /// Takes parts and sends them, until there are no more.
    fn send_parts(&self, connection: &Connection, file: &mut File, bar: &Bar) -> Result<(), DestinationError> {
        let mut window = Window::new(self.in_flight);
        while let Some(mut part) = self.parts.take()? {
            self.send(connection, file, &mut part, &mut window, bar)?;
        }
        Ok(())
    }

    fn send(
        &self,
        connection: &Connection,
        file: &mut File,
        part: &mut Part<'_, Spool>,
        window: &mut Window,
        bar: &Bar,
    ) -> Result<(), DestinationError> {
        let spool = self.parts.ready();
        let mut position = part.start();
        file.seek(SeekFrom::Start(position)).map_err(|error| self.write_failed(connection, file, error))?;
        let mut stalls = 0;
        loop {
            connection.interrupt.check()?;
            if self.parts.is_stopped() {
                return Ok(());
            }
            let left = usize::try_from(part.end() - position).unwrap_or(usize::MAX);
            let count = spool.read_at(window.room(left.min(STEP)), position).map_err(DestinationError::Spool)?;
            window.add(count);
            position += count as u64;
            if window.in_flight().is_empty() {
                if position < part.end() && part.wait_for(position)? {
                    continue;
                }
                return Ok(());
            }
            match file.write(window.in_flight()) {
                // libssh2 may accept nothing without an error; the session's time limit bounds each of these calls.
                Ok(0) if stalls < 3 => stalls += 1,
                Ok(0) => {
                    let error = io::Error::from(io::ErrorKind::WriteZero);
                    return Err(connection.broken(format!("while {:?} was sent", self.name), error));
                }
                Ok(count) => {
                    stalls = 0;
                    window.acknowledge(count);
                    part.advance(count as u64);
                    bar.advance(count);
                }
                Err(error) => return Err(self.write_failed(connection, file, error)),
            }
        }
    }

    /// A server may report a full disk or a quota only now.
    fn close(&self, connection: &Connection, mut file: File) -> Result<(), DestinationError> {
        let what = format!("to close {:?} {NO_SPACE}", self.name);
        file.close().map_err(|error| self.refused(connection, &what, error))
    }

    /// What a failed write means: a broken link, a full disk, or a refusal.
    fn write_failed(&self, connection: &Connection, file: &mut File, error: io::Error) -> DestinationError {
        if error.kind() == io::ErrorKind::TimedOut || !connection.is_alive() {
            return connection.broken(format!("while {:?} was sent", self.name), error);
        }
        // OpenSSH says no more than "failure" for a full disk; the file's own file system tells.
        match free_space(file) {
            Some(free) if free < STEP as u64 => {
                DestinationError::NoSpace { name: self.name.to_owned(), needed: self.expected_size, free: Some(free) }
            }
            _ => DestinationError::Refused {
                what: format!("to write {:?} {NO_SPACE}", self.name),
                source: ssh2::Error::new(ssh2::ErrorCode::SFTP(4), "failure"),
            },
        }
    }

    fn refused(&self, connection: &Connection, what: &str, error: ssh2::Error) -> DestinationError {
        if is_no_space(&error) {
            return DestinationError::NoSpace { name: self.name.to_owned(), needed: self.expected_size, free: None };
        }
        connection.failed(what, error)
    }
}
