//! Uploads an archive under its temporary name.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use ssh2::OpenFlags;

use crate::destination::error::{DestinationError, is_connection_error};
use crate::destination::session::connection::Connection;
use crate::destination::session::folder::Durability;
use crate::destination::session::server::Server;
use crate::destination::transfer::lanes::{self, Lane};
use crate::destination::transfer::read_back::ReadBack;
use crate::destination::transfer::reading::REQUEST;
use crate::destination::transfer::window::Window;
use crate::destination::transfer::work_queue::{Part, WorkQueue};
use crate::destination::transfer::writing::{MODE, RemoteWriter, refused};
use crate::disk::spool::Spool;
use crate::rules::connections::Shares;
use crate::rules::listing::{Entry, Kind};
use crate::rules::units;
use crate::rules::upload_method::{FailedUpload, Method, Writing};
use crate::runtime::error_chain::with_causes;
use crate::runtime::progress::Bar;

/// Maximum number of new bytes per call of libssh2. The call returns after the first acknowledgement and is subject to the
/// session's time limit, so this many bytes must get through within `sftp.timeout_seconds`.
const STEP: usize = 8 * ONE_WRITE;
/// The most that libssh2 sends in one write (`MAX_SFTP_OUTGOING_SIZE` of its sftp.h).
const ONE_WRITE: usize = 30_000;
/// Acknowledged bytes are passed on to be read back in multiples of this.
const TO_READ_BACK: u64 = 8 * REQUEST;
const ONE_CONNECTION: &str = "the server does not let several connections use a new file; if that is so every night, \
                              sftp.connections: 1 saves their logins";
/// Time limit for removing a failed upload, in milliseconds.
const CLEAN_UP_LIMIT: u32 = 5_000;

/// An upload of an archive that may still grow. It can continue over another connection.
pub struct Upload {
    name: String,
    read_back: ReadBack,
    queue: WorkQueue<Spool>,
    method: Method,
    shares: Shares,
    in_flight: usize,
    /// Approximate size in bytes, if known.
    expected_size: Option<u64>,
    has_begun: bool,
    /// Whether several connections had the file open.
    was_shared: AtomicBool,
    /// Whether the server refused a further connection that wanted to write the file, or read it back.
    is_for_one: AtomicBool,
    /// Whether it was begun over an earlier connection, which broke. The server may have lost acknowledged data, or the whole
    /// file.
    was_resumed: AtomicBool,
    /// Whether an additional connection failed to write its share.
    has_lost_lane: AtomicBool,
    /// The durability of the complete upload.
    pub(crate) durability: Durability,
    /// About how many bytes were free when it was complete, if the server reports them.
    pub(crate) free: Option<u64>,
}

impl Upload {
    /// An upload of `spool`, of about `expected_size` bytes, to the file `name` on `server`, which has accepted a login.
    pub(crate) fn new(server: &Server, spool: &Spool, expected_size: Option<u64>, name: String) -> Upload {
        let (shares, method) = (server.shares(), server.method());
        if method.writing != Writing::SeveralConnections {
            tracing::info!("services of this kind get an archive {method}");
        }
        Upload {
            read_back: ReadBack::new(server, spool, &name),
            name,
            queue: WorkQueue::new(spool.clone(), shares.writers),
            method,
            in_flight: server.in_flight(shares.writers, shares.readers),
            shares,
            expected_size,
            has_begun: false,
            was_shared: AtomicBool::new(false),
            is_for_one: AtomicBool::new(false),
            was_resumed: AtomicBool::new(false),
            has_lost_lane: AtomicBool::new(false),
            durability: Durability::NotOffered,
            free: None,
        }
    }

    /// The temporary name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is verified of it.
    pub(crate) fn read_back(&self) -> &ReadBack {
        &self.read_back
    }

    /// The number of connections that wrote it.
    pub fn connections(&self) -> usize {
        self.queue.participants()
    }

    /// Whether another method is left after `error`, a refused or different upload. The next [`run`](Upload::run) uses it,
    /// from the beginning.
    pub(crate) fn falls_back_after(&mut self, error: &DestinationError) -> bool {
        let was_resumed = self.was_resumed.load(Ordering::SeqCst);
        let is_explained = match error {
            DestinationError::Refused { .. } => self.queue.is_open(),
            DestinationError::Different { .. } => true,
            DestinationError::Disappeared(_) => was_resumed,
            _ => false,
        };
        let was_shared = self.was_shared.load(Ordering::SeqCst);
        let had_several_writes = self.queue.ready().extent().is_ok_and(|extent| extent.written > ONE_WRITE as u64);
        let upload = FailedUpload { was_shared, was_resumed, had_several_writes };
        let Some(next) = self.method.after(upload).filter(|_| is_explained) else { return false };
        let why = with_causes(error);
        let problem = match error {
            _ if !was_resumed => format!("it failed {}", self.method),
            DestinationError::Refused { .. } => "the server does not continue an upload".to_owned(),
            _ => "the server lost data sent before the connection broke".to_owned(),
        };
        tracing::info!("sending it again {next}, because {problem}: {why}");
        if was_shared && !was_resumed {
            tracing::info!("{ONE_CONNECTION}");
        }
        self.method = next;
        self.has_begun = false;
        for flag in [&self.was_resumed, &self.was_shared, &self.has_lost_lane, &self.is_for_one] {
            flag.store(false, Ordering::SeqCst);
        }
        self.queue.start_over();
        true
    }

