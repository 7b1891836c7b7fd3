//! A queue of the parts of an archive that are not yet transferred.
//!
//! The archive may grow during the transfer. The unfinished rest of a part returns to the queue, for another connection or
//! another attempt.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::destination::error::DestinationError;
use crate::destination::transfer::reading::REQUEST;
use crate::destination::transfer::schedule::State;
use crate::disk::spool::{Extent, Spool};

/// In bytes, so that several connections share what is left.
const MAX_EXTENSION: u64 = 140 * REQUEST;

/// The extent of an archive that is ready to be transferred: the bytes written to the spool for an upload, the space in the
/// buffer for a download.
pub(crate) trait Ready: Sync {
    /// Waits until the extent meets the condition `is_met`, which is checked after every change and every
    /// [`nudge`](Ready::nudge).
    ///
    /// # Errors
    /// If the archive is abandoned.
    fn wait_until(&self, is_met: impl FnMut(Extent) -> bool) -> io::Result<Extent>;

    /// Makes every waiting thread check its condition again.
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

/// The pending parts of one transfer.
pub(crate) struct WorkQueue<R> {
    ready: R,
    /// Maximum number of connections that share the work.
    connections: u64,
    state: Mutex<State>,
    is_stopped: AtomicBool,
    /// Whether the file exists, so that additional connections can open it.
    is_open: AtomicBool,
    /// Number of connections that finished their share.
    participants: AtomicUsize,
}

/// A part that a connection has taken. Dropping it returns the unfinished bytes to the queue.
pub(crate) struct Part<'a, R: Ready> {
    queue: &'a WorkQueue<R>,
    begin: u64,
    rest: Range<u64>,
}

impl<R: Ready> WorkQueue<R> {
    /// All bytes of `ready`, for up to `connections` connections.
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

    /// Ranges of `ready` that are [added](WorkQueue::add) until [`finish`](WorkQueue::finish) is called.
    pub(crate) fn fed(ready: R, connections: u64) -> WorkQueue<R> {
        let queue = WorkQueue::new(ready, connections);
        (queue.state().next, queue.state().is_fed) = (u64::MAX, true);
        queue
    }

    /// Adds `range`, which must not be empty.
    pub(crate) fn add(&self, range: Range<u64>) {
        self.state().waiting.insert(range);
        self.ready.nudge();
    }

    /// Announces that no more ranges will be added.
    pub(crate) fn finish(&self) {
        self.state().is_fed = false;
        self.ready.nudge();
    }

    pub(crate) fn ready(&self) -> &R {
        &self.ready
    }

