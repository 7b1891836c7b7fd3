//! Decides how many connections a transfer uses, and how much each of them may buffer.

use std::time::Duration;

use crate::rules::upload_method::Writing;

pub const MIB: u64 = 1024 * 1024;
/// An extra connection is worth its handshake if it transfers at least this many bytes.
pub const BYTES_PER_CONNECTION: u64 = 8 * MIB;
/// One connection transfers about 1.4 MB per round trip, because a server's window is usually 2 MiB. At this round-trip time
/// that is 200 MB/s, more than a processor encrypts. Twice the round-trip time needs twice as many connections.
const ROUND_TRIP_PER_CONNECTION: Duration = Duration::from_millis(7);
/// In bytes, for all connections of a transfer together.
const MAX_BUFFERED: u64 = 32 * MIB;
/// In bytes. More does not make a connection faster: a server's window is usually 2 MiB.
const MAX_IN_FLIGHT: usize = 2 * 1024 * 1024;
/// In bytes, if one connection saturates the link: enough for 150 MB/s at the longest round trip of which that is true.
const MAX_IN_FLIGHT_ALONE: usize = 1024 * 1024;
/// A byte in flight takes up to two bytes in this program's buffer and one in libssh2's. Reading takes half as much.
const BUFFERED_PER_BYTE_IN_FLIGHT: u64 = 3;

/// The connections of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// Including the first connection.
    pub writers: u64,
    /// Those that read the file back while it is written.
    pub readers: u64,
    /// Whether one is opened for the time after the upload.
    pub has_spare: bool,
}

impl Shares {
    /// Divides `max` connections if `useful` ones saturate one direction of the link. A link carries both directions at once.
    pub fn new(useful: u64, max: u64, writing: Writing) -> Shares {
        if writing != Writing::SeveralConnections {
            return Shares { writers: 1, readers: 0, has_spare: max >= 2 };
        }
        let has_spare = max >= 3;
        let max = max - u64::from(has_spare);
        // Reading takes longer: it begins later, and follows the writers.
        let writers = (max / 2).clamp(1, useful);
        Shares { writers, readers: (max - writers).min(useful), has_spare }
    }

    /// The number of connections to open in advance, besides the first, for an upload of `size` bytes.
    pub fn in_advance(self, size: u64) -> u64 {
        extra_for_size(size).min(self.writers + self.readers - 1) + u64::from(self.has_spare)
    }
}

/// The maximum bytes in flight for each of the connections that write and read at the same time, if `useful` ones saturate
/// the link.
pub fn in_flight(useful: u64, writers: u64, readers: u64) -> usize {
    let max = if useful > 1 { MAX_IN_FLIGHT } else { MAX_IN_FLIGHT_ALONE };
    let buffered = ((2 * writers + readers) * BUFFERED_PER_BYTE_IN_FLIGHT).div_ceil(2);
    usize::try_from(MAX_BUFFERED / buffered.max(1)).map_or(max, |share| share.min(max))
}

/// The number of extra connections for a transfer of `size` bytes.
pub fn extra_for_size(size: u64) -> u64 {
    size / BYTES_PER_CONNECTION
}

/// The number of connections that saturates a link with this round-trip time. More would only cost both sides CPU time.
pub fn for_round_trip(round_trip: Duration) -> u64 {
    let count = round_trip.as_secs_f64() / ROUND_TRIP_PER_CONNECTION.as_secs_f64();
    // A cast from float to integer saturates.
    (count.ceil() as u64).max(1)
}
