//! The sections `retry` and `run`: how often and how long a run tries.

use std::time::Duration;

use crate::config::kind::whole;
use crate::config::section::{Section, keys};
use crate::runtime::retry::RetryPolicy;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub deadline: Duration,
}

pub(in crate::config) fn read_retry(keys: &mut Section<'_, '_>) -> Option<RetryPolicy> {
    keys! { keys:
        /// How many times an operation is tried in total.
        attempts = with_default(whole(1..=20), 3);
        /// The first pause between attempts, in seconds; each further pause is twice as long.
        first_pause_seconds = with_default(whole(0..=3_600), 1);
        /// The longest pause between attempts, in seconds; not less than the first one.
        max_pause_seconds = with_default(whole(0..=3_600), 30);
    }
    let (first, longest) = (first_pause_seconds?, max_pause_seconds?);
    if first > longest {
        keys.refuse(
            "max_pause_seconds",
            format!("{longest} is less than retry.first_pause_seconds ({first})"),
            "raise it, or lower retry.first_pause_seconds",
        );
    }
    Some(RetryPolicy {
        attempts: attempts?,
        first_pause: Duration::from_secs(first),
        max_pause: Duration::from_secs(longest),
    })
}

pub(in crate::config) fn read(keys: &mut Section<'_, '_>) -> Option<Run> {
    keys! { keys:
        /// The time limit of a run without its reports, in minutes.
        deadline_minutes = with_default(whole(1..=10_080), 360);
    }
    Some(Run { deadline: Duration::from_secs(deadline_minutes? * 60) })
}
