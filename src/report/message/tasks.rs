//! The tasks and notes of a run, as the reports list them.

use std::time::Duration;

use crate::record::run_record::{Level, Note, RunRecord, State, TaskReport};
use crate::record::task::Task;
use crate::rules::units;

/// A shorter duration is omitted.
const MIN_DURATION: Duration = Duration::from_millis(100);

pub(crate) fn state(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::UnderWay => "unfinished",
        State::Done => "ok",
        State::Warned => "warning",
        State::Failed => "FAILED",
        State::Skipped => "skipped",
        State::Stopped => "incomplete",
    }
}

/// All tasks, except Report while it is unfinished.
pub(crate) fn listed(record: &RunRecord) -> impl Iterator<Item = &TaskReport> {
    let is_unfinished = |report: &TaskReport| matches!(report.state, State::Pending | State::UnderWay);
    record.tasks().filter(move |report| report.task != Task::Report || !is_unfinished(report))
}

/// The task's result and how long it took.
pub(crate) fn result(report: &TaskReport) -> String {
    match report.duration.filter(|duration| *duration >= MIN_DURATION) {
        Some(duration) if report.text.is_empty() => units::duration(duration),
        Some(duration) => format!("{} ({})", report.text, units::duration(duration)),
        None => report.text.clone(),
    }
}

/// The notes of `level`, oldest first.
pub(crate) fn notes(record: &RunRecord, level: Level) -> impl Iterator<Item = &Note> {
    record.notes().iter().filter(move |note| note.level == level)
}
