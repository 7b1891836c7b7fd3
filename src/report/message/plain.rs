//! The mail's subject and its plain-text part.

use std::iter;

use crate::record::run_record::{Level, RunRecord};
use crate::report::message::chart::Chart;
use crate::report::message::facts::facts;
use crate::report::message::figures::{self, Figure};
use crate::report::message::headline;

/// The mail's subject: `prefix`, the outcome, the host and the date. One line without control characters.
pub(crate) fn subject(record: &RunRecord, prefix: &str) -> String {
    let told = format!("{}, {} ({})", headline::outcome(record), record.host, headline::date(record.today));
    let prefix = prefix.trim().trim_end_matches(':');
    record.clean(&if prefix.is_empty() { told } else { format!("{prefix}: {told}") })
}

/// The run as an operator reads it at breakfast: the outcome, what went wrong, the facts, the tasks.
pub(crate) fn plain_text(record: &RunRecord) -> String {
    let mut lines = vec![headline::headline(record)];
    lines.extend(figures::last_good(record));
    lines.push(headline::place_and_counts(record));
    for (level, title) in [(Level::Error, "Errors"), (Level::Warning, "Warnings")] {
        let notes = headline::notes(record, level);
        if !notes.is_empty() {
            lines.extend([String::new(), title.to_owned()]);
            lines.extend(notes.into_iter().map(|note| format!("- {}: {}", note.task, note.text)));
        }
    }
    let figures = read_first(record);
    if !figures.is_empty() {
        lines.push(String::new());
    }
    for figure in figures {
        lines.extend(labelled(figure.label, iter::once(figure.value).chain(figure.notes)));
    }
    lines.push(String::new());
    for fact in facts(record) {
        lines.extend(labelled(fact.label, fact.lines));
    }
    lines.extend([String::new(), "Tasks".to_owned()]);
    for report in headline::told_tasks(record) {
        let line = format!("{:<10} {:<18} {}", headline::state(report.state), report.task, headline::ending(report));
        lines.push(line.trim_end().to_owned());
    }
    lines.extend([String::new(), origin(record)]);
    lines.push(String::new());
    lines.join("\n")
}

/// What is read first, with the chart among it.
fn read_first(record: &RunRecord) -> Vec<Figure> {
    let chart = Chart::of(record).map(|chart| {
        let span = chart.span().map(|(first, last)| format!("{} to {}", headline::date(first), headline::date(last)));
        let dot = chart.has_gaps().then(|| "a dot is a night without".to_owned());
        let told = [span, chart.sizes(), chart.cut_off(), dot].into_iter().flatten().collect();
        Figure { label: "Last archives", value: chart.sparkline(), notes: told }
    });
    let figures = [
        figures::sent(record),
        chart,
        figures::removed(record),
        figures::nights_without(record).map(|figure| Figure { label: "Nights without", ..figure }),
        figures::free(record),
    ];
    figures.into_iter().flatten().collect()
}

/// `lines` beside their label.
fn labelled(label: &str, lines: impl IntoIterator<Item = String>) -> Vec<String> {
    let labels = iter::once(label).chain(iter::repeat(""));
    labels.zip(lines).map(|(label, line)| format!("{label:<18} {line}")).collect()
}

/// Which run this is: its name, host, date and start.
pub(crate) fn origin(record: &RunRecord) -> String {
    record.clean(&format!(
        "Run {} on {} for {}, begun {}.",
        record.run_id,
        record.host,
        headline::date(record.today),
        headline::moment(record.started)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::task::Task;
    use crate::report::message::samples;
    use crate::runtime::interrupt::Interruption;

    #[test]
    fn the_subject_tells_outcome_host_and_date() {
        let mut interrupted = samples::begun();
        interrupted.interruption = Some(Interruption::Sigint);
        let mut warned = samples::clean_night();
        warned.note(Level::Warning, Task::RemoveExpired, "20261211.tgz could not be removed");
        let told: Vec<String> =
            [samples::clean_night(), warned, samples::stale_night(), samples::failed_night(), interrupted]
                .iter()
                .map(|record| subject(record, "My daily report"))
                .collect();
        assert_eq!(
            told,
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
        let mut record = samples::clean_night();
        record.host = "db1\r\nBcc: x@example.org".to_owned();
        let subject = subject(&record, "a\nb");
        assert!(!subject.contains(['\r', '\n']), "{subject}");
    }

    #[test]
    fn clean_night() {
        insta::assert_snapshot!(plain_text(&samples::clean_night()));
    }

    #[test]
    fn stale_night() {
        insta::assert_snapshot!(plain_text(&samples::stale_night()));
    }

    #[test]
    fn failed_night() {
        insta::assert_snapshot!(plain_text(&samples::failed_night()));
    }

    #[test]
    fn first_host_key() {
        insta::assert_snapshot!(plain_text(&samples::first_host_key()));
    }

    #[test]
    fn good_night() {
        insta::assert_snapshot!(plain_text(&samples::good_night()));
    }

    #[test]
    fn stale_after_many_nights() {
        insta::assert_snapshot!(plain_text(&samples::stale_after_many_nights()));
    }

    #[test]
    fn unreachable_web_server() {
        insta::assert_snapshot!(plain_text(&samples::unreachable_web_server()));
    }

    #[test]
    fn refused_login() {
        insta::assert_snapshot!(plain_text(&samples::refused_login()));
    }

    #[test]
    fn first_night() {
        insta::assert_snapshot!(plain_text(&samples::first_night()));
    }

    #[test]
    fn held_back_removal() {
        insta::assert_snapshot!(plain_text(&samples::held_back_removal()));
    }
}
