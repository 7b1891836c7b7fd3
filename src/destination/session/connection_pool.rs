//! Further connections that are made in advance: a handshake takes a dozen round trips, which can all be waited for at
//! once.
//!
//! They are begun after a first connection has logged in, and not before: a refused login is never repeated.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::destination::error::DestinationError;
use crate::destination::session::connection::Connection;
use crate::rules::connections::extra_for_size;
use crate::runtime::worker::propagate_panic;

type Connected = Result<Connection, DestinationError>;

/// Connections that are being made, or that are ready and unused.
#[derive(Debug, Default)]
pub(crate) struct ConnectionPool {
    /// Size in bytes of the expected transfer.
    expected: AtomicU64,
    threads: Mutex<Vec<JoinHandle<Connected>>>,
}

impl ConnectionPool {
    /// A transfer of `size` bytes is expected.
    pub(crate) fn set_expected(&self, size: u64) {
        self.expected.store(size, Ordering::SeqCst);
    }

    /// Begins as many connections as the expected transfer is worth, up to `limit`, with `connect`.
    pub(crate) fn fill(&self, limit: u64, connect: impl FnOnce() -> Connected + Clone + Send + 'static) {
        let further = extra_for_size(self.expected.swap(0, Ordering::SeqCst));
        for _ in 0..further.min(limit) {
            let connect = connect.clone();
            let span = tracing::Span::current();
            self.threads().push(thread::spawn(move || span.in_scope(connect)));
        }
    }

    /// One of them, once it is ready; `None` where there are no more.
    pub(crate) fn take(&self) -> Option<Connected> {
        let thread = self.threads().pop()?;
        Some(propagate_panic(thread.join()))
    }

    /// Cuts those that are unused, as soon as they are ready, and expects no transfer.
    pub(crate) fn clear(&self) {
        self.set_expected(0);
        self.threads().clear();
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<Connected>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
