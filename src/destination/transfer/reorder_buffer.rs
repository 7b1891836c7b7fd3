//! Puts the pieces of a download, which arrive in any order, into the order of the file.
//!
//! Pieces are kept in memory, which is bounded by limiting how far connections can be ahead of the reader.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::destination::transfer::work_queue::Ready;
use crate::disk::spool::Extent;
use crate::rules::connections::MIB;

/// How many bytes connections may be ahead of the reader: enough for long parts.
const MAX_AHEAD: u64 = 32 * MIB;
/// The same per connection, for many connections: enough to wait for the slowest one.
const MAX_AHEAD_PER_CONNECTION: u64 = 8 * MIB;
/// The limit advances in steps of this many bytes, so that parts are not too short.
const STEP: u64 = 4 * MIB;

#[derive(Debug)]
pub(crate) struct ReorderBuffer {
    size: u64,
    max_ahead: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Unread pieces by their offset.
    pieces: BTreeMap<u64, Vec<u8>>,
    /// Number of bytes read.
    read: u64,
    has_failed: bool,
    is_reader_gone: bool,
}

/// The reading side. Dropping it stops the download.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    buffer: &'a ReorderBuffer,
    piece: io::Cursor<Vec<u8>>,
}

impl ReorderBuffer {
    /// A buffer for a file of `size` bytes and up to `connections` connections.
    pub(crate) fn new(size: u64, connections: u64) -> ReorderBuffer {
        ReorderBuffer {
            size,
            max_ahead: (MAX_AHEAD_PER_CONNECTION * connections).max(MAX_AHEAD),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Offset up to which the buffer currently has space.
    pub(crate) fn limit(&self) -> u64 {
        self.extent(&self.state()).written
    }

    /// Adds `bytes` at offset `position`. No byte may be added twice.
    pub(crate) fn put(&self, position: u64, bytes: &[u8]) {
        self.state().pieces.insert(position, bytes.to_vec());
        self.changed.notify_all();
    }

    /// Makes the reader fail, because no more bytes will arrive.
    pub(crate) fn fail(&self) {
        self.state().has_failed = true;
        self.changed.notify_all();
    }

    pub(crate) fn is_reader_gone(&self) -> bool {
        self.state().is_reader_gone
    }

    /// The reader. Only one can be used.
    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader { buffer: self, piece: io::Cursor::default() }
    }

    fn extent(&self, state: &State) -> Extent {
        let limit = state.read / STEP * STEP + self.max_ahead;
        // Connections that wait for space must notice when the reader is dropped.
        let is_complete = limit >= self.size || state.is_reader_gone;
        Extent { written: if is_complete { self.size } else { limit }, is_complete }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, mut is_waiting: impl FnMut(&State) -> bool) -> MutexGuard<'_, State> {
        let mut state = self.state();
        while is_waiting(&state) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }
}

impl Ready for &ReorderBuffer {
    fn wait_until(&self, mut is_met: impl FnMut(Extent) -> bool) -> io::Result<Extent> {
        let state = self.wait_while(|state| !is_met(self.extent(state)));
        Ok(self.extent(&state))
    }

    fn nudge(&self) {
        // A thread between its check and its wait holds the lock.
        drop(self.state());
        self.changed.notify_all();
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.position() == self.piece.get_ref().len() as u64 {
            let buffer = self.buffer;
            let mut state = buffer.wait_while(|state| {
                state.read < buffer.size && !state.pieces.contains_key(&state.read) && !state.has_failed
            });
            let position = state.read;
            match state.pieces.remove(&position) {
                Some(piece) => {
                    state.read += piece.len() as u64;
                    self.piece = io::Cursor::new(piece);
                }
                None if position < buffer.size => return Err(io::Error::other("the rest of the file has not arrived")),
                None => return Ok(0),
            }
            drop(state);
            buffer.changed.notify_all();
        }
        self.piece.read(buffer)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut state = self.buffer.state();
        state.is_reader_gone = true;
        state.pieces.clear();
        drop(state);
        self.buffer.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::destination::transfer::work_queue::WorkQueue;

    #[test]
    fn pieces_in_any_order_are_read_in_order() {
        let buffer = ReorderBuffer::new(9, 2);
        thread::scope(|scope| {
            let reading = scope.spawn(|| {
                let mut text = String::new();
                buffer.reader().read_to_string(&mut text).map(|_| text)
            });
            for (position, text) in [(6, "ree"), (3, "two"), (0, "one")] {
                buffer.put(position, text.as_bytes());
            }
            assert_eq!(reading.join().unwrap().unwrap(), "onetworee");
        });
        assert!(buffer.is_reader_gone());
    }

    #[test]
    fn the_distance_to_the_reader_is_limited() {
        let buffer = ReorderBuffer::new(1 << 40, 1);
        let mut reader = buffer.reader();
        assert_eq!(buffer.limit(), MAX_AHEAD);
        for piece in 0..8 {
            buffer.put(piece * MIB, &vec![0; MIB as usize]);
        }
        reader.read_exact(&mut vec![0; STEP as usize - 1]).unwrap();
        assert_eq!(buffer.limit(), MAX_AHEAD + STEP, "the current piece does not count");
        reader.read_exact(&mut [0; 2]).unwrap();
        assert_eq!(buffer.limit(), MAX_AHEAD + STEP);
        assert_eq!(ReorderBuffer::new(1 << 40, 8).limit(), 64 * MIB);
    }

    #[test]
    fn a_failure_or_a_dropped_reader_ends_all_waits() {
        let buffer = ReorderBuffer::new(1 << 40, 1);
        let queue = WorkQueue::new(&buffer, 1);
        thread::scope(|scope| {
            let reader = buffer.reader();
            let reading = scope.spawn(|| {
                let mut reader = reader;
                reader.read(&mut [0]).is_err()
            });
            buffer.fail();
            assert!(reading.join().unwrap());
            assert!(queue.wait_for_size(1 << 39) && buffer.is_reader_gone());
        });
    }
}
