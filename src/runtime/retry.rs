//! Retries after transient errors.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::runtime::error_chain::with_causes;
use crate::runtime::interrupt::Interrupt;

pub trait Retryable: Error {
    /// Whether a retry can succeed: not after a refused password, a changed host key or a missing page.
    fn is_transient(&self) -> bool;

    /// The wait that the server requested (RFC 9110 section 10.2.3).
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The maximum number of attempts, at least 1.
    pub attempts: u32,
    /// The pause after the first failure; each further one doubles it.
    pub first_pause: Duration,
    pub max_pause: Duration,
}

impl RetryPolicy {
    /// A single attempt.
    pub const ONCE: RetryPolicy = RetryPolicy { attempts: 1, first_pause: Duration::ZERO, max_pause: Duration::ZERO };
}

/// Retries and counts the retries. All clones share one counter.
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

    /// The number of retries so far.
    pub fn count(&self) -> u32 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Calls `attempt` until it succeeds, fails with a permanent error, or no attempts are left. `action` is for the log:
    /// "downloading the ZIP".
    pub fn run<T, E: Retryable>(&self, action: &str, mut attempt: impl FnMut() -> Result<T, E>) -> Result<T, E> {
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
            let requested = error.retry_after().unwrap_or_default().min(self.policy.max_pause);
            let pause = pause.max(requested);
            tracing::info!(
                "{action} failed, trying again in {:.1} s ({} of {}): {}",
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

/// The pause after the given number of failures, at least 1.
fn pause_after(failures: u32, policy: RetryPolicy) -> Duration {
    let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
    policy.first_pause.saturating_mul(factor).min(policy.max_pause)
}

/// Shortens `pause` by up to a half, depending on `random` (0 to 1), so that many machines do not retry simultaneously.
fn jittered(pause: Duration, random: f64) -> Duration {
    pause.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_maximum() {
        const POLICY: RetryPolicy =
            RetryPolicy { attempts: 3, first_pause: Duration::from_secs(1), max_pause: Duration::from_secs(30) };
        let seconds: Vec<u64> = (1..8).map(|failures| pause_after(failures, POLICY).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pause_after(u32::MAX, POLICY), POLICY.max_pause);
        assert_eq!(jittered(Duration::from_secs(2), 0.0), Duration::from_secs(1));
        assert_eq!(jittered(Duration::from_secs(2), 1.0), Duration::from_secs(2));
    }
}
