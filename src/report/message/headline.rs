//! The headline of every report, the subject of the mail, and the formats of dates.

use chrono::{DateTime, FixedOffset, NaiveDate};

use crate::record::run_record::{Delivery, DrillFacts, NotBegun, Outcome, RunRecord, State};
use crate::record::task::Task;
use crate::rules::units;
use crate::runtime::interrupt::Interruption;

/// The mail's subject: `prefix`, the outcome, the host and the date. One line without control characters.
pub(crate) fn subject(record: &RunRecord, prefix: &str) -> String {
    let subject = format!("{}, {} ({})", outcome(record), record.host, date(record.today));
    let prefix = prefix.trim().trim_end_matches(':');
    record.clean(&if prefix.is_empty() { subject } else { format!("{prefix}: {subject}") })
}

/// The outcome in a few words, for the subject.
pub(crate) fn outcome(record: &RunRecord) -> String {
    if let Some(drill) = &record.drill {
        return drill_outcome(record, drill);
    }
    let words = match record.outcome() {
        Outcome::Success if record.is_delivered() => delivered(record).to_owned(),
        Outcome::Success => "nothing changed".to_owned(),
        Outcome::Warnings if record.is_delivered() => {
            let end = match record.interruption {
                Some(Interruption::Deadline) => ", then timed out",
                Some(_) => ", then interrupted",
                None => "",
            };
            format!("{}{end}{}", delivered(record), counts(record, 0))
        }
        Outcome::Warnings if is_stale(record) => format!("nothing new: the dump is stale{}", counts(record, 1)),
        Outcome::Warnings => format!("nothing new{}", counts(record, 0)),
        Outcome::Failed => match first_failure(record) {
            Some(task) => format!("FAILED at {task}"),
            None => "FAILED".to_owned(),
        },
        Outcome::Interrupted(_) => "interrupted".to_owned(),
        Outcome::NotBegun(why) => not_begun(why).to_owned(),
    };
    if record.dry_run { format!("dry run: {words}") } else { words }
}

/// The outcome of a drill, for the subject and the headline; without a full stop.
fn drill_outcome(record: &RunRecord, drill: &DrillFacts) -> String {
    let archive = drill.archive.as_ref().map_or("no archive was restored", |(name, _)| name);
    match (record.outcome(), &drill.findings) {
        (Outcome::Interrupted(_), _) => "Drill interrupted".to_owned(),
        (Outcome::Success | Outcome::Warnings, Some(found)) => {
            format!("Drill passed: {archive} was restored into {}", found.server)
        }
        _ => format!("Drill FAILED at {}: {archive}", first_failure(record).map_or("the start", Task::title)),
    }
}

/// The outcome as a sentence: the first line of the mail, of the Mattermost message and of the command's output.
pub(crate) fn headline(record: &RunRecord) -> String {
    if record.drill.is_some() {
        return record.clean(&(outcome(record) + "."));
    }
    let sentence = match record.outcome() {
        Outcome::Success | Outcome::Warnings if record.is_delivered() => {
            let delivery = match record.delivery {
                Some(Delivery::Replaced) => {
                    "The dump was delivered and verified; it replaced an archive of the same date"
                }
                Some(Delivery::AlreadyThere) => "Already delivered: the same archive is on the server",
                Some(Delivery::Sent) | None => "The dump was delivered and verified",
            };
            match record.interruption {
                Some(interruption) => format!("{delivery}. Then {}", interrupted_by(interruption)),
                None => delivery.to_owned(),
            }
        }
        Outcome::Warnings if is_stale(record) => "Nothing new was delivered: the dump is stale".to_owned(),
        Outcome::Success | Outcome::Warnings if record.dry_run => "Nothing was changed".to_owned(),
        Outcome::Success | Outcome::Warnings => "Nothing new was delivered".to_owned(),
        Outcome::Failed => match (first_failure(record), record.interruption) {
            (Some(task), None) => format!("FAILED at {task}: nothing new was delivered"),
            (_, Some(interruption)) => format!("FAILED: {}; nothing new was delivered", interrupted_by(interruption)),
            (None, None) => "FAILED: nothing new was delivered".to_owned(),
        },
        Outcome::Interrupted(signal) => {
            format!("Interrupted: {}; nothing new was delivered", interrupted_by(signal))
        }
        Outcome::NotBegun(why) => format!("Not begun: {}", not_begun(why)),
    };
    let dry_run = if record.dry_run { "Dry run. " } else { "" };
    format!("{dry_run}{sentence}.")
}

