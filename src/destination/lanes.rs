//! A transfer over several connections: the one at hand, and further ones for a large archive.

use std::thread;

use super::parts::Parts;
use super::{Connection, DestinationError, Server};
use crate::error_chain::told;

/// Each further connection takes as many more bytes to be worth its handshake.
const BYTES_PER_CONNECTION: u64 = 8 * 1024 * 1024;
/// What all connections of a transfer together may hold in buffers, in bytes.
const ALL_BUFFERS: usize = 32 * 1024 * 1024;
/// More than this at once does not make one connection faster: a server's window is usually 2 MiB.
const MOST_IN_FLIGHT: usize = 2 * 1024 * 1024;
/// What is in flight lies in our buffer, which is twice as long, and in libssh2's.
const BYTES_PER_BYTE_IN_FLIGHT: usize = 3;

/// How many bytes one of `connections` may have on their way at a time.
pub(super) fn in_flight(connections: u64) -> usize {
    let share = usize::try_from(connections).map_or(0, |connections| ALL_BUFFERS / connections.max(1));
    (share / BYTES_PER_BYTE_IN_FLIGHT).min(MOST_IN_FLIGHT)
}

/// Has `first` take parts over the connection at hand and, for a large archive, `further` over more of them, as far as
/// the configuration allows. A further connection that fails costs a line in the log: what it had taken goes
/// back to the others.
///
/// # Errors
/// Those of `first`; then what is left stays in `parts`.
pub(super) fn run(
    server: &Server<'_>,
    parts: &Parts,
    first: impl FnOnce() -> Result<(), DestinationError>,
    further: impl Fn(&Connection) -> Result<(), DestinationError> + Sync,
) -> Result<(), DestinationError> {
    parts.resume();
    thread::scope(|scope| {
        for number in 1..server.connections() {
            let further = &further;
            scope.spawn(move || assist(server, parts, number, further));
        }
        first().inspect_err(|_| parts.stop())
    })
}

/// What a further connection does, from before there is one to its end.
fn assist(
    server: &Server<'_>,
    parts: &Parts,
    number: u64,
    work: &impl Fn(&Connection) -> Result<(), DestinationError>,
) {
    if !parts.wait_for_size(number * BYTES_PER_CONNECTION) {
        return;
    }
    let result = server.connect_once().and_then(|connection| {
        parts.join();
        work(&connection)?;
        connection.close()
    });
    if let Err(error) = result
        && !parts.is_stopped()
    {
        tracing::info!("going on with one connection fewer: {}", told(&error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_buffers_together_stay_in_their_bounds() {
        for connections in 1..=8 {
            let all = in_flight(connections) * BYTES_PER_BYTE_IN_FLIGHT * connections as usize;
            assert!(all <= ALL_BUFFERS, "{connections}: {all}");
        }
        assert_eq!(in_flight(1), MOST_IN_FLIGHT);
    }
}
