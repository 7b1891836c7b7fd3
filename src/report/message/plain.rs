//! The mail's plain-text part, which is also the body of the final ping to the monitor.

use crate::record::run_record::{Level, RunRecord};
use crate::report::message::facts::facts;
use crate::report::message::figures::{self, Figure};
use crate::report::message::overview::{self, Row};
use crate::report::message::{headline, tasks};

/// Longer names are not aligned.
const MAX_NAME: usize = 24;

/// The log files have the others.
const MAX_IN_FULL: usize = 20;

pub(crate) fn plain_text(record: &RunRecord) -> String {
    let mut lines = vec![headline::headline(record)];
    lines.extend(figures::last_good(record));
    lines.push(headline::host_date_and_counts(record));
    for (level, title) in [(Level::Error, "Errors"), (Level::Warning, "Warnings")] {
        let notes: Vec<String> =
            tasks::notes(record, level).map(|note| format!("- {}: {}", note.task, note.text)).collect();
        if !notes.is_empty() {
            lines.extend([String::new(), title.to_owned()]);
            lines.extend(notes);
        }
    }
    if record.not_begun.is_some() {
        return lines.join("\n") + "\n";
    }
    let mut figures: Vec<Figure> = figures::sent(record).into_iter().chain(figures::last_archives(record)).collect();
    figures.extend(figures::folder_figures(record));
    for group in [figures, facts(record)] {
        lines.extend((!group.is_empty()).then(String::new));
        lines.extend(group.iter().flat_map(figure_lines));
    }
    lines.extend([String::new(), "Tasks".to_owned()]);
    for report in tasks::listed(record) {
        let line = format!("{:<10} {:<18} {}", tasks::state(report.state), report.task, tasks::result(report));
        lines.push(line.trim_end().to_owned());
    }
    lines.extend([String::new(), headline::origin(record), String::new()]);
    lines.join("\n")
}

/// The plain text about several jobs: a line or two for each, then the failed ones in full.
pub(crate) fn overview(records: &[RunRecord]) -> String {
    let mut text = format!("{}\n{}\n\n", overview::headline(records), overview::host_date_and_counts(records));
    let rows = overview::rows(records);
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default().min(MAX_NAME);
    for Row { name, outcome, size, last_good, to_do, .. } in &rows {
        let size = match size {
            Some((size, Some(percent))) => format!(", {size} ({percent} % of the usual size)"),
            Some((size, None)) => format!(", {size}"),
            None => String::new(),
        };
        text += &format!("{name:<width$}  {outcome}{size}; last good archive: {last_good}\n");
        if !to_do.is_empty() {
            text += &format!("{:<width$}  {to_do}\n", "");
        }
    }
    for row in rows.iter().filter(|row| overview::has_failed(row.record)).take(MAX_IN_FULL) {
        text += &format!("\n--- {} ---\n\n{}", row.name, plain_text(row.record));
    }
    text
}

fn figure_lines(figure: &Figure) -> Vec<String> {
    let first = format!("{:<18} {}", figure.label, figure.value);
    [first].into_iter().chain(figure.notes.iter().map(|note| format!("{:<18} {note}", ""))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::message::samples;

    #[test]
    fn each_kind_of_run_has_its_plain_text() {
        for (name, record) in samples::all() {
            insta::assert_snapshot!(name, plain_text(&record));
        }
        insta::assert_snapshot!("jobs", overview(&samples::jobs()));
    }
}
