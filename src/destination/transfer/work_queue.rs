//! The parts of an archive that are not transferred yet; connections take them one after the other.
//!
//! The archive may grow during the transfer. A part that a connection took and did not finish returns to the queue, for
//! another connection or another attempt.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::destination::error::DestinationError;
use crate::disk::spool::{BLOCK, Extent, Spool};

/// A part costs a round trip during which its connection is idle, so parts are no shorter than this.
const SHORTEST: u64 = 4 * BLOCK;
/// Parts are no longer than this, so that a broken connection returns little, and all connections end at about the same time.
const LONGEST: u64 = 64 * BLOCK;

/// How much of an archive is ready to be transferred: of an upload, what is written to the spool; of a download, what the
/// buffer has space for.
pub(crate) trait Ready: Sync {
    /// Waits until `is_met` holds for the extent that is ready. It is called after every change and every
    /// [`nudge`](Ready::nudge).
    ///
    /// # Errors
    /// If the archive is given up.
    fn wait_until(&self, is_met: impl FnMut(Extent) -> bool) -> io::Result<Extent>;

    /// Has every waiting thread check again.
    fn nudge(&self);
}

impl Ready for Spool {
    fn wait_until(&self, is_met: impl FnMut(Extent) -> bool) -> io::Result<Extent> {
        Spool::wait_until(self, is_met)
    }

    fn nudge(&self) {
        Spool::nudge(self);
    }
}

/// The parts of one archive, in one transfer.
pub(crate) struct WorkQueue<R> {
    ready: R,
    /// How many connections may share the work.
    connections: u64,
    state: Mutex<State>,
    is_stopped: AtomicBool,
    /// Whether the file exists that further connections are to open.
    is_open: AtomicBool,
    /// How many connections finished their share.
    participants: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    /// Offset of the first byte that was never taken.
    next: u64,
    /// Unfinished ranges that were returned.
    returned: Vec<Range<u64>>,
    /// How many parts are taken now.
    taken: usize,
    /// End of the last finished byte.
    reach: u64,
}

/// A part that a connection has taken. Dropping it returns the unfinished bytes to the queue.
pub(crate) struct Part<'a, R: Ready> {
    queue: &'a WorkQueue<R>,
    begin: u64,
    rest: Range<u64>,
}

impl<R: Ready> WorkQueue<R> {
    /// All of what becomes `ready`, for up to `connections` connections.
    pub(crate) fn new(ready: R, connections: u64) -> WorkQueue<R> {
        WorkQueue {
            ready,
            connections,
            state: Mutex::default(),
            is_stopped: AtomicBool::new(false),
            is_open: AtomicBool::new(false),
            participants: AtomicUsize::new(0),
        }
    }

    pub(crate) fn ready(&self) -> &R {
        &self.ready
    }

