//! Downloads a file from the server while it is read in order.

use std::io::Read;
use std::thread;

use crate::destination::error::DestinationError;
use crate::destination::session::connection::Connection;
use crate::destination::session::server::Server;
use crate::destination::transfer::lanes::{self, Lane};
use crate::destination::transfer::reading::RemoteReader;
use crate::destination::transfer::reorder_buffer::ReorderBuffer;
use crate::destination::transfer::work_queue::{Part, WorkQueue};
use crate::rules::listing::{Entry, Kind};
use crate::runtime::progress::{Bar, Progress};
use crate::runtime::worker::{inherit, propagate_panic};

pub struct Fetched<T> {
    /// The consumer's result.
    pub value: T,
    /// An open connection; `None` if it broke at the end.
    pub connection: Option<Connection>,
    pub connections: usize,
}

/// Fetches the listed `file` over the connection `first` while `consume` reads it from the beginning. Large files are fetched
/// over several connections if that pays off. After a broken connection, the rest is fetched over another one. Stops when
/// `consume` returns. Keeps up to 32 MiB in memory (8 MiB per connection if there are more than four) and uses no disk.
/// `progress` shows a bar with `label`.
///
/// # Errors
/// If the server or the connection fails, the run is interrupted, or the file changes during the fetch. `consume` then gets a
/// read error, unless it has already returned.
pub fn fetch<T: Send>(
    server: &Server,
    first: Connection,
    file: &Entry,
    (progress, label): (&Progress, &'static str),
    consume: impl FnOnce(&mut dyn Read) -> T + Send,
) -> Result<Fetched<T>, DestinationError> {
    let size = file.size.ok_or_else(|| DestinationError::NoSize(file.name.clone()))?;
    let connections = server.connections();
    let buffer = ReorderBuffer::new(size, connections);
    let fetch = Fetch {
        file,
        connections,
        in_flight: server.in_flight(0, connections),
        buffer: &buffer,
        queue: WorkQueue::new(&buffer, connections),
    };
    let bar = progress.bar(label, Some(size));
    thread::scope(|scope| {
        let mut reader = buffer.reader();
        let consumer = scope.spawn(inherit(move || consume(&mut reader)));
        let what = format!("reading {:?} back", file.name);
        let fetched = server.with_connection(&what, Some(first), |connection| fetch.run(server, connection, &bar));
        // If the consumer has already returned, an error no longer matters.
        let has_returned = buffer.is_reader_gone();
        server.pool.clear();
        if fetched.is_err() {
            buffer.fail();
        }
        let value = propagate_panic(consumer.join());
        match fetched {
            Err(error) if !has_returned => Err(error),
            other => {
                let connection = other.ok().map(|((), connection)| connection);
                // If the file was overwritten during the fetch, old and new bytes may be mixed.
                connection.as_ref().map_or(Ok(()), |connection| fetch.check_unchanged(connection))?;
                Ok(Fetched { value, connection, connections: fetch.queue.participants() })
            }
        }
    })
}

struct Fetch<'a> {
    file: &'a Entry,
    connections: u64,
    in_flight: usize,
    buffer: &'a ReorderBuffer,
    queue: WorkQueue<&'a ReorderBuffer>,
}

impl Fetch<'_> {
    /// Fetches the rest over `connection`, and over additional ones if that pays off.
    fn run(&self, server: &Server, connection: &Connection, bar: &Bar) -> Result<(), DestinationError> {
        self.check_unchanged(connection)?;
        if self.queue.high_water_mark() > 0 {
            tracing::info!("resuming the transfer of {:?}: requesting only the missing parts", self.file.name);
        }
        let transfer = |connection: &Connection| self.read_parts(&mut self.open(connection)?, bar);
        let lane = Lane { queue: &self.queue, work: &transfer };
        lanes::run(server, &self.queue, &vec![&lane; self.connections as usize - 1], || transfer(connection))
    }

    /// Checks that the file still matches its listed entry.
    fn check_unchanged(&self, connection: &Connection) -> Result<(), DestinationError> {
        match connection.lookup(&self.file.name)? {
            None => Err(self.changed("is gone")),
            Some(entry) if entry.kind != Kind::File => Err(DestinationError::NotAFile(entry.name)),
            Some(entry) if entry.size != self.file.size || entry.modified != self.file.modified => {
                Err(self.changed("has changed"))
            }
            Some(_) => Ok(()),
        }
    }

    /// Fetches parts until none are left or the consumer has returned.
    fn read_parts(&self, reader: &mut RemoteReader<'_>, bar: &Bar) -> Result<(), DestinationError> {
        while let Some(mut part) = reader.connection().rest_during(|| self.queue.take())?
            && !self.buffer.is_reader_gone()
        {
            self.read_part(reader, &mut part, bar)?;
        }
        Ok(())
    }

    /// Fetches as much of `part` as the buffer has space for. The rest returns to the queue: the consumer may be waiting for
    /// an earlier part, so a connection must be free to fetch it.
    fn read_part(
        &self,
        reader: &mut RemoteReader<'_>,
        part: &mut Part<'_, &ReorderBuffer>,
        bar: &Bar,
    ) -> Result<(), DestinationError> {
        let end = part.end().min(self.buffer.limit());
        reader.seek(part.start())?;
        while part.start() < end && !self.queue.is_stopped() && !self.buffer.is_reader_gone() {
            let bytes = reader.read(end - part.start())?;
            if bytes.is_empty() {
                return Err(self.changed("has become shorter"));
            }
            self.buffer.put(part.start(), bytes);
            part.advance(bytes.len() as u64);
            bar.advance(bytes.len());
        }
        Ok(())
    }

    fn open<'b>(&'b self, connection: &'b Connection) -> Result<RemoteReader<'b>, DestinationError> {
        RemoteReader::open(connection, &self.file.name, self.in_flight)
            .map_err(|error| connection.failed(&format!("to open {:?}", self.file.name), error))
    }

    fn changed(&self, how: &'static str) -> DestinationError {
        DestinationError::Changed { name: self.file.name.clone(), how }
    }
}
