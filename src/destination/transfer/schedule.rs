//! Decides which part of an archive a connection transfers next.

use std::ops::Range;

use rangemap::RangeSet;

use crate::disk::spool::Extent;
use crate::rules::connections::MIB;

/// Each part costs a round trip during which its connection is idle.
pub(super) const MIN_PART: u64 = 4 * MIB;
/// Limits the loss when a connection breaks, and lets all connections finish at about the same time.
const MAX_PART: u64 = 64 * MIB;

#[derive(Debug, Default)]
pub(super) struct State {
    /// Offset of the first byte that no connection has taken.
    pub(super) next: u64,
    /// Ranges to transfer before `next`: added ones, and unfinished ones that were returned.
    pub(super) waiting: RangeSet<u64>,
    /// Whether more ranges may be added.
    pub(super) is_fed: bool,
    /// Number of parts taken so far.
    pub(super) taken: u64,
    /// Number of parts in progress.
    pub(super) in_progress: usize,
    /// End of the transferred bytes; gaps before it are possible.
    pub(super) high_water_mark: u64,
}

impl State {
    pub(super) fn is_done(&self, extent: Extent) -> bool {
        extent.is_complete && self.in_progress == 0 && !self.is_fed
    }

    pub(super) fn has_more(&self, extent: Extent) -> bool {
        extent.written > self.next || self.first_waiting(extent).is_some()
    }

    /// The earliest waiting range: a download is read in order and needs it first.
    fn first_waiting(&self, extent: Extent) -> Option<Range<u64>> {
        self.waiting.first().filter(|range| range.start < extent.written).cloned()
    }

    pub(super) fn take(&mut self, extent: Extent, connections: u64) -> Option<Range<u64>> {
        let range = match self.first_waiting(extent) {
            Some(range) => {
                let length = self.length_of_part(range.end - range.start, connections);
                let range = range.start..range.end.min(range.start + length);
                self.waiting.remove(range.clone());
                range
            }
            None if extent.written > self.next => {
                let end = self.next + self.length_of_part(extent.written - self.next, connections);
                let range = self.next..if extent.is_complete { end.min(extent.written) } else { end };
                self.next = range.end;
                range
            }
            None => return None,
        };
        self.taken += 1;
        self.in_progress += 1;
        Some(range)
    }

    /// Length of the next part in bytes, in whole MiB. First each connection gets an equal share of the `ready` bytes. Later
    /// parts get shorter towards the end, so that the connections finish at about the same time.
    fn length_of_part(&self, ready: u64, connections: u64) -> u64 {
        let shares = if self.taken < connections { connections - self.taken } else { connections };
        (ready / shares).next_multiple_of(MIB).clamp(MIN_PART, MAX_PART)
    }
}
