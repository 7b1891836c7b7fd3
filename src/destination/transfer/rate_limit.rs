//! Limits the rate of an upload over all its connections together.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::runtime::interrupt::{Interrupt, Interrupted};

/// The rate is even over this time.
const EVEN_OVER: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct RateLimit {
    bytes_per_second: u64,
    /// When the bytes that were let through so far are used up.
    free_at: Mutex<Instant>,
}

impl RateLimit {
    pub(crate) fn new(bytes_per_second: u64) -> RateLimit {
        RateLimit { bytes_per_second, free_at: Mutex::new(Instant::now()) }
    }

    /// The number of bytes to [wait](RateLimit::wait) for at a time.
    pub(crate) fn piece(&self) -> usize {
        let bytes = self.bytes_per_second as f64 * EVEN_OVER.as_secs_f64();
        // A cast from float to integer saturates.
        (bytes as usize).max(1)
    }

    /// Waits until `count` more bytes may be sent, or the run is interrupted.
    pub(crate) fn wait(&self, count: usize, interrupt: &Interrupt) -> Result<(), Interrupted> {
        let pause = {
            let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let start = (*free_at).max(now);
            *free_at = start + Duration::from_secs_f64(count as f64 / self.bytes_per_second as f64);
            start - now
        };
        interrupt.pause(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_share_the_rate() {
        let (limit, interrupt) = (RateLimit::new(20_000), Interrupt::new());
        assert_eq!(limit.piece(), 2_000);
        let started = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..3).for_each(|_| limit.wait(2_000, &interrupt).unwrap()));
            }
        });
        let elapsed = started.elapsed();
        assert!(elapsed >= Duration::from_millis(500) && elapsed < Duration::from_millis(2_000), "{elapsed:?}");
    }
}
