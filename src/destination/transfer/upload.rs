//! An archive that is sent to the server under its temporary name.

use std::io::{self, Seek, SeekFrom, Write};

use ssh2::{File, OpenFlags, OpenType};

use crate::destination::error::{DestinationError, is_no_space};
use crate::destination::session::connection::Connection;
use crate::destination::session::folder::{Durability, free_space};
use crate::destination::session::server::Server;
use crate::destination::transfer::lanes;
use crate::destination::transfer::window::Window;
use crate::destination::transfer::work_queue::{Part, WorkQueue};
use crate::disk::spool::Spool;
use crate::rules::connections::in_flight;
use crate::rules::listing::{Entry, Kind};
use crate::rules::units;
use crate::runtime::progress::Bar;
use crate::runtime::retry::Retryable as _;

/// How much more is passed to libssh2 at a time. The session's time limit applies to one such call, which returns after the
/// first acknowledgement, so this much must get through within `sftp.timeout_seconds`.
const STEP: usize = 256 * 1024;
/// Time limit for removing a failed upload, in milliseconds.
const CLEAN_UP_LIMIT: u32 = 5_000;
/// Servers report a full disk and similar problems as "failure" only.
pub(crate) const NO_SPACE: &str = "(no space, a quota, or a limit on the size of files?)";
/// Only the owner may read a dump.
pub(crate) const MODE: i32 = 0o600;

/// An upload of an archive that may still grow. If the link breaks, it can continue over another one.
pub(crate) struct Upload<'a> {
    name: &'a str,
    queue: WorkQueue<Spool>,
    in_flight: usize,
    /// Approximate size in bytes, if known.
    expected_size: Option<u64>,
    has_begun: bool,
    /// Whether a link broke. What the server acknowledged before, and the file itself, may be lost since.
    pub(crate) is_resumed: bool,
    /// Whether the archive is on the server's disk, after all of it was sent.
    pub(crate) durability: Durability,
}

