//! The words that all reports share: outcomes, states, dates.

use std::time::Duration;

use chrono::{DateTime, FixedOffset, NaiveDate};

use crate::record::run_record::{Delivery, Level, Note, Outcome, RunRecord, State, TaskReport};
use crate::record::task::Task;
use crate::rules::units;
use crate::runtime::interrupt::Interruption;

/// The outcome in a few words, for a subject line.
pub(crate) fn outcome(record: &RunRecord) -> String {
    let words = match record.outcome() {
        Outcome::Success if record.is_delivered() => delivered(record).to_owned(),
        Outcome::Success => "nothing was changed".to_owned(),
        Outcome::Warnings if record.is_delivered() => {
            let end = match record.interruption {
                Some(Interruption::Deadline) => ", then out of time",
                Some(_) => ", then interrupted",
                None => "",
            };
            format!("{}{end}{}", delivered(record), with_counts(record, 0))
        }
        Outcome::Warnings if is_stale(record) => format!("nothing new: the dump is stale{}", with_counts(record, 1)),
        Outcome::Warnings => format!("nothing new{}", with_counts(record, 0)),
        Outcome::Failed => match first_failure(record) {
            Some(task) => format!("FAILED at {task}"),
            None => "FAILED".to_owned(),
        },
        Outcome::Interrupted(_) => "interrupted".to_owned(),
    };
    if record.dry_run { format!("dry run: {words}") } else { words }
}

/// The outcome as a sentence, for the top of a report.
pub(crate) fn headline(record: &RunRecord) -> String {
    let sentence = match record.outcome() {
        Outcome::Success | Outcome::Warnings if record.is_delivered() => {
            let how = match record.delivery {
                Some(Delivery::Replaced) => {
                    "The dump was delivered and verified; it took the place of an archive of the same name"
                }
                Some(Delivery::AlreadyThere) => "Already delivered: the same archive lies on the server",
                Some(Delivery::Sent) | None => "The dump was delivered and verified",
            };
            match record.interruption {
                Some(interruption) => format!("{how}. Then {}", cut_off(interruption)),
                None => how.to_owned(),
            }
        }
        Outcome::Warnings if is_stale(record) => "Nothing new was delivered: the dump is stale".to_owned(),
        Outcome::Success | Outcome::Warnings if record.dry_run => "Nothing was changed, as asked".to_owned(),
        Outcome::Success | Outcome::Warnings => "Nothing new was delivered".to_owned(),
        Outcome::Failed => match (first_failure(record), record.interruption) {
            (Some(task), None) => format!("FAILED at {task}: nothing new was delivered"),
            (_, Some(interruption)) => format!("FAILED: {}; nothing new was delivered", cut_off(interruption)),
            (None, None) => "FAILED: nothing new was delivered".to_owned(),
        },
        Outcome::Interrupted(signal) => format!("Interrupted: {}; nothing new was delivered", cut_off(signal)),
    };
    let rehearsal = if record.dry_run { "Dry run. " } else { "" };
    format!("{rehearsal}{sentence}.")
}

fn delivered(record: &RunRecord) -> &'static str {
    if record.delivery == Some(Delivery::AlreadyThere) { "already delivered" } else { "delivered" }
}

fn cut_off(interruption: Interruption) -> &'static str {
    match interruption {
        Interruption::Sigint => "SIGINT (Ctrl-C) ended the run",
        Interruption::Sigterm => "SIGTERM ended the run",
        Interruption::Deadline => "the run was ended after run.deadline_minutes",
    }
}

/// Whether nothing was delivered because the dump is stale.
pub(crate) fn is_stale(record: &RunRecord) -> bool {
    !record.is_delivered() && record.task(Task::CompareDates).state == State::Warned
}

/// The first of the essential tasks that failed: the cause, as the others were stopped.
fn first_failure(record: &RunRecord) -> Option<Task> {
    let mut essential = record.tasks().iter().filter(|report| report.task.is_essential());
    essential.find(|report| report.state == State::Failed).map(|report| report.task)
}

/// ", 1 error, 2 warnings": what there is of them, where there are more warnings than `told` already.
fn with_counts(record: &RunRecord, told: usize) -> String {
    let mut words = String::new();
    if record.errors() > 0 {
        words.push_str(&format!(", {}", units::count(record.errors(), "error")));
    }
    if record.warnings() > told {
        words.push_str(&format!(", {}", units::count(record.warnings(), "warning")));
    }
    words
}

/// "db1, 23 Nov 2026, 1 error, 2 warnings", free of control characters.
pub(crate) fn place_and_counts(record: &RunRecord) -> String {
    record.clean(&format!("{}, {}{}", record.host, date(record.today), with_counts(record, 0)))
}

/// A task's state in one or two words.
pub(crate) fn state(state: State) -> &'static str {
    match state {
        State::Pending => "not begun",
        State::UnderWay => "unfinished",
        State::Done => "ok",
        State::Warned => "warning",
        State::Failed => "FAILED",
        State::Skipped => "skipped",
        State::Stopped => "stopped",
    }
}

/// The tasks for a table: all, but for the report itself while it is being made.
pub(crate) fn told_tasks(record: &RunRecord) -> impl Iterator<Item = &TaskReport> {
    record
        .tasks()
        .iter()
        .filter(|report| report.task != Task::Report || !matches!(report.state, State::Pending | State::UnderWay))
}

/// How a task ended, with how long it took where that is worth knowing.
pub(crate) fn ending(report: &TaskReport) -> String {
    match report.duration.filter(|duration| *duration >= Duration::from_millis(100)) {
        Some(duration) if report.text.is_empty() => units::duration(duration),
        Some(duration) => format!("{} ({})", report.text, units::duration(duration)),
        None => report.text.clone(),
    }
}

/// The notes of `level`, in the order in which they were told.
pub(crate) fn notes(record: &RunRecord, level: Level) -> Vec<&Note> {
    record.notes().iter().filter(|note| note.level == level).collect()
}

/// "23 Nov".
pub(crate) fn day(date: NaiveDate) -> String {
    date.format("%-d %b").to_string()
}

/// "23 Nov 2026".
pub(crate) fn date(date: NaiveDate) -> String {
    date.format("%-d %b %Y").to_string()
}

/// "23 Nov 2026 22:58:04 +01:00".
pub(crate) fn moment(moment: DateTime<FixedOffset>) -> String {
    moment.format("%-d %b %Y %H:%M:%S %:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::message::samples;

    #[test]
    fn a_signal_after_the_delivery_does_not_hide_the_delivery() {
        let mut record = samples::clean_night();
        record.interruption = Some(Interruption::Sigterm);
        assert_eq!(outcome(&record), "delivered, then interrupted");
        assert_eq!(headline(&record), "The dump was delivered and verified. Then SIGTERM ended the run.");
    }

    #[test]
    fn a_run_out_of_time_has_failed_and_says_why() {
        let mut record = samples::begun();
        record.interruption = Some(Interruption::Deadline);
        assert_eq!(outcome(&record), "FAILED");
        assert_eq!(
            headline(&record),
            "FAILED: the run was ended after run.deadline_minutes; nothing new was delivered."
        );
    }

    #[test]
    fn a_dry_run_never_claims_a_delivery() {
        let mut record = samples::begun();
        record.dry_run = true;
        assert_eq!(headline(&record), "Dry run. Nothing was changed, as asked.");
    }
}
