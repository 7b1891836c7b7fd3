//! Worker threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::{iter, panic, thread};

use tracing::{Dispatch, Span, dispatcher};

/// The value of a joined thread. If that thread panicked, resumes its panic on this one.
pub fn propagate_panic<T>(result: thread::Result<T>) -> T {
    result.unwrap_or_else(|panic| panic::resume_unwind(panic))
}

/// `work` for another thread, which logs to the same place and for the same task as this one.
pub fn inherit<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let (log, task) = (dispatcher::get_default(Dispatch::clone), Span::current());
    move || dispatcher::with_default(&log, || task.in_scope(work))
}

/// The results of `work` for `items`, in their order. Up to `parallel` threads work at the same time.
pub fn map_in_parallel<I: Sync, T: Send>(items: &[I], parallel: usize, work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let take = || items.iter().enumerate().nth(next.fetch_add(1, Ordering::Relaxed));
    let work = || iter::from_fn(take).map(|(index, item)| (index, work(item))).collect::<Vec<_>>();
    let mut results: Vec<(usize, T)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..parallel.min(items.len())).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| propagate_panic(worker.join())).collect()
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