    /// Takes the next part; waits for the archive to grow and for parts to return. `None` when all is transferred, or the
    /// attempt was stopped.
    ///
    /// # Errors
    /// If the archive is given up.
    pub(crate) fn take(&self) -> Result<Option<Part<'_, R>>, DestinationError> {
        loop {
            let extent = self.ready.wait_until(|extent| {
                let state = self.state();
                self.is_stopped() || state.has_more(extent) || state.is_done(extent)
            });
            let extent = extent.map_err(DestinationError::Spool)?;
            let mut state = self.state();
            if self.is_stopped() {
                return Ok(None);
            }
            if let Some(rest) = state.take(extent, self.connections) {
                return Ok(Some(Part { queue: self, begin: rest.start, rest }));
            }
            if state.is_done(extent) {
                return Ok(None);
            }
            // Another connection was faster.
        }
    }

    /// Waits until the archive has `size` bytes, some of which are free for another connection; `false` if that will not
    /// happen.
    pub(crate) fn wait_for_size(&self, size: u64) -> bool {
        let is_enough = |extent: Extent| {
            let state = self.state();
            extent.written >= size && state.has_more(extent)
        };
        let extent = self.ready.wait_until(|extent| self.is_stopped() || extent.is_complete || is_enough(extent));
        extent.is_ok_and(|extent| !self.is_stopped() && is_enough(extent))
    }

    /// Begins another attempt.
    pub(crate) fn resume(&self) {
        self.is_stopped.store(false, Ordering::SeqCst);
        self.is_open.store(false, Ordering::SeqCst);
        self.participants.store(1, Ordering::SeqCst);
    }

    /// The file exists: further connections may open it.
    pub(crate) fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
        self.ready.nudge();
    }

    /// Waits for [`open`](WorkQueue::open); `false` if the attempt was stopped.
    pub(crate) fn wait_until_open(&self) -> bool {
        let result = self.ready.wait_until(|_| self.is_stopped() || self.is_open.load(Ordering::SeqCst));
        result.is_ok() && !self.is_stopped()
    }

    /// A further connection has finished its share.
    pub(crate) fn count_participant(&self) {
        self.participants.fetch_add(1, Ordering::SeqCst);
    }

    /// How many connections took part in the last attempt.
    pub(crate) fn participants(&self) -> usize {
        self.participants.load(Ordering::SeqCst)
    }

    /// Ends this attempt: no more parts are taken, and no thread waits.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        self.ready.nudge();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::SeqCst)
    }

    /// Everything that was transferred is lost.
    pub(crate) fn start_over(&self) {
        *self.state() = State::default();
    }

    /// End of the last byte that was transferred.
    pub(crate) fn reach(&self) -> u64 {
        self.state().reach
    }

    /// Held for moments only, and never while the spool is asked.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_done(&self, extent: Extent) -> bool {
        extent.is_complete && self.taken == 0
    }

    /// Whether there is something to take.
    fn has_more(&self, extent: Extent) -> bool {
        extent.written > self.next || self.first_returned(extent).is_some()
    }

    /// Index of the first returned range: a download is read in order and waits for it.
    fn first_returned(&self, extent: Extent) -> Option<usize> {
        let ready = self.returned.iter().enumerate().filter(|(_, range)| range.start < extent.written);
        ready.min_by_key(|(_, range)| range.start).map(|(index, _)| index)
    }

    fn take(&mut self, extent: Extent, connections: u64) -> Option<Range<u64>> {
        let range = match self.first_returned(extent) {
            Some(index) => self.returned.swap_remove(index),
            None if extent.written > self.next => {
                let end = self.next + length_of_part(extent.written - self.next, connections);
                let range = self.next..if extent.is_complete { end.min(extent.written) } else { end };
                self.next = range.end;
                range
            }
            None => return None,
        };
        self.taken += 1;
        Some(range)
    }
}

/// Length of the next part, in whole blocks, if `ready` bytes are left for `connections`: an equal share, so that parts get
/// shorter towards the end, and the connections end at about the same time.
fn length_of_part(ready: u64, connections: u64) -> u64 {
    (ready / connections).next_multiple_of(BLOCK).clamp(SHORTEST, LONGEST)
}

impl<R: Ready> Part<'_, R> {
    /// Offset of the first byte that is not transferred yet.
    pub(crate) fn start(&self) -> u64 {
        self.rest.start
    }

    /// End of the part; the archive may end before.
    pub(crate) fn end(&self) -> u64 {
        self.rest.end
    }

    /// `count` more bytes are transferred.
    pub(crate) fn advance(&mut self, count: u64) {
        self.rest.start += count;
    }

    /// Waits until the archive has a byte at `position`; `false` if it ends there, or the attempt was stopped.
    ///
    /// # Errors
    /// If the archive is given up.
    pub(crate) fn wait_for(&self, position: u64) -> Result<bool, DestinationError> {
        let queue = self.queue;
        let extent = queue
            .ready
            .wait_until(|extent| queue.is_stopped() || extent.written > position || extent.is_complete)
            .map_err(DestinationError::Spool)?;
        Ok(!queue.is_stopped() && extent.written > position)
    }
}