/// "db1, 23 Nov 2026, 1 error, 2 warnings": the second line, without control characters.
pub(crate) fn host_date_and_counts(record: &RunRecord) -> String {
    record.clean(&format!("{}, {}{}", record.host, date(record.today), counts(record, 0)))
}

/// The last line of the mail: the run's ID, host, date and start.
pub(crate) fn origin(record: &RunRecord) -> String {
    let (today, started) = (date(record.today), moment(record.started));
    record.clean(&format!("Run {} on {} for {today}, started {started}.", record.run_id, record.host))
}

fn delivered(record: &RunRecord) -> &'static str {
    if record.delivery == Some(Delivery::AlreadyThere) { "already delivered" } else { "delivered" }
}

fn interrupted_by(interruption: Interruption) -> &'static str {
    match interruption {
        Interruption::Sigint => "SIGINT (Ctrl-C) ended the run",
        Interruption::Sigterm => "SIGTERM ended the run",
        Interruption::Deadline => "the run reached run.deadline_minutes",
    }
}

fn not_begun(why: NotBegun) -> &'static str {
    match why {
        NotBegun::Misconfigured => "the configuration cannot be used",
        NotBegun::AlreadyRunning => "another run is under way",
    }
}

/// Whether nothing was delivered because the dump is stale.
pub(crate) fn is_stale(record: &RunRecord) -> bool {
    !record.is_delivered() && record.task(Task::CompareDates).state == State::Warned
}

/// The first essential task that failed: the cause, as the later ones were stopped.
fn first_failure(record: &RunRecord) -> Option<Task> {
    let mut essential = record.tasks().filter(|report| report.task.is_essential());
    essential.find(|report| report.state == State::Failed).map(|report| report.task)
}

/// ", 1 error, 2 warnings": omits zero errors, and warnings up to the number `expected`.
fn counts(record: &RunRecord, expected: usize) -> String {
    let errors = (record.errors() > 0).then(|| format!(", {}", units::count(record.errors(), "error")));
    let warnings = (record.warnings() > expected).then(|| format!(", {}", units::count(record.warnings(), "warning")));
    errors.into_iter().chain(warnings).collect()
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
    use crate::record::run_record::Level;
    use crate::report::message::samples;

    #[test]
    fn the_subject_has_the_outcome_the_host_and_the_date() {
        let mut interrupted = samples::started();
        interrupted.interruption = Some(Interruption::Sigint);
        let mut warned = samples::delivered();
        warned.note(Level::Warning, Task::RemoveExpired, "20261211.tgz could not be removed");
        let records = [samples::delivered(), warned, samples::stale(), samples::hostile(), interrupted];
        assert_eq!(
            records.map(|record| subject(&record, "My daily report")),
            [
                "My daily report: delivered, db1 (23 Nov 2026)",
                "My daily report: delivered, 1 warning, db1 (23 Nov 2026)",
                "My daily report: nothing new: the dump is stale, 2 warnings, db1 (23 Nov 2026)",
                "My daily report: FAILED at Find dump, db1 (23 Nov 2026)",
                "My daily report: interrupted, db1 (23 Nov 2026)",
            ]
        );
    }

    #[test]
    fn a_host_name_cannot_add_a_header() {
        let mut record = samples::delivered();
        record.host = "db1\r\nBcc: x@example.org".to_owned();
        let subject = subject(&record, "a\nb");
        assert!(!subject.contains(['\r', '\n']), "{subject}");
    }

    #[test]
    fn interruptions_and_dry_runs_are_reported() {
        let mut delivered = samples::delivered();
        delivered.interruption = Some(Interruption::Sigterm);
        let mut timed_out = samples::started();
        timed_out.interruption = Some(Interruption::Deadline);
        let mut dry_run = samples::started();
        dry_run.dry_run = true;
        for (record, words, sentence) in [
            (
                delivered,
                "delivered, then interrupted",
                "The dump was delivered and verified. Then SIGTERM ended the run.",
            ),
            (timed_out, "FAILED", "FAILED: the run reached run.deadline_minutes; nothing new was delivered."),
            (dry_run, "dry run: nothing changed", "Dry run. Nothing was changed."),
        ] {
            assert_eq!((outcome(&record).as_str(), headline(&record).as_str()), (words, sentence));
        }
    }
}
