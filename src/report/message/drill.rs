//! The figures that only the report of a drill has.

use crate::record::run_record::DrillFacts;
use crate::report::message::figures::Figure;
use crate::rules::units;

/// What was restored, into which server, and what it contains now and contained after the last drill that passed.
pub(crate) fn figures(drill: &DrillFacts) -> Vec<Figure> {
    let figure = |label, value, notes| Figure { label, value, notes };
    let archive = drill.archive.iter().map(|(name, size)| format!("{name}, {}", units::exact_size(*size)));
    let mut figures: Vec<Figure> = archive.map(|archive| figure("Archive", archive, vec![])).collect();
    let (Some(found), before) = (&drill.findings, drill.before.as_ref()) else { return figures };
    let then = |then: u64| format!("{} after the last drill that passed", units::number(then));
    let word = |passed| if passed { "passed" } else { "FAILED" };
    let checks = found.checks.iter().map(|it| format!("{}: {} ({})", it.name, it.value, word(it.passed)));
    let notices = found.notices.iter().map(|it| format!("{} ({})", it.text, units::count(it.count, "time")));
    let passed = found.checks.iter().filter(|check| check.passed).count();
    figures.extend([
        figure("Restored into", found.server.clone(), vec![]),
        figure("Tables", units::number(found.tables), before.map(|before| then(before.tables)).into_iter().collect()),
        figure("Rows", units::number(found.rows), before.map(|before| then(before.rows)).into_iter().collect()),
        figure("Database size", units::exact_size(found.size), vec![]),
        figure("Checks", format!("{passed} of {} passed", found.checks.len()), checks.collect()),
        figure("Harmless errors", found.notices.len().to_string(), notices.collect()),
    ]);
    figures
}
