//! A transfer over several connections: a first one, and further ones for a large archive.

use std::thread;

use crate::destination::error::DestinationError;
use crate::destination::session::connection::Connection;
use crate::destination::session::server::Server;
use crate::destination::transfer::work_queue::{Ready, WorkQueue};
use crate::rules::connections::BYTES_PER_CONNECTION;
use crate::runtime::error_chain::with_causes;
use crate::runtime::failpoint::failpoint;
use crate::runtime::worker::propagate_panic;

/// Runs `first`, which transfers parts over a connection at hand, and for a large archive `further` over more connections,
/// as far as the configuration allows. If a further connection fails, that is only logged: its unfinished part returns to
/// the queue.
///
/// # Errors
/// Those of `first`; then the rest remains in `queue`.
pub(crate) fn run<R: Ready>(
    server: &Server,
    queue: &WorkQueue<R>,
    first: impl FnOnce() -> Result<(), DestinationError>,
    further: impl Fn(&Connection) -> Result<(), DestinationError> + Sync,
) -> Result<(), DestinationError> {
    queue.resume();
    let further = &further;
    let result = thread::scope(|scope| {
        let threads: Vec<_> = (1..server.connections())
            .map(|number| {
                let span = tracing::Span::current();
                scope.spawn(move || {
                    let _stop = StopOnPanic(queue);
                    span.in_scope(|| assist(server, queue, number, further));
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

/// Ends the transfer on all connections if one of their threads panics: the others would wait for it, or send all the rest
/// in vain.
struct StopOnPanic<'a, R: Ready>(&'a WorkQueue<R>);

impl<R: Ready> Drop for StopOnPanic<'_, R> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop();
        }
    }
}

/// Connects and works if the archive is long enough for the further connection with this `number` (from 1).
fn assist<R: Ready>(
    server: &Server,
    queue: &WorkQueue<R>,
    number: u64,
    work: &impl Fn(&Connection) -> Result<(), DestinationError>,
) {
    if !queue.wait_for_size(number * BYTES_PER_CONNECTION) {
        return;
    }
    let connection = server.pool.take().unwrap_or_else(|| server.connect_further());
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
