//! Runs a transfer over one connection, and additional ones for a large archive.

use std::thread;

use crate::destination::error::DestinationError;
use crate::destination::session::connection::Connection;
use crate::destination::session::server::Server;
use crate::destination::transfer::work_queue::{Ready, WorkQueue};
use crate::rules::connections::BYTES_PER_CONNECTION;
use crate::runtime::error_chain::with_causes;
use crate::runtime::failpoint::failpoint;
use crate::runtime::worker::{inherit, propagate_panic};

/// What an additional connection does.
pub(crate) struct Lane<'a, R> {
    /// The queue of its parts.
    pub(crate) queue: &'a WorkQueue<R>,
    pub(crate) work: &'a (dyn Fn(&Connection) -> Result<(), DestinationError> + Sync),
}

/// As many lanes of both kinds as given, in turn.
pub(crate) fn alternating<'l, 'a, R>(a: (&'l Lane<'a, R>, u64), b: (&'l Lane<'a, R>, u64)) -> Vec<&'l Lane<'a, R>> {
    let chosen = |(lane, count), number| (number < count).then_some(lane);
    (0..a.1.max(b.1)).flat_map(|number| [chosen(a, number), chosen(b, number)]).flatten().collect()
}

/// Runs `first`, which transfers parts of `queue` over an existing connection, and `lanes` over additional connections, one
/// lane for each further 8 MiB of the archive. Their failures are only logged: unfinished parts return to their queue.
///
/// # Errors
/// Those of `first`; the rest then remains in the queues.
pub(crate) fn run<R: Ready>(
    server: &Server,
    queue: &WorkQueue<R>,
    lanes: &[&Lane<'_, R>],
    first: impl FnOnce() -> Result<(), DestinationError>,
) -> Result<(), DestinationError> {
    queue.resume();
    let stop = || lanes.iter().map(|lane| lane.queue).chain([queue]).for_each(WorkQueue::stop);
    thread::scope(|scope| {
        let threads: Vec<_> = (1..)
            .zip(lanes)
            .map(|(number, lane)| {
                scope.spawn(inherit(move || {
                    let _stop = OnPanic(stop);
                    run_additional(server, lane, number);
                }))
            })
            .collect();
        let result = {
            let _stop = OnPanic(stop);
            first().inspect_err(|_| stop())
        };
        for thread in threads {
            propagate_panic(thread.join());
        }
        result
    })
}

/// Stops the transfer on all connections if one of their threads panics: the others would wait for it, or transfer the rest
/// in vain.
struct OnPanic<F: Fn()>(F);

impl<F: Fn()> Drop for OnPanic<F> {
    fn drop(&mut self) {
        if thread::panicking() {
            (self.0)();
        }
    }
}

/// Connects and runs `lane` if the archive is large enough for additional connection `number` (from 1).
fn run_additional<R: Ready>(server: &Server, lane: &Lane<'_, R>, number: u64) {
    if !lane.queue.wait_for_size(number * BYTES_PER_CONNECTION) {
        return;
    }
    let connection = server.pool.take().unwrap_or_else(|| server.connect_additional());
    let result = connection.and_then(|connection| {
        failpoint("further connection");
        (lane.work)(&connection)?;
        lane.queue.count_participant();
        connection.close()
    });
    if matches!(result, Err(DestinationError::Broken { .. })) {
        server.pool.clear();
    }
    if let Err(error) = result
        && !lane.queue.is_stopped()
    {
        tracing::info!("continuing with one connection fewer: {}", with_causes(&error));
    }
}
