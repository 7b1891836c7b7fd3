//! A file on its way from the server, read in order by whoever wants it while it comes.

use std::io::Read;
use std::panic;
use std::thread;

use crate::destination::error::DestinationError;
use crate::destination::session::connection::{Connection, Server};
use crate::destination::transfer::lanes;
use crate::destination::transfer::parts::{Part, Parts};
use crate::destination::transfer::reading::{End, Reading};
use crate::destination::transfer::reorder_buffer::Incoming;
use crate::rules::listing::{Entry, Kind};
use crate::runtime::progress::Bar;

/// What has come of a fetch.
pub struct Fetched<T> {
    /// What became of the bytes.
    pub value: T,
    /// A connection for more, unless the link broke at last.
    pub connection: Option<Connection>,
    /// How many connections took part.
    pub connections: usize,
}

/// Fetches `file`, as a listing shows it, beginning over the connection `first`, while `consume` reads it from its
/// beginning. Large files come over several connections where that is worth it; where the link breaks, the rest comes
/// over another one. What `consume` leaves unread is not fetched to its end. Of the bytes, some 32 MiB at the most are
/// in memory, 8 MiB for each connection where there are more than four, and none on a disk.
///
/// # Errors
/// If the server or the link fails, the run is told to end, or the file changes meanwhile: then `consume` was told that
/// reading failed, if it had not come to its end by then.
pub fn fetch<T: Send>(
    server: &Server,
    first: Connection,
    file: &Entry,
    bar: &Bar,
    consume: impl FnOnce(&mut dyn Read) -> T + Send,
) -> Result<Fetched<T>, DestinationError> {
    let size = file.size.ok_or_else(|| DestinationError::NoSize(file.name.clone()))?;
    let connections = server.connections();
    let incoming = Incoming::new(size, connections);
    let fetch = Fetch { file, connections, incoming: &incoming, parts: Parts::new(&incoming, connections) };
    thread::scope(|scope| {
        let mut reader = incoming.reader();
        let consumer = scope.spawn(move || consume(&mut reader));
        let what = format!("reading {:?} back", file.name);
        let fetched = server.with_connection(&what, Some(first), |connection| fetch.run(server, connection, bar));
        // Who has come to an end by now needs no more.
        let was_unwanted = incoming.is_unwanted();
        if fetched.is_err() {
            incoming.fail();
        }
        let value = consumer.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked));
        match fetched {
            Err(error) if !was_unwanted => Err(error),
            other => {
                let connection = other.ok().map(|((), it)| it);
                // What was written meanwhile may have been read half old and half new.
                connection.as_ref().map_or(Ok(()), |connection| fetch.check_unchanged(connection))?;
                Ok(Fetched { value, connection, connections: fetch.parts.at_work() })
            }
        }
    })
}

struct Fetch<'a> {
    file: &'a Entry,
    connections: u64,
    incoming: &'a Incoming,
    parts: Parts<&'a Incoming>,
}

impl Fetch<'_> {
    /// Fetches what is left of it over `connection`, and over further ones where that is worth it.
    fn run(&self, server: &Server, connection: &Connection, bar: &Bar) -> Result<(), DestinationError> {
        self.check_unchanged(connection)?;
        if self.parts.reach() > 0 {
            tracing::info!("{:?}: only what has not come yet is asked for again", self.file.name);
        }
        let lane = |connection: &Connection| self.read_parts(&mut self.open(connection)?, bar);
        lanes::run(server, &self.parts, || lane(connection), lane)
    }

    /// Whether it is still the file that the listing showed.
    fn check_unchanged(&self, connection: &Connection) -> Result<(), DestinationError> {
        match connection.look(&self.file.name)? {
            None => Err(self.changed("is gone")),
            Some(entry) if entry.kind != Kind::File => Err(DestinationError::NotAFile(entry.name)),
            Some(entry) if entry.size != self.file.size || entry.modified != self.file.modified => {
                Err(self.changed("has changed"))
            }
            Some(_) => Ok(()),
        }
    }

    /// Takes parts and fetches them, until there are no more, or nobody wants them.
    fn read_parts(&self, file: &mut Reading<'_>, bar: &Bar) -> Result<(), DestinationError> {
        while let Some(mut part) = self.parts.take()?
            && !self.incoming.is_unwanted()
        {
            self.read_part(file, &mut part, bar)?;
        }
        Ok(())
    }

    /// Fetches as much of `part` as there is room for. The rest goes back: what who reads waits for comes first, and
    /// somebody must be there to fetch it.
    fn read_part(
        &self,
        file: &mut Reading<'_>,
        part: &mut Part<'_, &Incoming>,
        bar: &Bar,
    ) -> Result<(), DestinationError> {
        let range = part.start()..part.end().min(self.incoming.room());
        let end = file.read(range, bar, |bytes| {
            self.incoming.put(part.start(), bytes);
            part.advance(bytes.len() as u64);
            Ok(!self.parts.is_stopped() && !self.incoming.is_unwanted())
        })?;
        match end {
            End::Wanted => Ok(()),
            End::OfFile(_) => Err(self.changed("has become shorter")),
        }
    }

    fn open<'b>(&'b self, connection: &'b Connection) -> Result<Reading<'b>, DestinationError> {
        Reading::open(connection, &self.file.name, self.connections)
            .map_err(|error| connection.failed(&format!("to open {:?}", self.file.name), error))
    }

    fn changed(&self, how: &'static str) -> DestinationError {
        DestinationError::Changed { name: self.file.name.clone(), how }
    }
}
