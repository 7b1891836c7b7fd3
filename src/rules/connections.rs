//! Decides how many connections a transfer uses, and how much each of them may buffer.

use std::time::Duration;

/// An extra connection is worth its handshake if it transfers at least this many bytes.
pub const BYTES_PER_CONNECTION: u64 = 8 * 1024 * 1024;
/// One connection transfers about 1.4 MB per round trip, because a server's window is usually 2 MiB. At this round-trip time
/// that is 200 MB/s, more than a processor encrypts. Twice the round-trip time needs twice as many connections.
const ROUND_TRIP_PER_CONNECTION: Duration = Duration::from_millis(7);
/// In bytes, for all connections of a transfer together.
const MAX_BUFFERED: usize = 32 * 1024 * 1024;
/// In bytes. More does not make a connection faster: a server's window is usually 2 MiB.
const MAX_IN_FLIGHT: usize = 2 * 1024 * 1024;
/// A byte in flight takes two bytes in this program's buffer and one in libssh2's.
const BUFFERED_PER_BYTE_IN_FLIGHT: usize = 3;

/// The maximum bytes in flight for each of `connections`.
pub fn in_flight(connections: u64) -> usize {
    let share = usize::try_from(connections).map_or(0, |connections| MAX_BUFFERED / connections.max(1));
    (share / BUFFERED_PER_BYTE_IN_FLIGHT).min(MAX_IN_FLIGHT)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_round_trip_needs_more_connections() {
        let counts = [0, 1, 7, 8, 20, 50, 200].map(|milliseconds| for_round_trip(Duration::from_millis(milliseconds)));
        assert_eq!(counts, [1, 1, 1, 2, 3, 8, 29]);
    }

    #[test]
    fn the_buffers_together_never_exceed_the_limit() {
        for connections in 1..=8 {
            let total = in_flight(connections) * BUFFERED_PER_BYTE_IN_FLIGHT * connections as usize;
            assert!(total <= MAX_BUFFERED, "{connections}: {total}");
        }
        assert_eq!(in_flight(1), MAX_IN_FLIGHT);
    }
}
