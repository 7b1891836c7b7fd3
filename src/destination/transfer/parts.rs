//! What of an archive has yet to cross the link: parts, which connections take one after the other.
//!
//! More of it may become ready meanwhile. What a connection took and did not get done goes back, for another one or
//! another try.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::destination::error::DestinationError;
use crate::disk::spool::{BLOCK, Extent, Spool};

/// Each part costs a round trip in which its connection has nothing to do: no shorter ones are made.
const SHORTEST: u64 = 4 * BLOCK;
/// Nor longer ones, so that whoever breaks off leaves little behind, and the connections end together.
const LONGEST: u64 = 64 * BLOCK;

/// Tells how much of an archive is ready to cross the link: an upload's is written by then, a download's has room.
pub(crate) trait Ready: Sync {
    /// Waits until `is_met` holds of how much is ready, which is asked at every change and at each
    /// [`nudge`](Ready::nudge).
    ///
    /// # Errors
    /// If the archive is given up.
    fn wait_until(&self, is_met: impl FnMut(Extent) -> bool) -> io::Result<Extent>;

    /// Has everybody who waits look again.
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
pub(crate) struct Parts<R> {
    ready: R,
    /// How many connections may share the work.
    connections: u64,
    state: Mutex<State>,
    is_stopped: AtomicBool,
    /// Whether the file is there that further connections are to open.
    is_open: AtomicBool,
    /// How many connections have done their share.
    at_work: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    /// Where begins what was never taken.
    next: u64,
    /// What was taken and came back.
    returned: Vec<Range<u64>>,
    /// How many parts are taken.
    taken: usize,
    /// Where ends what was done.
    reach: u64,
}

/// A part that a connection has taken. What of it is not done when it is dropped goes back.
pub(crate) struct Part<'a, R: Ready> {
    parts: &'a Parts<R>,
    begin: u64,
    rest: Range<u64>,
}

impl<R: Ready> Parts<R> {
    /// All of what becomes `ready`, for at most so many connections.
    pub(crate) fn new(ready: R, connections: u64) -> Parts<R> {
        Parts {
            ready,
            connections,
            state: Mutex::default(),
            is_stopped: AtomicBool::new(false),
            is_open: AtomicBool::new(false),
            at_work: AtomicUsize::new(0),
        }
    }

    /// What becomes ready.
    pub(crate) fn ready(&self) -> &R {
        &self.ready
    }

    /// Takes the next part, waiting for the archive to grow and for parts to come back; `None` when all is done, or
    /// nothing more is wanted.
    ///
    /// # Errors
    /// If the archive is given up.
    pub(crate) fn take(&self) -> Result<Option<Part<'_, R>>, DestinationError> {
        loop {
            let extent = self.ready.wait_until(|extent| {
                let state = self.state();
                let is_done = extent.is_complete && state.taken == 0;
                self.is_stopped() || state.has_more(extent) || is_done
            });
            let extent = extent.map_err(DestinationError::Spool)?;
            let mut state = self.state();
            if self.is_stopped() {
                return Ok(None);
            }
            if let Some(rest) = state.take(extent, self.connections) {
                return Ok(Some(Part { parts: self, begin: rest.start, rest }));
            }
            if extent.is_complete && state.taken == 0 {
                return Ok(None);
            }
            // Another connection was quicker.
        }
    }

    /// Waits until the archive has `size` bytes and some of them are there for another connection; `false` where it
    /// does not come to that.
    pub(crate) fn wait_for_size(&self, size: u64) -> bool {
        let is_enough = |extent: Extent| {
            let state = self.state();
            extent.written >= size && state.has_more(extent)
        };
        let extent = self.ready.wait_until(|extent| self.is_stopped() || extent.is_complete || is_enough(extent));
        extent.is_ok_and(|extent| !self.is_stopped() && is_enough(extent))
    }

    /// Another try begins.
    pub(crate) fn resume(&self) {
        self.is_stopped.store(false, Ordering::SeqCst);
        self.is_open.store(false, Ordering::SeqCst);
        self.at_work.store(1, Ordering::SeqCst);
    }

    /// The file is there that further connections are to open.
    pub(crate) fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
        self.ready.nudge();
    }

    /// Waits until it is; `false` where nothing more is wanted.
    pub(crate) fn wait_until_open(&self) -> bool {
        let result = self.ready.wait_until(|_| self.is_stopped() || self.is_open.load(Ordering::SeqCst));
        result.is_ok() && !self.is_stopped()
    }

    /// A further connection has done its share.
    pub(crate) fn count_connection(&self) {
        self.at_work.fetch_add(1, Ordering::SeqCst);
    }

    /// How many connections took part in the last try.
    pub(crate) fn at_work(&self) -> usize {
        self.at_work.load(Ordering::SeqCst)
    }

    /// Ends this try: nothing more is taken, and nobody waits.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        self.ready.nudge();
    }

    /// Whether this try is over.
    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::SeqCst)
    }

    /// What was done is lost: all begins anew.
    pub(crate) fn start_over(&self) {
        *self.state() = State::default();
    }

    /// Where the last of what was done ends.
    pub(crate) fn reach(&self) -> u64 {
        self.state().reach
    }

    /// Held for moments only, and never while the spool is asked.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether there is something to take.
    fn has_more(&self, extent: Extent) -> bool {
        extent.written > self.next || self.first_returned(extent).is_some()
    }

    /// Which of what came back is next. Whoever reads in order waits for the first of it.
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

