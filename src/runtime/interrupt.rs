//! Interrupts a run: with a flag that all long work checks, and with callbacks that make blocked calls return.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// Ctrl-C.
    Sigint,
    Sigterm,
    /// `run.deadline_minutes` have passed.
    Deadline,
}

/// All clones share one state.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    triggered: Condvar,
}

#[derive(Default)]
struct State {
    cause: Option<Interruption>,
    closers: Vec<(u64, Box<dyn Fn() + Send>)>,
    next: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{}", match .0 {
    Interruption::Sigint => "interrupted (SIGINT)",
    Interruption::Sigterm => "interrupted (SIGTERM)",
    Interruption::Deadline => "the time that run.deadline_minutes allows is over",
})]
pub struct Interrupted(pub Interruption);

/// See [`Interrupt::on_trigger`].
#[derive(Debug)]
#[must_use = "dropping the guard removes the closer"]
pub struct CloserGuard {
    interrupt: Interrupt,
    id: u64,
}

impl Interrupt {
    pub fn new() -> Interrupt {
        Interrupt::default()
    }

    /// Interrupts the run, ends every pause and calls every closer. Only the first cause is recorded.
    pub fn trigger(&self, cause: Interruption) {
        let mut state = self.state();
        state.cause.get_or_insert(cause);
        for (_, close) in &state.closers {
            close();
        }
        drop(state);
        self.0.triggered.notify_all();
    }

    pub fn expire(&self) {
        self.trigger(Interruption::Deadline);
    }

    pub fn cause(&self) -> Option<Interruption> {
        self.state().cause
    }

    pub fn check(&self) -> Result<(), Interrupted> {
        self.cause().map_or(Ok(()), |cause| Err(Interrupted(cause)))
    }

    /// Sleeps for `duration`, or until the run is interrupted.
    pub fn pause(&self, duration: Duration) -> Result<(), Interrupted> {
        let end = Instant::now() + duration;
        let mut state = self.state();
        loop {
            if let Some(cause) = state.cause {
                return Err(Interrupted(cause));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            state = self.0.triggered.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Calls `close` at every interruption until the result is dropped, and immediately if the run has been interrupted.
    /// `close` must be quick and must not use this interrupt.
    pub fn on_trigger(&self, close: impl Fn() + Send + 'static) -> CloserGuard {
        let mut state = self.state();
        if state.cause.is_some() {
            close();
        }
        let id = state.next;
        state.next += 1;
        state.closers.push((id, Box::new(close)));
        drop(state);
        CloserGuard { interrupt: self.clone(), id }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CloserGuard {
    fn drop(&mut self) {
        self.interrupt.state().closers.retain(|(id, _)| *id != self.id);
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Interrupt").field(&self.cause()).finish()
    }
}