    /// Sends the rest over `connection`, and over additional ones if that pays off; others read back what is acknowledged.
    /// `existing` is the entry with the upload's name: one left by an earlier run is removed first, and links are never
    /// followed.
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
        // After a broken connection, everything is verified once the file is closed.
        let has_begun = std::mem::replace(&mut self.has_begun, true);
        self.read_back.start_over();
        let (mut durability, mut free) = (Durability::NotOffered, None);
        let this = &*self;
        let write = |connection: &Connection| this.write_additional(server, connection, bar);
        let read = |connection: &Connection| {
            this.was_shared.store(true, Ordering::SeqCst);
            this.read_back.read_early(connection).inspect_err(|error| this.note_refusal(error))
        };
        let writer = Lane { queue: &this.queue, work: &write };
        let reader = Lane { queue: this.read_back.acknowledged(), work: &read };
        // Until the close, an object store may show an earlier file with that name, which may have the same beginning.
        let (writers, readers) = this.additional(has_begun || existing.is_some());
        let first = || {
            let (mut writer, was_resumed) = this.open(connection, existing, has_begun)?;
            this.was_resumed.store(was_resumed, Ordering::SeqCst);
            // Additional connections may already be waiting for the file.
            this.queue.open();
            let free_before = if this.queue.high_water_mark() == 0 { writer.check_space()? } else { None };
            this.send_parts(server, &mut writer, bar)?;
            this.read_back.acknowledged().finish();
            // During the sync, so that verifying begins without a check of its connection.
            server.keeper.beat_soon();
            durability = writer.sync();
            // A request for it would cost another round trip.
            free = free_before.map(|free| free.saturating_sub(this.queue.high_water_mark()));
            let closed = writer.close();
            // All bytes are acknowledged. After a failed sync, reading them back shows whether the archive is good.
            closed.or_else(|error| if matches!(durability, Durability::Failed(_)) { Ok(()) } else { Err(error) })
        };
        let lanes = lanes::alternating((&reader, readers), (&writer, writers));
        lanes::run(server, &this.queue, &lanes, first).inspect_err(|error| {
            if !matches!(error, DestinationError::Broken { .. } | DestinationError::Interrupted(_)) {
                // The connection may be dead nevertheless, so don't wait long for this optional removal.
                let timeout = connection.session.timeout();
                connection.session.set_timeout(timeout.min(CLEAN_UP_LIMIT));
                if connection.discard(&this.name) {
                    connection.session.set_timeout(timeout);
                }
            }
        })?;
        (self.durability, self.free) = (durability, free);
        if self.is_for_one.load(Ordering::SeqCst) {
            tracing::info!("{ONE_CONNECTION}");
        }
        // After a failed sync, bytes that were acknowledged and read back from memory may be lost.
        let is_unsynced = matches!(self.durability, Durability::Failed(_));
        if is_unsynced || self.was_resumed.load(Ordering::SeqCst) || self.has_lost_lane.load(Ordering::SeqCst) {
            self.read_back.start_over();
        }
        Ok(())
    }

    /// How many additional connections write the file, and how many read it back at the same time.
    fn additional(&self, may_exist: bool) -> (u64, u64) {
        match self.method.writing {
            Writing::SeveralConnections if may_exist => (self.shares.writers - 1, 0),
            Writing::SeveralConnections => (self.shares.writers - 1, self.shares.readers),
            Writing::OneConnection | Writing::OneWrite => (0, 0),
        }
    }

    fn write_additional(&self, server: &Server, connection: &Connection, bar: &Bar) -> Result<(), DestinationError> {
        if !connection.rest_during(|| self.queue.wait_until_open()) {
            return Ok(());
        }
        self.was_shared.store(true, Ordering::SeqCst);
        let mut writer = self.reopen(connection).inspect_err(|error| self.note_refusal(error))?;
        let sent = self.send_parts(server, &mut writer, bar).and_then(|()| writer.close());
        sent.inspect_err(|error| {
            self.note_refusal(error);
            self.has_lost_lane.store(true, Ordering::SeqCst);
        })
    }

    fn note_refusal(&self, error: &DestinationError) {
        use DestinationError::{Different, Disappeared, Refused};
        if matches!(error, Refused { .. } | Different { .. } | Disappeared(_)) {
            self.is_for_one.store(true, Ordering::SeqCst);
        }
    }

    /// Opens the file for writing. Also returns whether the upload is resumed.
    fn open<'a>(
        &'a self,
        connection: &'a Connection,
        existing: Option<&Entry>,
        has_begun: bool,
    ) -> Result<(RemoteWriter<'a>, bool), DestinationError> {
        let high_water_mark = self.queue.high_water_mark();
        // As long as nothing is sent, an existing file belongs to an earlier run.
        if high_water_mark > 0
            && self.method.resumes
            && let Some(entry) = existing
            && entry.kind == Kind::File
            && entry.size.is_some_and(|size| size >= high_water_mark)
        {
            match self.reopen(connection) {
                Ok(writer) => {
                    let size = units::size(high_water_mark);
                    tracing::info!("resuming the upload; the server has parts of the first {size}");
                    return Ok((writer, true));
                }
                Err(error @ DestinationError::Refused { .. }) => {
                    tracing::info!("sending from the beginning, because the upload cannot be resumed: {error}");
                }
                Err(error) => return Err(error),
            }
        }
        self.queue.start_over();
        // Some servers refuse every removal, even of a missing file.
        let removed = if existing.is_some() { connection.remove(&self.name) } else { Ok(()) };
        if let Err(error @ DestinationError::Broken { .. }) = removed {
            return Err(error);
        }
        let create = |flag| self.open_with(connection, OpenFlags::CREATE | flag);
        let mut writer = create(OpenFlags::EXCLUSIVE);
        // It was not removed, or not listed. A regular file can be overwritten; a link could lead anywhere.
        if writer.as_ref().is_err_and(|error| !is_connection_error(error))
            && connection.lookup(&self.name)?.is_some_and(|entry| entry.kind == Kind::File)
        {
            writer = create(OpenFlags::TRUNCATE);
        }
        // The server may still execute requests of a broken connection, even a removal.
        writer.map(|writer| (writer, has_begun)).map_err(|error| {
            let failed = connection.create_failed(&self.name, self.expected_size, error);
            match removed.err().unwrap_or(failed) {
                // It may not have noticed yet that the earlier connection broke.
                error @ DestinationError::Refused { .. } if has_begun => {
                    let during = format!("while {:?} was open, which may be why it cannot be created again", self.name);
                    connection.broken(during, io::Error::other(error))
                }
                error => error,
            }
        })
    }

    fn reopen<'a>(&'a self, connection: &'a Connection) -> Result<RemoteWriter<'a>, DestinationError> {
        self.open_with(connection, OpenFlags::empty()).map_err(|error| {
            let what = format!("to reopen {:?}", self.name);
            refused(connection, (&self.name, self.expected_size), &what, error)
        })
    }

    fn open_with<'a>(&'a self, connection: &'a Connection, flags: OpenFlags) -> Result<RemoteWriter<'a>, ssh2::Error> {
        RemoteWriter::open(connection, &self.name, flags, (self.expected_size, MODE))
    }

    fn send_parts(&self, server: &Server, writer: &mut RemoteWriter<'_>, bar: &Bar) -> Result<(), DestinationError> {
        let in_flight = match self.method.writing {
            Writing::SeveralConnections | Writing::OneConnection => self.in_flight,
            Writing::OneWrite => ONE_WRITE,
        };
        let mut window = Window::new(in_flight);
        while let Some(mut part) = writer.connection.rest_during(|| self.queue.take())? {
            self.send(server, writer, (&mut part, &mut window), bar)?;
        }
        Ok(())
    }

    fn send(
        &self,
        server: &Server,
        writer: &mut RemoteWriter<'_>,
        (part, window): (&mut Part<'_, Spool>, &mut Window),
        bar: &Bar,
    ) -> Result<(), DestinationError> {
        let (spool, connection) = (self.queue.ready(), writer.connection);
        let limit = server.rate_limit.as_deref();
        let step = limit.map_or(STEP, |limit| limit.piece().min(STEP));
        let (mut position, mut to_read_back) = (part.start(), part.start());
        writer.seek(position)?;
        loop {
            connection.interrupt.check()?;
            if self.queue.is_stopped() {
                return Ok(());
            }
            let left = usize::try_from(part.end() - position).unwrap_or(usize::MAX);
            let count = spool.read_at(window.space(left.min(step)), position).map_err(DestinationError::Spool)?;
            if let Some(limit) = limit {
                limit.wait(count, &connection.interrupt)?;
            }
            window.add(count);
            position += count as u64;
            let is_idle = window.in_flight().is_empty();
            let acknowledged = part.start() - to_read_back;
            let ready = if is_idle { acknowledged } else { acknowledged - acknowledged % TO_READ_BACK };
            if ready > 0 {
                self.read_back.acknowledged().add(to_read_back..to_read_back + ready);
                to_read_back += ready;
            }
            if is_idle {
                if position < part.end() && connection.rest_during(|| part.wait_for(position))? {
                    continue;
                }
                return Ok(());
            }
            let count = writer.write(window.in_flight())?;
            window.acknowledge(count);
            part.advance(count as u64);
            bar.advance(count);
        }
    }
}
