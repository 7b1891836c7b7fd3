//! The colours that the reports give to outcomes and states. Each is in the middle between white and black, so that it
//! can be read on both.

use crate::record::run_record::{Outcome, RunRecord, State};

/// All is well.
pub(crate) const GREEN: &str = "#298c48";
/// Worth a look.
pub(crate) const AMBER: &str = "#b06900";
/// Something failed.
pub(crate) const RED: &str = "#dd3336";
/// Of no matter.
pub(crate) const GREY: &str = "#787878";
/// What is only shown.
pub(crate) const BLUE: &str = "#7d9dc4";

/// The colour of how the run ended.
pub(crate) fn of_outcome(record: &RunRecord) -> &'static str {
    match record.outcome() {
        Outcome::Success => GREEN,
        Outcome::Warnings => AMBER,
        Outcome::Failed | Outcome::Interrupted(_) => RED,
    }
}

/// The colour of how a task ended.
pub(crate) fn of_state(state: State) -> &'static str {
    match state {
        State::Done => GREEN,
        State::Warned => AMBER,
        State::Failed => RED,
        State::Pending | State::UnderWay | State::Skipped | State::Stopped => GREY,
    }
}
