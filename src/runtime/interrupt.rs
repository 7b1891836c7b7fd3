//! Ending a run before its end: a flag that everything long-running looks at, and what to close so that a blocked
//! call returns.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;

/// Why a run ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// SIGINT: Ctrl-C.
    Sigint,
    /// SIGTERM.
    Sigterm,
    /// `run.deadline_minutes` have passed.
    Deadline,
}

/// Tells a run to end. Cheap to clone; all clones are one.
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

/// The run was told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{}", match .0 {
    Interruption::Sigint => "interrupted (SIGINT)",
    Interruption::Sigterm => "interrupted (SIGTERM)",
    Interruption::Deadline => "the time that run.deadline_minutes allows is over",
})]
pub struct Interrupted(pub Interruption);

/// Keeps a closer registered; dropping it takes the closer back.
#[must_use = "dropping the guard takes the closer back"]
pub struct CloserGuard {
    interrupt: Interrupt,
    id: u64,
}

impl Interrupt {
    /// One that has not been triggered.
    pub fn new() -> Interrupt {
        Interrupt::default()
    }

    /// Tells the run to end because of `cause`, wakes every pause and runs every closer. The first cause stays.
    pub fn trigger(&self, cause: Interruption) {
        let mut state = self.state();
        state.cause.get_or_insert(cause);
        for (_, close) in &state.closers {
            close();
        }
        drop(state);
        self.0.triggered.notify_all();
    }

    /// Tells what goes on under this interrupt to end because its time is over.
    pub fn expire(&self) {
        self.trigger(Interruption::Deadline);
    }

    /// Why the run was told to end, if it was.
    pub fn cause(&self) -> Option<Interruption> {
        self.state().cause
    }

    /// # Errors
    /// If the run was told to end.
    pub fn check(&self) -> Result<(), Interrupted> {
        self.cause().map_or(Ok(()), |cause| Err(Interrupted(cause)))
    }

    /// Sleeps for `duration`.
    ///
    /// # Errors
    /// As soon as the run is told to end.
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

    /// Has `close` run when the run is told to end, or at once if it already was. `close` must be quick and must
    /// not use this interrupt.
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

impl fmt::Debug for CloserGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CloserGuard").field(&self.id).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn a_pause_ends_when_the_run_is_told_to_end() {
        let interrupt = Interrupt::new();
        let other = interrupt.clone();
        let waiting = thread::spawn(move || other.pause(Duration::from_secs(60)));
        interrupt.trigger(Interruption::Sigterm);
        assert_eq!(waiting.join().unwrap(), Err(Interrupted(Interruption::Sigterm)));
    }

    #[test]
    fn closers_run_when_triggered_and_not_after_their_guard_is_gone() {
        let interrupt = Interrupt::new();
        let count = Arc::new(AtomicU32::new(0));
        let closer = || {
            let count = count.clone();
            move || {
                count.fetch_add(1, Ordering::SeqCst);
            }
        };
        drop(interrupt.on_trigger(closer()));
        let kept = interrupt.on_trigger(closer());
        interrupt.trigger(Interruption::Sigint);
        assert_eq!(count.load(Ordering::SeqCst), 1);
        drop(kept);
        let _late = interrupt.on_trigger(closer());
        assert_eq!(count.load(Ordering::SeqCst), 2);
        interrupt.trigger(Interruption::Deadline);
        assert_eq!(interrupt.cause(), Some(Interruption::Sigint));
    }
}
