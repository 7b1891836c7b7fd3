//! Worker threads.

use std::{panic, thread};

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
