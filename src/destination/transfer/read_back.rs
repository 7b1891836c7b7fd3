//! Verifies a file on the server: reads all of it back and compares it with the archive.
//!
//! Parts of it may be verified while the archive is still being sent. That can only confirm them: whatever is not confirmed
//! by then is read once the file is closed.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rangemap::RangeSet;

use crate::destination::error::{DestinationError, is_missing};
use crate::destination::session::connection::Connection;
use crate::destination::session::folder::Durability;
use crate::destination::session::server::Server;
use crate::destination::transfer::lanes::{self, Lane};
use crate::destination::transfer::reading::RemoteReader;
use crate::destination::transfer::work_queue::WorkQueue;
use crate::disk::spool::Spool;
use crate::rules::connections::extra_for_size;
use crate::rules::listing::Kind;
use crate::runtime::progress::Bar;

/// How many bytes at both ends of a file are read again once it is closed.
const EDGE: u64 = 64 * 1024;
/// Whenever a connection has verified this many bytes early, it asks the server to sync the file, so that little is left to sync
/// at the end.
const SYNC_INTERVAL: usize = 32 * 1024 * 1024;

/// Compares a file on the server with an archive. It can continue over another connection.
pub(crate) struct ReadBack {
    name: String,
    spool: Spool,
    connections: u64,
    in_flight: usize,
    /// The bytes that the server has acknowledged and that are not verified.
    acknowledged: WorkQueue<Spool>,
    verified: Mutex<RangeSet<u64>>,
}

impl ReadBack {
    /// A comparison of the file `name` with `spool`.
    pub(crate) fn new(server: &Server, spool: &Spool, name: &str) -> ReadBack {
        let connections = server.connections();
        ReadBack {
            name: name.to_owned(),
            spool: spool.clone(),
            connections,
            in_flight: server.in_flight(0, connections),
            acknowledged: WorkQueue::fed(spool.clone(), connections),
            verified: Mutex::default(),
        }
    }

    /// The queue for [`read_early`](ReadBack::read_early). The upload adds what the server acknowledges.
    pub(crate) fn acknowledged(&self) -> &WorkQueue<Spool> {
        &self.acknowledged
    }

    /// Forgets what is verified.
    pub(crate) fn start_over(&mut self) {
        self.acknowledged = WorkQueue::fed(self.spool.clone(), self.connections);
        self.forget();
    }

    pub(crate) fn forget(&self) {
        self.verified().clear();
    }

