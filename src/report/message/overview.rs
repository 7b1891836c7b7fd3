//! Several jobs in one report: its subject and headline, and a row for each job, the worst first.

use crate::record::run_record::{Level, NotBegun, Outcome, RunRecord};
use crate::report::message::{colour, headline, tasks};
use crate::rules::alarm;
use crate::rules::redaction::printable;
use crate::rules::units;

/// Names in the headline and the subject; the table has all.
const MAX_NAMES: usize = 5;

/// In characters: the details have the rest.
const MAX_TO_DO: usize = 240;

/// Texts without secrets and control characters.
pub(crate) struct Row<'a> {
    pub(crate) record: &'a RunRecord,
    pub(crate) name: String,
    pub(crate) colour: &'static str,
    pub(crate) outcome: String,
    /// The new archive's size, and its percentage of the usual size if there are earlier archives.
    pub(crate) size: Option<(String, Option<u64>)>,
    /// The age of the last good archive.
    pub(crate) last_good: String,
    /// The first error or warning, with its fix; empty after a success.
    pub(crate) to_do: String,
}

/// The worst first, otherwise in the order of `records`.
pub(crate) fn rows(records: &[RunRecord]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = records.iter().map(row).collect();
    rows.sort_by_key(|row| severity(row.record));
    rows
}

fn row(record: &RunRecord) -> Row<'_> {
    let mut outcome = headline::outcome(record);
    if let Some(first) = outcome.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Row {
        record,
        name: printable(&record.name),
        colour: colour::for_outcome(record),
        outcome: record.clean(&outcome),
        size: record.archive.as_ref().filter(|_| record.is_delivered()).map(|archive| {
            let history = record.folder.as_ref().map_or(&[][..], |folder| &folder.archives);
            let usual = alarm::median_of_earlier(record.today, history).filter(|(usual, _)| *usual > 0);
            let percent = usual.map(|(usual, _)| u128::from(archive.size) * 100 / u128::from(usual));
            (units::size(archive.size), percent.map(|percent| u64::try_from(percent).unwrap_or(u64::MAX)))
        }),
        last_good: last_good(record),
        to_do: to_do(record),
    }
}

fn last_good(record: &RunRecord) -> String {
    let date = match &record.folder {
        _ if record.is_delivered() => Some(record.today),
        Some(folder) => folder.archives.last().map(|archive| archive.date),
        None => return "unknown".to_owned(),
    };
    match date.map(|date| (record.started.date_naive() - date).num_days()) {
        None => "none".to_owned(),
        Some(..=0) => "today".to_owned(),
        Some(days) => format!("{} old", units::count(days, "day")),
    }
}

fn to_do(record: &RunRecord) -> String {
    let first = |level| tasks::notes(record, level).next();
    let Some(note) = first(Level::Error).or_else(|| first(Level::Warning)) else { return String::new() };
    let text = format!("{}: {}", note.task, note.text);
    match text.char_indices().nth(MAX_TO_DO) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Whether the job failed: nothing new was delivered, and nothing else explains that.
pub(crate) fn has_failed(record: &RunRecord) -> bool {
    severity(record) == Severity::Failed
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Severity {
    Failed,
    NotBegun,
    Warned,
    Fine,
}

fn severity(record: &RunRecord) -> Severity {
    match record.outcome() {
        Outcome::Failed | Outcome::Interrupted(_) | Outcome::NotBegun(NotBegun::Misconfigured) => Severity::Failed,
        Outcome::NotBegun(NotBegun::AlreadyRunning) => Severity::NotBegun,
        Outcome::Warnings => Severity::Warned,
        Outcome::Success => Severity::Fine,
    }
}

/// "2 of 12 failed: shop, blog · My daily report". One line without control characters.
pub(crate) fn subject(records: &[RunRecord], prefix: &str) -> String {
    let (summary, prefix) = (summary(records), printable(prefix.trim()));
    if prefix.is_empty() { summary } else { format!("{summary} · {prefix}") }
}

/// The worst outcome, how many jobs have it, and their names.
fn summary(records: &[RunRecord]) -> String {
    let total = records.len();
    let worst = records.iter().map(severity).min().unwrap_or(Severity::Fine);
    let names: Vec<String> =
        records.iter().filter(|record| severity(record) == worst).map(|record| printable(&record.name)).collect();
    let what = match worst {
        Severity::Failed => "failed",
        Severity::NotBegun => "not begun",
        Severity::Warned => "with warnings",
        Severity::Fine if records.iter().any(|record| !record.is_delivered()) => {
            return format!("{}: nothing changed", units::count(total, "job"));
        }
        Severity::Fine if total == 1 => return "1 job delivered".to_owned(),
        Severity::Fine => return format!("All {total} jobs delivered"),
    };
    let more = match names.len().saturating_sub(MAX_NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let listed = names.iter().take(MAX_NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    format!("{} of {total} {what}: {listed}{more}", names.len())
}

/// As [`subject`], as a sentence.
pub(crate) fn headline(records: &[RunRecord]) -> String {
    summary(records) + "."
}

/// "db1, 23 Nov 2026: 8 delivered, 1 nothing new, 2 failed, 1 not begun".
pub(crate) fn host_date_and_counts(records: &[RunRecord]) -> String {
    let is_delivered = |record: &&RunRecord| record.is_delivered();
    let is_nothing_new = |record: &&RunRecord| !record.is_delivered() && severity(record) >= Severity::Warned;
    let counts = [
        ("delivered", records.iter().filter(is_delivered).count()),
        ("nothing new", records.iter().filter(is_nothing_new).count()),
        ("failed", records.iter().filter(|record| has_failed(record)).count()),
        ("not begun", records.iter().filter(|record| severity(record) == Severity::NotBegun).count()),
    ];
    let counts: Vec<String> =
        counts.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")).collect();
    let Some(first) = records.first() else { return String::new() };
    first.clean(&format!("{}, {}: {}", first.host, headline::date(first.today), counts.join(", ")))
}

/// The colour of the worst outcome.
pub(crate) fn colour(records: &[RunRecord]) -> &'static str {
    records.iter().min_by_key(|record| severity(record)).map_or(colour::GREY, colour::for_outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::message::samples;

    #[test]
    fn the_subject_names_the_worst_jobs() {
        let records = samples::jobs();
        assert_eq!(subject(&records, "My daily report"), "2 of 12 failed: crm, forum · My daily report");
        assert_eq!(
            host_date_and_counts(&records),
            "db1, 23 Nov 2026: 8 delivered, 1 nothing new, 2 failed, 1 not begun"
        );
        let delivered = [samples::delivered(), samples::delivered()];
        assert_eq!(subject(&delivered, " "), "All 2 jobs delivered");
        let mut many = vec![samples::stale(); 7];
        many.iter_mut().zip('a'..).for_each(|(record, name)| record.name = name.to_string());
        assert_eq!(headline(&many), "7 of 7 with warnings: a, b, c, d, e and 2 more.");
    }

    #[test]
    fn the_worst_jobs_are_first_with_what_to_do() {
        let records = samples::jobs();
        let rows = rows(&records);
        let lines = rows.iter().map(|row| {
            let size = row.size.as_ref().map_or_else(String::new, |(size, percent)| format!("{size} {percent:?}"));
            format!("{} | {} | {size} | {} | {}", row.name, row.outcome, row.last_good, row.to_do)
        });
        insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
    }
}
