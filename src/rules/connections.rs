//! How many connections a transfer is worth, and how much each of them may buffer.

use std::time::Duration;

/// A further connection is worth its handshake for each of these bytes.
pub const BYTES_PER_CONNECTION: u64 = 8 * 1024 * 1024;
/// One connection moves about 1.4 MB per round trip, because a server's window is usually 2 MiB. At this round trip that is
/// 200 MB/s, more than a processor encrypts. A line twice as long needs twice as many connections for it.
const ROUND_TRIP_PER_CONNECTION: Duration = Duration::from_millis(7);
/// Bytes that all connections of a transfer may buffer together.
const ALL_BUFFERS: usize = 32 * 1024 * 1024;
/// More in flight does not make one connection faster: a server's window is usually 2 MiB.
const MAX_IN_FLIGHT: usize = 2 * 1024 * 1024;
/// A byte in flight is held in our buffer, which is twice as long, and in libssh2's.
const BUFFERED_PER_BYTE_IN_FLIGHT: usize = 3;

/// How many bytes each of `connections` may have in flight.
pub fn in_flight(connections: u64) -> usize {
    let share = usize::try_from(connections).map_or(0, |connections| ALL_BUFFERS / connections.max(1));
    (share / BUFFERED_PER_BYTE_IN_FLIGHT).min(MAX_IN_FLIGHT)
}

/// How many further connections a transfer of `size` bytes is worth.
pub fn further_for_size(size: u64) -> u64 {
    size / BYTES_PER_CONNECTION
}

/// How many connections fill a line with this round trip. More would only cost both sides CPU time.
pub fn for_round_trip(round_trip: Duration) -> u64 {
    let count = round_trip.as_secs_f64() / ROUND_TRIP_PER_CONNECTION.as_secs_f64();
    // A cast from float to integer saturates.
    (count.ceil() as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_round_trip_is_worth_more_connections() {
        let counts = [0, 1, 7, 8, 20, 50, 200].map(|milliseconds| for_round_trip(Duration::from_millis(milliseconds)));
        assert_eq!(counts, [1, 1, 1, 2, 3, 8, 29]);
    }

    #[test]
    fn all_buffers_together_stay_within_the_limit() {
        for connections in 1..=8 {
            let all = in_flight(connections) * BUFFERED_PER_BYTE_IN_FLIGHT * connections as usize;
            assert!(all <= ALL_BUFFERS, "{connections}: {all}");
        }
        assert_eq!(in_flight(1), MAX_IN_FLIGHT);
    }
}
