//! The mail's plain-text part, which is also the body of the final ping to the monitor.

use crate::record::run_record::{Level, RunRecord};
use crate::report::message::facts::facts;
use crate::report::message::figures::{self, Figure};
use crate::report::message::{headline, tasks};

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
    }
}
