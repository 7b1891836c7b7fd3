//! Worker threads: a panic in one of them continues on the thread that waits for it.

use std::{panic, thread};

/// The value of a thread that was joined. If it panicked, its panic continues here, with its own text.
pub fn joined<T>(result: thread::Result<T>) -> T {
    result.unwrap_or_else(|panic| panic::resume_unwind(panic))
}
