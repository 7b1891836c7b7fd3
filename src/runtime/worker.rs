//! Worker threads.

use std::{panic, thread};

/// The value of a joined thread. If that thread panicked, resumes its panic on this one.
pub fn propagate_panic<T>(result: thread::Result<T>) -> T {
    result.unwrap_or_else(|panic| panic::resume_unwind(panic))
}