impl<R: Ready> Drop for Part<'_, R> {
    fn drop(&mut self) {
        let queue = self.queue;
        let is_done = self.rest.is_empty()
            || queue
                .ready
                .wait_until(|_| true)
                .is_ok_and(|extent| extent.is_complete && self.rest.start >= extent.written);
        let mut state = queue.state();
        state.taken -= 1;
        if self.rest.start > self.begin {
            state.reach = state.reach.max(self.rest.start);
        }
        if !is_done {
            state.returned.push(self.rest.clone());
        }
        drop(state);
        queue.ready.nudge();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::thread;

    use super::*;
    use crate::disk::spool::{self, SpoolWriter};

    fn queue(size: u64, connections: u64) -> (SpoolWriter, WorkQueue<Spool>) {
        let (mut writer, spool) = spool::create(&std::env::temp_dir()).unwrap();
        writer.write_all(&vec![7; size as usize]).unwrap();
        (writer, WorkQueue::new(spool, connections))
    }

    #[test]
    fn parts_cover_the_archive_and_get_shorter() {
        let (writer, queue) = queue(70 * BLOCK + 5, 4);
        writer.finish();
        let mut lengths = Vec::new();
        let mut end = 0;
        while let Some(mut part) = queue.take().unwrap() {
            assert_eq!(part.start(), end);
            end = part.end();
            lengths.push(part.end() - part.start());
            part.advance(part.end() - part.start());
        }
        assert_eq!(end, 70 * BLOCK + 5);
        assert!(lengths.is_sorted_by(|a, b| a >= b), "{lengths:?}");
        assert!(lengths[0] == 18 * BLOCK && lengths.iter().rev().skip(1).all(|it| *it >= SHORTEST), "{lengths:?}");
    }

    #[test]
    fn unfinished_bytes_return_to_the_queue() {
        let (writer, queue) = queue(SHORTEST, 2);
        writer.finish();
        let mut part = queue.take().unwrap().unwrap();
        part.advance(100);
        drop(part);
        assert_eq!(queue.reach(), 100);
        let mut part = queue.take().unwrap().unwrap();
        assert_eq!((part.start(), part.end()), (100, SHORTEST));
        part.advance(SHORTEST - 100);
        drop(part);
        assert!(queue.take().unwrap().is_none());
    }

    #[test]
    fn returned_parts_are_taken_in_order() {
        let (writer, queue) = queue(2 * SHORTEST, 2);
        let (first, second) = (queue.take().unwrap().unwrap(), queue.take().unwrap().unwrap());
        drop(first);
        drop(second);
        writer.finish();
        let starts: Vec<u64> = std::iter::from_fn(|| queue.take().unwrap())
            .map(|mut part| {
                let start = part.start();
                part.advance(part.end() - start);
                start
            })
            .collect();
        assert_eq!(starts, [0, SHORTEST]);
    }

    #[test]
    fn an_idle_connection_waits_for_parts_that_may_return() {
        let (writer, queue) = queue(SHORTEST, 2);
        writer.finish();
        let part = queue.take().unwrap().unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.take().unwrap().map(|part| part.start()));
            drop(part);
            assert_eq!(waiting.join().unwrap(), Some(0));
        });
    }

    #[test]
    fn stopping_an_attempt_ends_all_waiting() {
        let (_writer, queue) = queue(0, 2);
        thread::scope(|scope| {
            let taking = scope.spawn(|| queue.take().unwrap().is_none());
            let waiting = scope.spawn(|| queue.wait_for_size(1));
            queue.stop();
            assert!(taking.join().unwrap());
            assert!(!waiting.join().unwrap());
        });
    }

    #[test]
    fn another_connection_is_worth_it_if_enough_of_the_archive_is_not_taken() {
        let (writer, queue) = queue(2 * SHORTEST, 8);
        assert!(queue.wait_for_size(2 * SHORTEST));
        let _first = queue.take().unwrap().unwrap();
        assert!(queue.wait_for_size(2 * SHORTEST));
        let _second = queue.take().unwrap().unwrap();
        writer.finish();
        assert!(!queue.wait_for_size(2 * SHORTEST));
        assert!(!queue.wait_for_size(3 * SHORTEST));
    }

    #[test]
    fn giving_up_the_archive_fails_all_waiting() {
        let (writer, queue) = queue(0, 2);
        drop(writer);
        assert!(matches!(queue.take(), Err(DestinationError::Spool(_))));
        assert!(!queue.wait_for_size(0));
    }
}
