//! Uploads an archive under its temporary name.

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

/// Maximum number of new bytes per call of libssh2. The call returns after the first acknowledgement and is subject to the
/// session's time limit, so this many bytes must get through within `sftp.timeout_seconds`.
const STEP: usize = 256 * 1024;
/// Time limit for removing a failed upload, in milliseconds.
const CLEAN_UP_LIMIT: u32 = 5_000;
/// Servers report a full disk and similar problems only as "failure".
pub(crate) const NO_SPACE: &str = "(no space, a quota, or a file size limit?)";
/// Only the owner may read a dump.
pub(crate) const MODE: i32 = 0o600;

/// An upload of an archive that may still grow. It can continue over another connection.
pub(crate) struct Upload<'a> {
    name: &'a str,
    queue: WorkQueue<Spool>,
    in_flight: usize,
    /// Approximate size in bytes, if known.
    expected_size: Option<u64>,
    has_begun: bool,
    /// Whether a connection broke. The server may have lost acknowledged data, or the whole file.
    pub(crate) is_resumed: bool,
    /// The durability of the complete upload.
    pub(crate) durability: Durability,
}

impl<'a> Upload<'a> {
    /// An upload of `spool`, of about `expected_size` bytes, to the file `name`.
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

    pub(crate) fn connections(&self) -> usize {
        self.queue.participants()
    }

    /// Sends the rest over `connection`, and over additional ones if that pays off. `existing` is the entry with the upload's
    /// name: one left by an earlier run is removed first, and links are never followed.
    ///
    /// # Errors
    /// If the archive is abandoned, or the server or the connection fails. If the connection still works, the upload is
    /// removed; otherwise the next call can continue it.
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
            // Additional connections may already be waiting for the file.
            this.queue.open();
            if this.queue.high_water_mark() == 0 {
                this.check_space(&mut file)?;
            }
            this.send_parts(connection, &mut file, bar)?;
            durability = connection.sync(&mut file);
            let closed = this.close(connection, file);
            // All bytes are acknowledged. After a failed sync, reading them back shows whether the archive is good.
            closed.or_else(|error| if matches!(durability, Durability::Failed(_)) { Ok(()) } else { Err(error) })
        };
        let additional = |connection: &Connection| {
            if !connection.rest_during(|| this.queue.wait_until_open()) {
                return Ok(());
            }
            let mut file = this.reopen(connection)?;
            this.send_parts(connection, &mut file, bar)?;
            this.close(connection, file)
        };
        lanes::run(server, &this.queue, first, additional).inspect_err(|error| {
            let is_connected = !matches!(error, DestinationError::Broken { .. } | DestinationError::Interrupted(_));
            // The connection may be dead nevertheless, so don't wait long for this optional removal.
            connection.session.set_timeout(connection.session.timeout().min(CLEAN_UP_LIMIT));
            if is_connected && let Err(error) = connection.remove(this.name) {
                tracing::debug!("{:?} could not be removed ({error}); the next run will remove it", this.name);
            }
        })?;
        (self.is_resumed, self.durability) = (is_resumed, durability);
        Ok(())
    }

    /// Opens the file for writing. Also returns whether the upload is resumed.
    fn open(
        &self,
        connection: &Connection,
        existing: Option<&Entry>,
        has_begun: bool,
    ) -> Result<(File, bool), DestinationError> {
        let high_water_mark = self.queue.high_water_mark();
        // As long as nothing is sent, an existing file belongs to an earlier run.
        if high_water_mark > 0
            && let Some(entry) = existing
            && entry.kind == Kind::File
            && entry.size.is_some_and(|size| size >= high_water_mark)
        {
            tracing::info!("resuming the upload; the server has parts of the first {}", units::size(high_water_mark));
            return Ok((self.reopen(connection)?, true));
        }
        self.queue.start_over();
        let mut flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
        // Some servers refuse every removal, even of a missing file.
        if existing.is_some()
            && let Err(error) = connection.remove(self.name)
        {
            // A regular file can be overwritten; a link could lead anywhere.
            let is_file =
                || connection.lookup(self.name).map(|found| found.is_some_and(|entry| entry.kind == Kind::File));
            if error.is_transient() || !is_file()? {
                return Err(error);
            }
            flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
        }
        // The server may still execute requests of a broken connection, even a removal.
        self.open_with(connection, flags)
            .map(|file| (file, has_begun))
            .map_err(|error| connection.create_failed(self.name, self.expected_size, error))
    }

    fn reopen(&self, connection: &Connection) -> Result<File, DestinationError> {
        let refused = |error| self.refused(connection, &format!("to reopen {:?}", self.name), error);
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
        while let Some(mut part) = connection.rest_during(|| self.queue.take())? {
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
                if position < part.end() && connection.rest_during(|| part.wait_for(position))? {
                    continue;
                }
                return Ok(());
            }
            match file.write(window.in_flight()) {
                // libssh2 may accept no bytes without an error. The session's time limit applies to each call.
                Ok(0) if stalls < 3 => stalls += 1,
                Ok(0) => {
                    let error = io::Error::from(io::ErrorKind::WriteZero);
                    return Err(connection.broken(self.activity(), error));
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
    fn close(&self, connection: &Connection, file: File) -> Result<(), DestinationError> {
        let what = format!("to close {:?} {NO_SPACE}", self.name);
        connection.close_file(file, |error| self.refused(connection, &what, error))
    }

    /// The error for a failed write: a full disk, a broken connection, or a refusal.
    fn write_failed(&self, connection: &Connection, file: &mut File, error: io::Error) -> DestinationError {
        match connection.transfer_failed(self.activity(), &format!("to write {:?} {NO_SPACE}", self.name), error) {
            // OpenSSH reports a full disk only as "failure", so query the file system.
            refusal @ DestinationError::Refused { .. } => match free_space(file) {
                free @ Some(available) if available < STEP as u64 => self.no_space(free),
                _ => refusal,
            },
            broken => broken,
        }
    }

    fn activity(&self) -> String {
        format!("while sending {:?}", self.name)
    }

    fn no_space(&self, free: Option<u64>) -> DestinationError {
        DestinationError::NoSpace { name: self.name.to_owned(), needed: self.expected_size, free }
    }

    fn refused(&self, connection: &Connection, what: &str, error: ssh2::Error) -> DestinationError {
        if is_no_space(&error) { self.no_space(None) } else { connection.failed(what, error) }
    }
}