impl<'a> Upload<'a> {
    /// An upload of all of `spool`, which will have about `expected_size` bytes, to a file called `name`.
    pub(crate) fn new(server: &Server, spool: &Spool, expected_size: Option<u64>, name: &'a str) -> Upload<'a> {
        let connections = server.connections();
        Upload {
            name,
            queue: WorkQueue::new(spool.clone(), connections),
            in_flight: in_flight(connections),
            expected_size,
            has_begun: false,
            is_resumed: false,
            durability: Durability::NotOffered,
        }
    }

    /// How many connections took part.
    pub(crate) fn connections(&self) -> usize {
        self.queue.participants()
    }

    /// Sends the rest over `connection`, and over further ones if that is worth it. `existing` is the entry that has its name:
    /// if an earlier run left it, it is removed first and never followed.
    ///
    /// # Errors
    /// If the archive is given up, or the server or the link fails. If the link still works, the upload is removed;
    /// otherwise the next call continues it over another link.
    pub(crate) fn run(
        &mut self,
        server: &Server,
        connection: &Connection,
        existing: Option<&Entry>,
        bar: &Bar,
    ) -> Result<(), DestinationError> {
        let has_begun = std::mem::replace(&mut self.has_begun, true);
        let (mut is_resumed, mut durability) = (false, Durability::NotOffered);
        let this = &*self;
        let first = || {
            let mut file;
            (file, is_resumed) = this.open(connection, existing, has_begun)?;
            // Further connections may be ready by now: they were made at the same time.
            this.queue.open();
            if this.queue.reach() == 0 {
                this.check_space(&mut file)?;
            }
            this.send_parts(connection, &mut file, bar)?;
            durability = connection.sync(&mut file);
            let closed = this.close(connection, file);
            // All bytes are acknowledged: after a failed sync, reading them back decides about the archive.
            closed.or_else(|error| if matches!(durability, Durability::Failed(_)) { Ok(()) } else { Err(error) })
        };
        let further = |connection: &Connection| {
            if !this.queue.wait_until_open() {
                return Ok(());
            }
            let mut file = this.open_again(connection)?;
            this.send_parts(connection, &mut file, bar)?;
            this.close(connection, file)
        };
        lanes::run(server, &this.queue, first, further).inspect_err(|error| {
            let is_linked = !matches!(error, DestinationError::Broken { .. } | DestinationError::Interrupted(_));
            // The link may be dead all the same, and nothing waits for this removal.
            connection.session.set_timeout(connection.session.timeout().min(CLEAN_UP_LIMIT));
            if is_linked && let Err(error) = connection.remove(this.name) {
                tracing::debug!("{:?} could not be removed at once ({error}); the next run removes it", this.name);
            }
        })?;
        (self.is_resumed, self.durability) = (is_resumed, durability);
        Ok(())
    }

    /// Opens the file to write, and returns whether the upload is resumed.
    fn open(
        &self,
        connection: &Connection,
        existing: Option<&Entry>,
        has_begun: bool,
    ) -> Result<(File, bool), DestinationError> {
        let reach = self.queue.reach();
        // Before its first byte, a file of that name belongs to an earlier run.
        if reach > 0
            && let Some(entry) = existing
            && entry.kind == Kind::File
            && entry.size.is_some_and(|size| size >= reach)
        {
            tracing::info!("the upload continues; the server has parts of the first {}", units::size(reach));
            return Ok((self.open_again(connection)?, true));
        }
        self.queue.start_over();
        let mut flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
        // Some servers refuse every removal, even of a file that does not exist.
        if existing.is_some()
            && let Err(error) = connection.remove(self.name)
        {
            // A regular file is overwritten; a link could lead anywhere.
            let is_file = || connection.lookup(self.name).map(|it| it.is_some_and(|it| it.kind == Kind::File));
            if error.is_transient() || !is_file()? {
                return Err(error);
            }
            flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
        }
        // The server may still carry out what was requested over a broken connection, even a removal.
        self.open_with(connection, flags)
            .map(|file| (file, has_begun))
            .map_err(|error| connection.create_failed(self.name, self.expected_size, error))
    }

    fn open_again(&self, connection: &Connection) -> Result<File, DestinationError> {
        let refused = |error| self.refused(connection, &format!("to open {:?} again", self.name), error);
        self.open_with(connection, OpenFlags::WRITE).map_err(refused)
    }

    fn open_with(&self, connection: &Connection, flags: OpenFlags) -> Result<File, ssh2::Error> {
        connection.sftp.open_mode(connection.path(self.name), flags, MODE, OpenType::File)
    }

    /// Checks that there is enough space, if the server reports it.
    fn check_space(&self, file: &mut File) -> Result<(), DestinationError> {
        match (self.expected_size, free_space(file)) {
            (Some(needed), free @ Some(available)) if needed > available => Err(self.no_space(free)),
            _ => Ok(()),
        }
    }

    fn send_parts(&self, connection: &Connection, file: &mut File, bar: &Bar) -> Result<(), DestinationError> {
        let mut window = Window::new(self.in_flight);
        while let Some(mut part) = self.queue.take()? {
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
        let spool = self.queue.ready();
        let mut position = part.start();
        file.seek(SeekFrom::Start(position)).map_err(|error| self.write_failed(connection, file, error))?;
        let mut stalls = 0;
        loop {
            connection.interrupt.check()?;
            if self.queue.is_stopped() {
                return Ok(());
            }
            let left = usize::try_from(part.end() - position).unwrap_or(usize::MAX);
            let count = spool.read_at(window.space(left.min(STEP)), position).map_err(DestinationError::Spool)?;
            window.add(count);
            position += count as u64;
            if window.in_flight().is_empty() {
                if position < part.end() && part.wait_for(position)? {
                    continue;
                }
                return Ok(());
            }
            match file.write(window.in_flight()) {
                // libssh2 may accept nothing without an error. The session's time limit applies to each of these calls.
                Ok(0) if stalls < 3 => stalls += 1,
                Ok(0) => {
                    let error = io::Error::from(io::ErrorKind::WriteZero);
                    return Err(connection.broken(self.sending(), error));
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

    /// Some servers report a full disk or a quota only when a file is closed.
    fn close(&self, connection: &Connection, mut file: File) -> Result<(), DestinationError> {
        let what = format!("to close {:?} {NO_SPACE}", self.name);
        file.close().map_err(|error| self.refused(connection, &what, error))
    }

    /// What a failed write means: a full disk, a broken link, or a refusal.
    fn write_failed(&self, connection: &Connection, file: &mut File, error: io::Error) -> DestinationError {
        match connection.transfer_failed(self.sending(), &format!("to write {:?} {NO_SPACE}", self.name), error) {
            // OpenSSH reports a full disk as "failure" only; the file's own file system says more.
            refusal @ DestinationError::Refused { .. } => match free_space(file) {
                free @ Some(available) if available < STEP as u64 => self.no_space(free),
                _ => refusal,
            },
            broken => broken,
        }
    }

    fn sending(&self) -> String {
        format!("while {:?} was sent", self.name)
    }

    fn no_space(&self, free: Option<u64>) -> DestinationError {
        DestinationError::NoSpace { name: self.name.to_owned(), needed: self.expected_size, free }
    }

    fn refused(&self, connection: &Connection, what: &str, error: ssh2::Error) -> DestinationError {
        if is_no_space(&error) { self.no_space(None) } else { connection.failed(what, error) }
    }
}
