//! Opens additional connections in advance and in parallel: a handshake takes a dozen round trips.
//!
//! Waits until the first connection has logged in, so that a refused login is never repeated.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::destination::error::DestinationError;
use crate::destination::session::connection::Connection;
use crate::rules::connections::Shares;
use crate::runtime::worker::{inherit, propagate_panic};

type Connected = Result<Connection, DestinationError>;

/// Connections that are being opened, or are open and unused.
#[derive(Debug, Default)]
pub(crate) struct ConnectionPool {
    /// Size of the expected transfer in bytes.
    expected: AtomicU64,
    threads: Mutex<Vec<JoinHandle<Connected>>>,
}

impl ConnectionPool {
    pub(crate) fn set_expected(&self, size: u64) {
        self.expected.store(size, Ordering::SeqCst);
    }

    /// Opens additional connections for the expected transfer with `connect`.
    pub(crate) fn fill(&self, shares: Shares, connect: impl FnOnce() -> Connected + Clone + Send + 'static) {
        let expected = self.expected.swap(0, Ordering::SeqCst);
        let count = if expected == 0 { 0 } else { shares.in_advance(expected) };
        for _ in 0..count {
            let connect = connect.clone();
            self.threads().push(thread::spawn(inherit(move || connect().inspect(Connection::rest))));
        }
    }

    /// Waits for one of the connections that still work; `None` if there are no more.
    pub(crate) fn take(&self) -> Option<Connected> {
        loop {
            let thread = self.threads().pop()?;
            let connected = propagate_panic(thread.join());
            if connected.as_ref().map_or(true, Connection::wake) {
                return Some(connected);
            }
        }
    }

    /// Drops the unused connections, and expects no transfer.
    pub(crate) fn clear(&self) {
        self.set_expected(0);
        self.threads().clear();
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<Connected>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
