//! A transfer over several connections: the one at hand, and further ones for a large archive.

use std::time::Duration;
use std::{panic, thread};

use crate::destination::error::DestinationError;
use crate::destination::session::connection::{Connection, Server};
use crate::destination::transfer::parts::{Parts, Ready};
use crate::runtime::error_chain::with_causes;
use crate::runtime::failpoint::failpoint;

/// Each further connection takes as many more bytes to be worth its handshake.
const BYTES_PER_CONNECTION: u64 = 8 * 1024 * 1024;
/// One connection moves some 1.4 MB in each round trip, as a server's window is usually 2 MiB. Over this one that makes
/// 200 MB/s, more than a processor encrypts; a line that is twice as long needs twice as many connections for it.
const ROUND_TRIP_PER_CONNECTION: Duration = Duration::from_millis(7);
/// What all connections of a transfer together may hold in buffers, in bytes.
const ALL_BUFFERS: usize = 32 * 1024 * 1024;
/// More than this at once does not make one connection faster: a server's window is usually 2 MiB.
const MOST_IN_FLIGHT: usize = 2 * 1024 * 1024;
/// What is in flight lies in our buffer, which is twice as long, and in libssh2's.
const BYTES_PER_BYTE_IN_FLIGHT: usize = 3;

/// How many bytes one of `connections` may have on their way at a time.
pub(crate) fn in_flight(connections: u64) -> usize {
    let share = usize::try_from(connections).map_or(0, |connections| ALL_BUFFERS / connections.max(1));
    (share / BYTES_PER_BYTE_IN_FLIGHT).min(MOST_IN_FLIGHT)
}

/// How many further connections an archive of `size` bytes is worth.
pub(crate) fn worth_for(size: u64) -> u64 {
    size / BYTES_PER_CONNECTION
}

/// How many connections together fill a line with this round trip. More would only cost both sides' processors.
pub(crate) fn worth_over(round_trip: Duration) -> u64 {
    let count = round_trip.as_secs_f64() / ROUND_TRIP_PER_CONNECTION.as_secs_f64();
    // Rounded up; a float becomes an integer within its bounds.
    (count.ceil() as u64).max(1)
}

/// Has `first` take parts over the connection at hand and, for a large archive, `further` over more of them, as far as
/// the configuration allows. A further connection that fails costs a line in the log: what it had taken goes
/// back to the others.
///
/// # Errors
/// Those of `first`; then what is left stays in `parts`.
pub(crate) fn run<R: Ready>(
    server: &Server,
    parts: &Parts<R>,
    first: impl FnOnce() -> Result<(), DestinationError>,
    further: impl Fn(&Connection) -> Result<(), DestinationError> + Sync,
) -> Result<(), DestinationError> {
    parts.resume();
    let result = thread::scope(|scope| {
        let mut assistants = Vec::new();
        for number in 1..server.connections() {
            let further = &further;
            let span = tracing::Span::current();
            assistants.push(scope.spawn(move || {
                let _stop = StopOnPanic(parts);
                span.in_scope(|| assist(server, parts, number, further));
            }));
        }
        let result = {
            let _stop = StopOnPanic(parts);
            first().inspect_err(|_| parts.stop())
        };
        for assistant in assistants {
            // Raised here with its own text, and once.
            assistant.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked));
        }
        result
    });
    server.reserve.dismiss();
    result
}

/// Ends the transfer for all its connections when the thread of one of them panics: the others would wait for it, or
/// send all the rest in vain.
struct StopOnPanic<'a, R: Ready>(&'a Parts<R>);

impl<R: Ready> Drop for StopOnPanic<'_, R> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop();
        }
    }
}

/// What a further connection does, from before there is one to its end.
fn assist<R: Ready>(
    server: &Server,
    parts: &Parts<R>,
    number: u64,
    work: &impl Fn(&Connection) -> Result<(), DestinationError>,
) {
    if !parts.wait_for_size(number * BYTES_PER_CONNECTION) {
        return;
    }
    let connection = server.reserve.take().unwrap_or_else(|| server.connect_further());
    let result = connection.and_then(|connection| {
        failpoint("further connection");
        work(&connection)?;
        parts.count_connection();
        connection.close()
    });
    if let Err(error) = result
        && !parts.is_stopped()
    {
        tracing::info!("going on with one connection fewer: {}", with_causes(&error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_worth_more_connections_than_a_short_one() {
        let counts = [0, 1, 7, 8, 20, 50, 200].map(|milliseconds| worth_over(Duration::from_millis(milliseconds)));
        assert_eq!(counts, [1, 1, 1, 2, 3, 8, 29]);
    }

    #[test]
    fn all_buffers_together_stay_in_their_bounds() {
        for connections in 1..=8 {
            let all = in_flight(connections) * BYTES_PER_BYTE_IN_FLIGHT * connections as usize;
            assert!(all <= ALL_BUFFERS, "{connections}: {all}");
        }
        assert_eq!(in_flight(1), MOST_IN_FLIGHT);
    }
}