/// How long the next part is, in whole blocks, where `ready` bytes lie ready for `connections`: an equal share of them,
/// so that parts become shorter towards the end, and the connections end together.
fn length_of_part(ready: u64, connections: u64) -> u64 {
    (ready / connections).next_multiple_of(BLOCK).clamp(SHORTEST, LONGEST)
}

impl<R: Ready> Part<'_, R> {
    /// Where begins what of it is not done.
    pub(crate) fn start(&self) -> u64 {
        self.rest.start
    }

    /// Where it ends; the archive may end before.
    pub(crate) fn end(&self) -> u64 {
        self.rest.end
    }

    /// `count` more bytes are done.
    pub(crate) fn advance(&mut self, count: u64) {
        self.rest.start += count;
    }

    /// Waits until the archive has something at `position`; `false` where it ends there, or nothing more is wanted.
    ///
    /// # Errors
    /// If the archive is given up.
    pub(crate) fn wait_for(&self, position: u64) -> Result<bool, DestinationError> {
        let parts = self.parts;
        let extent = parts
            .ready
            .wait_until(|extent| parts.is_stopped() || extent.written > position || extent.is_complete)
            .map_err(DestinationError::Spool)?;
        Ok(!parts.is_stopped() && extent.written > position)
    }
}

impl<R: Ready> Drop for Part<'_, R> {
    fn drop(&mut self) {
        let is_done = self.rest.is_empty()
            || self
                .parts
                .ready
                .wait_until(|_| true)
                .is_ok_and(|extent| extent.is_complete && self.rest.start >= extent.written);
        let mut state = self.parts.state();
        state.taken -= 1;
        if self.rest.start > self.begin {
            state.reach = state.reach.max(self.rest.start);
        }
        if !is_done {
            state.returned.push(self.rest.clone());
        }
        drop(state);
        self.parts.ready.nudge();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::thread;

    use super::*;
    use crate::disk::spool;
    use crate::disk::spool::SpoolWriter;

    fn parts(size: u64, connections: u64) -> (SpoolWriter, Parts<Spool>) {
        let (mut writer, spool) = spool::create(&std::env::temp_dir()).unwrap();
        writer.write_all(&vec![7; size as usize]).unwrap();
        (writer, Parts::new(spool, connections))
    }

    #[test]
    fn parts_cover_the_archive_and_grow_shorter() {
        let (writer, parts) = parts(70 * BLOCK + 5, 4);
        writer.finish();
        let mut lengths = Vec::new();
        let mut end = 0;
        while let Some(mut part) = parts.take().unwrap() {
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
    fn what_is_not_done_goes_to_the_next() {
        let (writer, parts) = parts(SHORTEST, 2);
        writer.finish();
        let mut part = parts.take().unwrap().unwrap();
        part.advance(100);
        drop(part);
        assert_eq!(parts.reach(), 100);
        let mut part = parts.take().unwrap().unwrap();
        assert_eq!((part.start(), part.end()), (100, SHORTEST));
        part.advance(SHORTEST - 100);
        drop(part);
        assert!(parts.take().unwrap().is_none());
    }

    #[test]
    fn of_what_came_back_the_first_is_taken_first() {
        let (writer, parts) = parts(2 * SHORTEST, 2);
        let (first, second) = (parts.take().unwrap().unwrap(), parts.take().unwrap().unwrap());
        drop(first);
        drop(second);
        writer.finish();
        let starts: Vec<u64> = std::iter::from_fn(|| parts.take().unwrap())
            .map(|mut part| {
                let start = part.start();
                part.advance(part.end() - start);
                start
            })
            .collect();
        assert_eq!(starts, [0, SHORTEST]);
    }

    #[test]
    fn whoever_is_done_waits_for_what_others_may_give_back() {
        let (writer, parts) = parts(SHORTEST, 2);
        writer.finish();
        let part = parts.take().unwrap().unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| parts.take().unwrap().map(|part| part.start()));
            drop(part);
            assert_eq!(waiting.join().unwrap(), Some(0));
        });
    }

    #[test]
    fn nobody_waits_in_a_try_that_was_stopped() {
        let (_writer, parts) = parts(0, 2);
        thread::scope(|scope| {
            let taking = scope.spawn(|| parts.take().unwrap().is_none());
            let assisting = scope.spawn(|| parts.wait_for_size(1));
            parts.stop();
            assert!(taking.join().unwrap());
            assert!(!assisting.join().unwrap());
        });
    }

    #[test]
    fn another_connection_is_worth_it_where_the_archive_is_long_and_not_all_is_taken() {
        let (writer, parts) = parts(2 * SHORTEST, 8);
        assert!(parts.wait_for_size(2 * SHORTEST));
        let _first = parts.take().unwrap().unwrap();
        assert!(parts.wait_for_size(2 * SHORTEST));
        let _second = parts.take().unwrap().unwrap();
        writer.finish();
        assert!(!parts.wait_for_size(2 * SHORTEST));
        assert!(!parts.wait_for_size(3 * SHORTEST));
    }

    #[test]
    fn an_archive_that_is_given_up_fails_who_waits() {
        let (writer, parts) = parts(0, 2);
        drop(writer);
        assert!(matches!(parts.take(), Err(DestinationError::Spool(_))));
        assert!(!parts.wait_for_size(0));
    }
}