    /// Verifies acknowledged bytes over a `connection` that does not write the file, until the upload is done.
    ///
    /// # Errors
    /// If the connection breaks. Or if the server does not show the file as it was written, perhaps because it is not closed:
    /// this ends all early reading.
    pub(crate) fn read_early(&self, connection: &Connection) -> Result<(), DestinationError> {
        let (mut unsynced, mut can_sync) = (0, true);
        let sync = |reader: &mut RemoteReader<'_>, count| {
            unsynced += count;
            if can_sync && unsynced >= SYNC_INTERVAL {
                // The upload's own sync decides whether the file is on the disk.
                (unsynced, can_sync) = (0, reader.sync() == Durability::Synced);
            }
        };
        let read = self.open(connection).and_then(|mut reader| self.read_parts(&self.acknowledged, &mut reader, sync));
        read.inspect_err(|error| {
            if !matches!(error, DestinationError::Broken { .. }) {
                self.acknowledged.stop();
            }
        })
    }

    /// Verifies the closed file: its size, both ends, and all bytes that are not verified. Uses `connection`, and additional
    /// ones if that pays off. Waits until the spool is complete.
    ///
    /// # Errors
    /// [`DestinationError::Different`] if the content differs, [`DestinationError::Disappeared`] if the file is not there;
    /// others if the archive is abandoned, or the server or the connection fails.
    pub(crate) fn run(&self, server: &Server, connection: &Connection, bar: &Bar) -> Result<(), DestinationError> {
        let complete = connection.rest_during(|| self.spool.wait_until_complete());
        let expected = complete.map_err(DestinationError::Spool)?.size;
        let size = match connection.lookup(&self.name)? {
            None => return Err(DestinationError::Disappeared(self.name.clone())),
            Some(entry) if entry.kind != Kind::File => return Err(DestinationError::NotAFile(self.name.clone())),
            Some(entry) => entry.size,
        };
        if let Some(size) = size.filter(|size| *size != expected) {
            return Err(self.different(&format!("it has {size} bytes instead of {expected}")));
        }
        let queue = WorkQueue::fed(self.spool.clone(), self.connections);
        let gaps: Vec<Range<u64>> = self.verified().gaps(&(0..expected)).collect();
        let unverified = gaps.iter().map(|range| range.end - range.start).sum();
        let edges = [0..EDGE.min(expected), expected.saturating_sub(EDGE)..expected];
        for range in gaps.into_iter().chain(edges).filter(|range| !range.is_empty()) {
            queue.add(range);
        }
        queue.finish();
        let advance = |_: &mut RemoteReader<'_>, count| bar.advance(count);
        let read = |connection: &Connection| self.read_parts(&queue, &mut self.open(connection)?, advance);
        let lane = Lane { queue: &queue, work: &read };
        let additional = extra_for_size(unverified).min(self.connections - 1);
        lanes::run(server, &queue, &vec![&lane; additional as usize], || read(connection))?;
        // Some servers do not report sizes.
        if size.is_none() {
            let mut reader = self.open(connection)?;
            reader.seek(expected)?;
            if !reader.read(1)?.is_empty() {
                return Err(self.different(&format!("it has more than {expected} bytes")));
            }
        }
        Ok(())
    }

    /// Calls `verified` after each read with the number of its bytes.
    fn read_parts(
        &self,
        queue: &WorkQueue<Spool>,
        reader: &mut RemoteReader<'_>,
        mut verified: impl FnMut(&mut RemoteReader<'_>, usize),
    ) -> Result<(), DestinationError> {
        let mut expected = Vec::new();
        while let Some(mut part) = reader.connection().rest_during(|| queue.take())? {
            reader.seek(part.start())?;
            while part.start() < part.end() && !queue.is_stopped() {
                let bytes = reader.read(part.end() - part.start())?;
                self.compare(bytes, part.start(), &mut expected)?;
                let count = bytes.len();
                part.advance(count as u64);
                verified(reader, count);
                // While the rest is on its way, what follows can be requested.
                if reader.ends_exactly_at(part.end()) {
                    part.extend();
                }
            }
        }
        Ok(())
    }

    /// Compares `bytes`, which the file has from `position` on, with the archive; `expected` is a buffer.
    fn compare(&self, bytes: &[u8], position: u64, expected: &mut Vec<u8>) -> Result<(), DestinationError> {
        if bytes.is_empty() {
            return Err(self.different(&format!("it ends after {position} bytes")));
        }
        expected.resize(bytes.len(), 0);
        self.spool.read_exact_at(expected, position).map_err(DestinationError::Spool)?;
        if bytes != expected {
            let equal = bytes.iter().zip(&*expected).take_while(|(byte, expected)| byte == expected).count();
            let first = position + equal as u64;
            return Err(self.different(&format!("it has the right size but different bytes, from byte {first} on")));
        }
        self.verified().insert(position..position + bytes.len() as u64);
        Ok(())
    }

    fn open<'b>(&'b self, connection: &'b Connection) -> Result<RemoteReader<'b>, DestinationError> {
        RemoteReader::open(connection, &self.name, self.in_flight).map_err(|error| {
            if is_missing(&error) {
                return DestinationError::Disappeared(self.name.clone());
            }
            connection.failed(&format!("to open {:?}", self.name), error)
        })
    }

    fn different(&self, difference: &str) -> DestinationError {
        DestinationError::Different { name: self.name.clone(), difference: difference.to_owned() }
    }

    fn verified(&self) -> MutexGuard<'_, RangeSet<u64>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
