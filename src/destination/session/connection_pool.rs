//! Further connections that are made in advance: a handshake takes a dozen round trips, which can all be waited for at
//! once.
//!
//! They begin when a first connection has logged in, and not before: a refused login is never repeated.

use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::destination::error::DestinationError;
use crate::destination::session::connection::{Connection, Server};
use crate::destination::transfer::lanes;

type Coming = JoinHandle<Result<Connection, DestinationError>>;

/// Connections on their way, or there, that nobody uses yet.
#[derive(Debug, Default)]
pub(crate) struct Reserve {
    /// Size in bytes of the transfer that is expected.
    expected: AtomicU64,
    coming: Mutex<Vec<Coming>>,
}

impl Reserve {
    /// A transfer of `size` bytes is expected.
    pub(crate) fn want(&self, size: u64) {
        self.expected.store(size, Ordering::SeqCst);
    }

    /// Makes those that are worth it for what is expected, with `server`, which should have at most so many in all.
    pub(crate) fn fill(&self, server: &Server, connections: u64) {
        let further = lanes::worth_for(self.expected.swap(0, Ordering::SeqCst));
        for _ in 0..further.min(connections - 1) {
            let server = server.clone();
            let span = tracing::Span::current();
            self.coming().push(thread::spawn(move || span.in_scope(|| server.connect_further())));
        }
    }

    /// One of them, once it is there; `None` where no more were made.
    pub(crate) fn take(&self) -> Option<Result<Connection, DestinationError>> {
        let coming = self.coming().pop()?;
        Some(coming.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked)))
    }

    /// Those that nobody has taken are not needed any more: they are cut when they are there.
    pub(crate) fn dismiss(&self) {
        self.want(0);
        self.coming().clear();
    }

    fn coming(&self) -> MutexGuard<'_, Vec<Coming>> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
