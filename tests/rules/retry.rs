//! Retries of transient errors.

use std::time::Duration;

use scripting_system::runtime::interrupt::{Interrupt, Interruption};
use scripting_system::runtime::retry::*;

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
fn retries_end_with_the_last_attempt_or_an_interruption() {
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
