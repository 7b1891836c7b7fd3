//! The mail's plain-text part, which is also the body of the monitor's ping.

use crate::record::run_record::{Level, RunRecord};
use crate::report::message::facts::facts;
use crate::report::message::figures::{self, Figure};
use crate::report::message::{headline, tasks};

/// The run in plain text: the outcome, errors and warnings, figures, facts, and the tasks.
pub(crate) fn plain_text(record: &RunRecord) -> String {
    let mut lines = vec![headline::headline(record)];
    lines.extend(figures::last_good(record));
    lines.push(headline::place_and_counts(record));
    for (level, title) in [(Level::Error, "Errors"), (Level::Warning, "Warnings")] {
        let notes: Vec<String> =
            tasks::notes(record, level).map(|note| format!("- {}: {}", note.task, note.text)).collect();
        if !notes.is_empty() {
            lines.extend([String::new(), title.to_owned()]);
            lines.extend(notes);
        }
    }
    let mut figures: Vec<Figure> = figures::sent(record).into_iter().chain(figures::last_archives(record)).collect();
    figures.extend(figures::of_folder(record));
    for group in [figures, facts(record)] {
        lines.extend((!group.is_empty()).then(String::new));
        lines.extend(group.iter().flat_map(labelled));
    }
    lines.extend([String::new(), "Tasks".to_owned()]);
    for report in tasks::listed(record) {
        let line = format!("{:<10} {:<18} {}", tasks::state(report.state), report.task, tasks::ending(report));
        lines.push(line.trim_end().to_owned());
    }
    lines.extend([String::new(), headline::origin(record), String::new()]);
    lines.join("\n")
}

fn labelled(figure: &Figure) -> Vec<String> {
    let first = format!("{:<18} {}", figure.label, figure.value);
    [first].into_iter().chain(figure.notes.iter().map(|note| format!("{:<18} {note}", ""))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::message::samples;

    #[test]
    fn each_kind_of_run_in_plain_text() {
        for (name, record) in samples::all() {
            insta::assert_snapshot!(name, plain_text(&record));
        }
    }
}
