//! The colours of outcomes and states. Each has a medium lightness, so that it is readable on white and on black.

use crate::record::run_record::{NotBegun, Outcome, RunRecord, State};

pub(crate) const GREEN: &str = "#298c48";
pub(crate) const AMBER: &str = "#b06900";
pub(crate) const RED: &str = "#dd3336";
pub(crate) const GREY: &str = "#787878";
pub(crate) const BLUE: &str = "#7d9dc4";

pub(crate) fn for_outcome(record: &RunRecord) -> &'static str {
    match record.outcome() {
        Outcome::Success => GREEN,
        Outcome::Warnings | Outcome::NotBegun(NotBegun::AlreadyRunning) => AMBER,
        Outcome::Failed | Outcome::Interrupted(_) | Outcome::NotBegun(NotBegun::Misconfigured) => RED,
    }
}

pub(crate) fn for_state(state: State) -> &'static str {
    match state {
        State::Done => GREEN,
        State::Warned => AMBER,
        State::Failed => RED,
        State::Pending | State::UnderWay | State::Skipped | State::Stopped => GREY,
    }
}
