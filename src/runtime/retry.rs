//! Retries: how many, after which pauses, and of which errors. Source, destination and reports share them.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::runtime::error_chain::with_causes;
use crate::runtime::interrupt::Interrupt;

/// An error that knows whether a retry can help.
pub trait Retryable: Error {
    /// Whether the cause may pass by itself. A refused password, a changed host key or a missing page does not.
    fn is_transient(&self) -> bool;

    /// How long the server asked to wait (RFC 9110 section 10.2.3).
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

/// How often something is tried, and the pauses between: they double.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many attempts there are in all, from 1.
    pub attempts: u32,
    /// The pause after the first failure.
    pub first_pause: Duration,
    /// The longest pause.
    pub max_pause: Duration,
}

/// Retries by one policy, and counts the retries. Cheap to clone; all clones count together.
#[derive(Debug, Clone)]
pub struct Retry {
    policy: RetryPolicy,
    interrupt: Interrupt,
    retries: Arc<AtomicU32>,
}

impl Retry {
    /// No retry begins once `interrupt` is triggered.
    pub fn new(policy: RetryPolicy, interrupt: Interrupt) -> Retry {
        Retry { policy, interrupt, retries: Arc::default() }
    }

    /// How many retries there were so far, of everything that shares this.
    pub fn count(&self) -> u32 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Calls `attempt` until it succeeds, fails with a permanent error, or has used up its attempts. `what` names it in
    /// the log: "downloading the ZIP".
    pub fn run<T, E: Retryable>(&self, what: &str, mut attempt: impl FnMut() -> Result<T, E>) -> Result<T, E> {
        let mut failures = 0;
        loop {
            let error = match attempt() {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            failures += 1;
            if !error.is_transient() || failures >= self.policy.attempts {
                return Err(error);
            }
            let pause = jittered(pause_after(failures, self.policy), fastrand::f64());
            let asked = error.retry_after().map_or(Duration::ZERO, |asked| asked.min(self.policy.max_pause));
            let pause = pause.max(asked);
            tracing::info!(
                "{what} failed, trying again in {:.1} s ({} of {}): {}",
                pause.as_secs_f64(),
                failures + 1,
                self.policy.attempts,
                with_causes(&error)
            );
            if self.interrupt.pause(pause).is_err() {
                return Err(error);
            }
            self.retries.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The pause after the `failures`-th failure (from 1): it doubles from the first pause up to the longest.
fn pause_after(failures: u32, policy: RetryPolicy) -> Duration {
    let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
    policy.first_pause.saturating_mul(factor).min(policy.max_pause)
}

/// `pause` shortened by up to a half, as `chance` (0 to 1) falls, so that many machines do not retry at the same moment.
fn jittered(pause: Duration, chance: f64) -> Duration {
    pause.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::interrupt::Interruption;

    #[derive(Debug, thiserror::Error)]
    #[error("test error")]
    struct TestError {
        transient: bool,
    }

    impl Retryable for TestError {
        fn is_transient(&self) -> bool {
            self.transient
        }
    }

    const POLICY: RetryPolicy =
        RetryPolicy { attempts: 3, first_pause: Duration::from_secs(1), max_pause: Duration::from_secs(30) };

    fn quick() -> RetryPolicy {
        RetryPolicy { first_pause: Duration::ZERO, max_pause: Duration::ZERO, ..POLICY }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let seconds: Vec<u64> = (1..8).map(|failures| pause_after(failures, POLICY).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pause_after(u32::MAX, POLICY), POLICY.max_pause);
        assert_eq!(jittered(Duration::from_secs(2), 0.0), Duration::from_secs(1));
        assert_eq!(jittered(Duration::from_secs(2), 1.0), Duration::from_secs(2));
    }

    #[test]
    fn a_transient_error_is_retried_and_a_permanent_one_is_not() {
        let retry = Retry::new(quick(), Interrupt::new());
        let mut calls = 0;
        let result = retry.run("testing", || {
            calls += 1;
            if calls < 3 { Err(TestError { transient: true }) } else { Ok(calls) }
        });
        assert_eq!((result.unwrap(), retry.count()), (3, 2));

        let mut calls = 0;
        let result: Result<(), _> = retry.run("testing", || {
            calls += 1;
            Err(TestError { transient: false })
        });
        assert!(result.is_err());
        assert_eq!((calls, retry.count()), (1, 2));
    }

    #[test]
    fn attempts_are_limited_and_end_with_the_run() {
        let interrupt = Interrupt::new();
        let mut calls = 0;
        let mut failing = || -> Result<(), _> {
            calls += 1;
            Err(TestError { transient: true })
        };
        assert!(Retry::new(quick(), interrupt.clone()).run("testing", &mut failing).is_err());
        interrupt.trigger(Interruption::Sigterm);
        assert!(Retry::new(POLICY, interrupt).run("testing", &mut failing).is_err());
        assert_eq!(calls, 3 + 1);
    }
}
