//! What has come of a file that is being fetched: pieces in memory, which come in any order and are read in theirs.
//!
//! Nothing of it touches a disk. Connections may be only so far ahead of who reads, which bounds the memory.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::destination::transfer::parts::Ready;
use crate::disk::spool::{BLOCK, Extent};

/// How far one connection may be ahead of who reads, in bytes: far enough for long parts.
const AHEAD: u64 = 32 * BLOCK;
/// Several connections need this much each, to take parts and to wait for who is slowest.
const AHEAD_PER_CONNECTION: u64 = 8 * BLOCK;
/// Room is given in steps, as a part for each byte that is read would be a short one.
const STEP: u64 = 4 * BLOCK;

/// The pieces of a file.
#[derive(Debug)]
pub(crate) struct Incoming {
    size: u64,
    ahead: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// What has come and is not read yet, by where it begins.
    pieces: BTreeMap<u64, Vec<u8>>,
    /// How far it is read.
    read: u64,
    /// No more will come.
    has_failed: bool,
    /// Nobody reads any more.
    is_unwanted: bool,
}

/// Who reads. Nothing more is wanted when it is dropped.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    incoming: &'a Incoming,
    /// What is read next, from a piece that was taken out.
    piece: io::Cursor<Vec<u8>>,
}

impl Incoming {
    /// Nothing yet of a file of `size` bytes, for so many `connections`.
    pub(crate) fn new(size: u64, connections: u64) -> Incoming {
        Incoming {
            size,
            ahead: (AHEAD_PER_CONNECTION * connections).max(AHEAD),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Where the room ends that there is now.
    pub(crate) fn room(&self) -> u64 {
        self.room_of(&self.state()).written
    }

    /// `bytes` have come, which begin at `position`. No byte may come twice.
    pub(crate) fn put(&self, position: u64, bytes: &[u8]) {
        self.state().pieces.insert(position, bytes.to_vec());
        self.changed.notify_all();
    }

    /// Nothing more will come: reading on fails.
    pub(crate) fn fail(&self) {
        self.state().has_failed = true;
        self.changed.notify_all();
    }

    /// Whether nobody reads any more.
    pub(crate) fn is_unwanted(&self) -> bool {
        self.state().is_unwanted
    }

    /// Reads it from its beginning; there can be one reader.
    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader { incoming: self, piece: io::Cursor::default() }
    }

    fn room_of(&self, state: &State) -> Extent {
        let room = state.read / STEP * STEP + self.ahead;
        // Whoever waits for room is to look whether anything is wanted.
        let is_complete = room >= self.size || state.is_unwanted;
        Extent { written: if is_complete { self.size } else { room }, is_complete }
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

/// Ready to cross the link is what there is room for.
impl Ready for &Incoming {
    fn wait_until(&self, mut is_met: impl FnMut(Extent) -> bool) -> io::Result<Extent> {
        let state = self.wait_while(|state| !is_met(self.room_of(state)));
        Ok(self.room_of(&state))
    }

    fn nudge(&self) {
        // Whoever has looked and does not wait yet holds the lock.
        drop(self.state());
        self.changed.notify_all();
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.position() == self.piece.get_ref().len() as u64 {
            let incoming = self.incoming;
            let mut state = incoming.wait_while(|state| {
                state.read < incoming.size && !state.pieces.contains_key(&state.read) && !state.has_failed
            });
            let position = state.read;
            match state.pieces.remove(&position) {
                Some(piece) => {
                    state.read += piece.len() as u64;
                    self.piece = io::Cursor::new(piece);
                }
                None if position < incoming.size => return Err(io::Error::other("no more of it has come")),
                None => return Ok(0),
            }
            drop(state);
            incoming.changed.notify_all();
        }
        self.piece.read(buffer)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut state = self.incoming.state();
        state.is_unwanted = true;
        state.pieces.clear();
        drop(state);
        self.incoming.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::destination::transfer::parts::Parts;

    #[test]
    fn pieces_that_come_in_any_order_are_read_in_theirs() {
        let incoming = Incoming::new(9, 2);
        thread::scope(|scope| {
            let reading = scope.spawn(|| {
                let mut text = String::new();
                incoming.reader().read_to_string(&mut text).map(|_| text)
            });
            for (position, text) in [(6, "ree"), (3, "two"), (0, "one")] {
                incoming.put(position, text.as_bytes());
            }
            assert_eq!(reading.join().unwrap().unwrap(), "onetworee");
        });
        assert!(incoming.is_unwanted());
    }

    #[test]
    fn no_connection_is_further_ahead_than_there_is_room() {
        let incoming = Incoming::new(1 << 40, 1);
        let mut reader = incoming.reader();
        assert_eq!(incoming.room(), AHEAD);
        for piece in 0..8 {
            incoming.put(piece * BLOCK, &vec![0; BLOCK as usize]);
        }
        reader.read_exact(&mut vec![0; STEP as usize - 1]).unwrap();
        assert_eq!(incoming.room(), AHEAD + STEP, "a piece that is begun is out of the store");
        reader.read_exact(&mut [0; 2]).unwrap();
        assert_eq!(incoming.room(), AHEAD + STEP);
        assert_eq!(Incoming::new(1 << 40, 8).room(), 64 * BLOCK);
    }

    #[test]
    fn a_fetch_that_failed_or_is_unwanted_leaves_nobody_waiting() {
        let incoming = Incoming::new(1 << 40, 1);
        let parts = Parts::new(&incoming, 1);
        thread::scope(|scope| {
            let reader = incoming.reader();
            let reading = scope.spawn(|| {
                let mut reader = reader;
                reader.read(&mut [0]).is_err()
            });
            incoming.fail();
            assert!(reading.join().unwrap());
            assert!(parts.wait_for_size(1 << 39) && incoming.is_unwanted());
        });
    }
}
