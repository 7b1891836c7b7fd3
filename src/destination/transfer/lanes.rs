//! Runs a transfer over one connection, and additional ones for a large archive.

use std::thread;

use crate::destination::error::DestinationError;
use crate::destination::session::connection::Connection;
use crate::destination::session::server::Server;
use crate::destination::transfer::work_queue::{Ready, WorkQueue};
use crate::rules::connections::BYTES_PER_CONNECTION;
use crate::runtime::error_chain::with_causes;
use crate::runtime::failpoint::failpoint;
use crate::runtime::worker::propagate_panic;

/// Runs `first`, which transfers parts over an existing connection, and for a large archive `additional` over more
/// connections, as far as the configuration allows. Failures of additional connections are only logged: their unfinished
/// parts return to the queue.
///
/// # Errors
/// Those of `first`; the rest then remains in `queue`.
pub(crate) fn run<R: Ready>(
    server: &Server,
    queue: &WorkQueue<R>,
    first: impl FnOnce() -> Result<(), DestinationError>,
    additional: impl Fn(&Connection) -> Result<(), DestinationError> + Sync,
) -> Result<(), DestinationError> {
    queue.resume();
    let additional = &additional;
    let result = thread::scope(|scope| {
        let threads: Vec<_> = (1..server.connections())
            .map(|number| {
                let span = tracing::Span::current();
                scope.spawn(move || {
                    let _stop = StopOnPanic(queue);
                    span.in_scope(|| run_additional(server, queue, number, additional));
                })
            })
            .collect();
        let result = {
            let _stop = StopOnPanic(queue);
            first().inspect_err(|_| queue.stop())
        };
        for thread in threads {
            propagate_panic(thread.join());
        }
        result
    });
    server.pool.clear();
    result
}

/// Stops the transfer on all connections if one of their threads panics: the others would wait for it, or transfer the rest
/// in vain.
struct StopOnPanic<'a, R: Ready>(&'a WorkQueue<R>);

impl<R: Ready> Drop for StopOnPanic<'_, R> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop();
        }
    }
}

/// Connects and runs `work` if the archive is large enough for additional connection `number` (from 1).
fn run_additional<R: Ready>(
    server: &Server,
    queue: &WorkQueue<R>,
    number: u64,
    work: &impl Fn(&Connection) -> Result<(), DestinationError>,
) {
    if !queue.wait_for_size(number * BYTES_PER_CONNECTION) {
        return;
    }
    let connection = server.pool.take().unwrap_or_else(|| server.connect_additional());
    let result = connection.and_then(|connection| {
        failpoint("further connection");
        work(&connection)?;
        queue.count_participant();
        connection.close()
    });
    if let Err(error) = result
        && !queue.is_stopped()
    {
        tracing::info!("continuing with one connection fewer: {}", with_causes(&error));
    }
}
