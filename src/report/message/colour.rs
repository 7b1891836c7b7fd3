//! The colours that the reports give to outcomes and states. Each is in the middle between white and black, so that it
//! can be read on both.

use crate::run_record::{Outcome, RunRecord, State};

/// All is well.
pub(super) const GREEN: &str = "#298c48";
/// Worth a look.
pub(super) const AMBER: &str = "#b06900";
/// Something failed.
pub(super) const RED: &str = "#dd3336";
/// Of no matter.
pub(super) const GREY: &str = "#787878";
/// What is only shown.
pub(super) const BLUE: &str = "#7d9dc4";

/// The colour of how the run ended.
pub(super) fn of_outcome(record: &RunRecord) -> &'static str {
    match record.outcome() {
        Outcome::Success => GREEN,
        Outcome::Warnings => AMBER,
        Outcome::Failed | Outcome::Interrupted(_) => RED,
    }
}

/// The colour of how a task ended.
pub(super) fn of_state(state: State) -> &'static str {
    match state {
        State::Done => GREEN,
        State::Warned => AMBER,
        State::Failed => RED,
        State::Pending | State::UnderWay | State::Skipped | State::Stopped => GREY,
    }
}
