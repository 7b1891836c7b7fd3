//! The sections `retry` and `run`: how often and how long a run tries.

use std::time::Duration;

use crate::config::kind::whole;
use crate::config::mistakes::Refusal;
use crate::config::section::Section;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// At least 1.
    pub attempts: u32,
    pub first_pause: Duration,
    pub max_pause: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub deadline: Duration,
}

pub(in crate::config) fn read_retry(keys: &mut Section<'_, '_>) -> Option<Retry> {
    let attempts = keys.preset("attempts", whole(1..=20).or(3), "How often an operation is tried in all.");
    let first = keys.preset(
        "first_pause_seconds",
        whole(0..=3_600).or(1),
        "How many seconds the first pause takes; each further one takes twice as long.",
    );
    let longest = keys.preset(
        "max_pause_seconds",
        whole(0..=3_600).or(30),
        "How many seconds a pause takes at most; not less than the first one.",
    );
    if first > longest {
        let problem = format!("{longest} is less than retry.first_pause_seconds ({first})");
        keys.refuse("max_pause_seconds", Refusal::new(problem, "raise this one or lower that one"));
    }
    Some(Retry { attempts, first_pause: Duration::from_secs(first), max_pause: Duration::from_secs(longest) })
}

pub(in crate::config) fn read(keys: &mut Section<'_, '_>) -> Option<Run> {
    let minutes = keys.preset(
        "deadline_minutes",
        whole(1..=10_080).or(360),
        "How many minutes the whole run may take, without the reports.",
    );
    Some(Run { deadline: Duration::from_secs(minutes * 60) })
}