    /// Takes the next part. Waits for the archive to grow or for parts to return. `None` if everything is transferred or the
    /// attempt was stopped.
    ///
    /// # Errors
    /// If the archive is abandoned.
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
            // Another connection took the part.
        }
    }

    /// Waits until the archive has `size` bytes and some of them are not taken; `false` if that will not happen.
    pub(crate) fn wait_for_size(&self, size: u64) -> bool {
        let is_enough = |extent: Extent| extent.written >= size && self.state().has_more(extent);
        let is_over = |extent: Extent| {
            let state = self.state();
            extent.is_complete && (extent.written < size || !state.has_more(extent) && !state.is_fed)
        };
        let extent = self.ready.wait_until(|extent| self.is_stopped() || is_over(extent) || is_enough(extent));
        extent.is_ok_and(|extent| !self.is_stopped() && is_enough(extent))
    }

    /// Starts another attempt.
    pub(crate) fn resume(&self) {
        self.is_stopped.store(false, Ordering::SeqCst);
        self.is_open.store(false, Ordering::SeqCst);
        self.participants.store(1, Ordering::SeqCst);
    }

    /// Lets additional connections open the file.
    pub(crate) fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
        self.ready.nudge();
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::SeqCst)
    }

    /// Waits for [`open`](WorkQueue::open); `false` if the attempt was stopped.
    pub(crate) fn wait_until_open(&self) -> bool {
        let result = self.ready.wait_until(|_| self.is_stopped() || self.is_open());
        result.is_ok() && !self.is_stopped()
    }

    /// Counts an additional connection that finished its share.
    pub(crate) fn count_participant(&self) {
        self.participants.fetch_add(1, Ordering::SeqCst);
    }

    /// Number of connections used by the last attempt.
    pub(crate) fn participants(&self) -> usize {
        self.participants.load(Ordering::SeqCst)
    }

    /// Stops this attempt: no more parts are taken, and waiting threads continue.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        self.ready.nudge();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::SeqCst)
    }

    /// Forgets all progress.
    pub(crate) fn start_over(&self) {
        *self.state() = State::default();
    }

    /// End of the transferred bytes; gaps before it are possible.
    pub(crate) fn high_water_mark(&self) -> u64 {
        self.state().high_water_mark
    }

    /// Must be held only briefly, and never while calling the spool.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Ready> Part<'_, R> {
    /// Offset of the first byte not yet transferred.
    pub(crate) fn start(&self) -> u64 {
        self.rest.start
    }

    /// End of the part; the archive may end before it.
    pub(crate) fn end(&self) -> u64 {
        self.rest.end
    }

    /// Extends the part by some of the bytes that are waiting after it, if there are any.
    pub(crate) fn extend(&mut self) {
        let waiting = &mut self.queue.state().waiting;
        if let Some(next) = waiting.get(&self.rest.end) {
            let next = self.rest.end..next.end.min(self.rest.end + MAX_EXTENSION);
            self.rest.end = next.end;
            waiting.remove(next);
        }
    }

    /// Marks `count` more bytes as transferred.
    pub(crate) fn advance(&mut self, count: u64) {
        self.rest.start += count;
    }

    /// Waits until the archive has a byte at `position`; `false` if it ends there or the attempt was stopped.
    ///
    /// # Errors
    /// If the archive is abandoned.
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
        state.in_progress -= 1;
        if self.rest.start > self.begin {
            state.high_water_mark = state.high_water_mark.max(self.rest.start);
        }
        if !is_done {
            state.waiting.insert(self.rest.clone());
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
    use crate::destination::transfer::schedule::MIN_PART;
    use crate::disk::spool::{self, SpoolWriter};
    use crate::rules::connections::MIB;

    fn queue(size: u64, connections: u64) -> (SpoolWriter, WorkQueue<Spool>) {
        let (mut writer, spool) = spool::create(&std::env::temp_dir()).unwrap();
        writer.write_all(&vec![7; size as usize]).unwrap();
        (writer, WorkQueue::new(spool, connections))
    }

    #[test]
    fn parts_cover_the_archive_and_get_shorter() {
        let (writer, queue) = queue(70 * MIB + 5, 4);
        writer.finish(None);
        let mut lengths = Vec::new();
        let mut end = 0;
        while let Some(mut part) = queue.take().unwrap() {
            assert_eq!(part.start(), end);
            end = part.end();
            lengths.push(part.end() - part.start());
            part.advance(part.end() - part.start());
        }
        assert_eq!(end, 70 * MIB + 5);
        assert!(lengths.is_sorted_by(|a, b| a >= b), "{lengths:?}");
        assert!(
            lengths[0] == 18 * MIB && lengths.iter().rev().skip(1).all(|length| *length >= MIN_PART),
            "{lengths:?}"
        );
    }

    #[test]
    fn added_ranges_are_taken_until_the_end() {
        let (writer, whole) = queue(MIB, 1);
        let queue = WorkQueue::fed(whole.ready().clone(), 1);
        queue.add(10..20);
        let mut part = queue.take().unwrap().unwrap();
        queue.add(20..30);
        queue.add(40..50);
        part.extend();
        assert_eq!((part.start(), part.end()), (10, 30));
        part.advance(20);
        drop(part);
        writer.finish(None);
        thread::scope(|scope| {
            let taking = scope.spawn(|| {
                let part = queue.take().unwrap().map(|mut part| {
                    part.advance(10);
                    part.end()
                });
                (part, queue.take().unwrap().is_none())
            });
            queue.finish();
            assert_eq!(taking.join().unwrap(), (Some(50), true));
        });
    }

    #[test]
    fn unfinished_bytes_return_to_the_queue() {
        let (writer, queue) = queue(MIN_PART, 2);
        writer.finish(None);
        let mut part = queue.take().unwrap().unwrap();
        part.advance(100);
        drop(part);
        assert_eq!(queue.high_water_mark(), 100);
        let mut part = queue.take().unwrap().unwrap();
        assert_eq!((part.start(), part.end()), (100, MIN_PART));
        part.advance(MIN_PART - 100);
        drop(part);
        assert!(queue.take().unwrap().is_none());
    }

    #[test]
    fn returned_parts_are_taken_in_order() {
        let (writer, queue) = queue(2 * MIN_PART, 2);
        let (first, second) = (queue.take().unwrap().unwrap(), queue.take().unwrap().unwrap());
        drop(first);
        drop(second);
        writer.finish(None);
        let starts: Vec<u64> = std::iter::from_fn(|| queue.take().unwrap())
            .map(|mut part| {
                let start = part.start();
                part.advance(part.end() - start);
                start
            })
            .collect();
        assert_eq!(starts, [0, MIN_PART]);
    }

    #[test]
    fn an_idle_connection_waits_for_parts_that_may_return() {
        let (writer, queue) = queue(MIN_PART, 2);
        writer.finish(None);
        let part = queue.take().unwrap().unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.take().unwrap().map(|part| part.start()));
            drop(part);
            assert_eq!(waiting.join().unwrap(), Some(0));
        });
    }

    #[test]
    fn stopping_an_attempt_ends_all_waits() {
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
    fn waiting_for_a_size_succeeds_only_while_bytes_are_not_taken() {
        let (writer, queue) = queue(2 * MIN_PART, 8);
        assert!(queue.wait_for_size(2 * MIN_PART));
        let _first = queue.take().unwrap().unwrap();
        assert!(queue.wait_for_size(2 * MIN_PART));
        let _second = queue.take().unwrap().unwrap();
        writer.finish(None);
        assert!(!queue.wait_for_size(2 * MIN_PART));
        assert!(!queue.wait_for_size(3 * MIN_PART));
    }

    #[test]
    fn abandoning_the_archive_fails_all_waits() {
        let (writer, queue) = queue(0, 2);
        drop(writer);
        assert!(matches!(queue.take(), Err(DestinationError::Spool(_))));
        assert!(!queue.wait_for_size(0));
    }
}
