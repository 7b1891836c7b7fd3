//! A file that is fetched from the server and read in order as it arrives.

use std::io::Read;
use std::thread;

use crate::destination::error::DestinationError;
use crate::destination::session::connection::Connection;
use crate::destination::session::server::Server;
use crate::destination::transfer::lanes;
use crate::destination::transfer::reading::Reading;
use crate::destination::transfer::reorder_buffer::ReorderBuffer;
use crate::destination::transfer::work_queue::{Part, WorkQueue};
use crate::rules::listing::{Entry, Kind};
use crate::runtime::progress::{Bar, Progress};
use crate::runtime::worker::propagate_panic;

/// The result of a fetch.
pub struct Fetched<T> {
    /// What the consumer returned.
    pub value: T,
    /// A connection for more work, unless the link broke at the end.
    pub connection: Option<Connection>,
    /// How many connections took part.
    pub connections: usize,
}

/// Fetches `file`, as it was listed, over the connection `first`, while `consume` reads it from the beginning. Large files
/// are fetched over several connections if that is worth it; if the link breaks, the rest is fetched over another one. What
/// `consume` does not read is not fetched. Up to 32 MiB are in memory (8 MiB per connection if there are more than four),
/// nothing is written to a disk. `progress` shows a bar with `label`.
///
/// # Errors
/// If the server or the link fails, the run is interrupted, or the file changes during the fetch. Then reading has failed for
/// `consume` too, unless it had already finished.
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
    let fetch = Fetch { file, connections, buffer: &buffer, queue: WorkQueue::new(&buffer, connections) };
    let bar = progress.bar(label, Some(size));
    thread::scope(|scope| {
        let mut reader = buffer.reader();
        let consumer = scope.spawn(move || consume(&mut reader));
        let what = format!("reading {:?} back", file.name);
        let fetched = server.with_connection(&what, Some(first), |connection| fetch.run(server, connection, &bar));
        // A consumer that has already finished needs no more.
        let was_unwanted = buffer.is_unwanted();
        if fetched.is_err() {
            buffer.fail();
        }
        let value = propagate_panic(consumer.join());
        match fetched {
            Err(error) if !was_unwanted => Err(error),
            other => {
                let connection = other.ok().map(|((), it)| it);
                // If the file was written during the fetch, the bytes may be half old and half new.
                connection.as_ref().map_or(Ok(()), |connection| fetch.check_unchanged(connection))?;
                Ok(Fetched { value, connection, connections: fetch.queue.participants() })
            }
        }
    })
}

struct Fetch<'a> {
    file: &'a Entry,
    connections: u64,
    buffer: &'a ReorderBuffer,
    queue: WorkQueue<&'a ReorderBuffer>,
}

impl Fetch<'_> {
    /// Fetches the rest over `connection`, and over further ones if that is worth it.
    fn run(&self, server: &Server, connection: &Connection, bar: &Bar) -> Result<(), DestinationError> {
        self.check_unchanged(connection)?;
        if self.queue.reach() > 0 {
            tracing::info!("{:?}: only what has not arrived yet is requested again", self.file.name);
        }
        let lane = |connection: &Connection| self.read_parts(&mut self.open(connection)?, bar);
        lanes::run(server, &self.queue, || lane(connection), lane)
    }

    /// Checks that it is still the file that was listed.
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

    /// Fetches parts until there are no more, or the consumer has finished.
    fn read_parts(&self, file: &mut Reading<'_>, bar: &Bar) -> Result<(), DestinationError> {
        while let Some(mut part) = self.queue.take()?
            && !self.buffer.is_unwanted()
        {
            self.read_part(file, &mut part, bar)?;
        }
        Ok(())
    }

    /// Fetches as much of `part` as the buffer has space for. The rest returns to the queue: the consumer may be waiting for
    /// an earlier part, which a connection must be free to fetch.
    fn read_part(
        &self,
        file: &mut Reading<'_>,
        part: &mut Part<'_, &ReorderBuffer>,
        bar: &Bar,
    ) -> Result<(), DestinationError> {
        let range = part.start()..part.end().min(self.buffer.limit());
        let end = file.read(range, bar, |bytes| {
            self.buffer.put(part.start(), bytes);
            part.advance(bytes.len() as u64);
            Ok(!self.queue.is_stopped() && !self.buffer.is_unwanted())
        })?;
        end.map_or(Ok(()), |_| Err(self.changed("has become shorter")))
    }

    fn open<'b>(&'b self, connection: &'b Connection) -> Result<Reading<'b>, DestinationError> {
        Reading::open(connection, &self.file.name, self.connections)
            .map_err(|error| connection.failed(&format!("to open {:?}", self.file.name), error))
    }

    fn changed(&self, how: &'static str) -> DestinationError {
        DestinationError::Changed { name: self.file.name.clone(), how }
    }
}
