//! The lines that `status` prints for a monitoring system, with performance data (Monitoring Plugins Development Guidelines).

use std::time::Duration;

use chrono::TimeDelta;

use crate::rules::health::{Health, HealthReport, Limits, Newest, Problem};
use crate::rules::redaction::printable;
use crate::rules::units;

/// Longer texts are truncated: pagers and databases do so anyway, and the performance data must be kept.
const MAX_TEXT_CHARS: usize = 500;

/// The result of checking one job.
pub(super) struct Report {
    pub(super) health: Health,
    text: String,
    /// Performance data.
    figures: Vec<String>,
}

impl Report {
    /// `free` is in bytes, if the server reports it; `remark` is appended to the text.
    pub(super) fn new(checkup: &HealthReport, limits: Limits, free: Option<u64>, remark: Option<&str>) -> Report {
        let mut parts = Vec::new();
        parts.extend(checkup.newest.as_ref().map(|newest| describe(newest, &checkup.problems, limits)));
        parts.extend(checkup.problems.iter().filter_map(text));
        parts.extend(remark.map(str::to_owned));
        Report { health: checkup.health(), text: parts.join("; "), figures: figures(checkup, limits, free) }
    }

    pub(super) fn without_figures(health: Health, text: impl Into<String>) -> Report {
        Report { health, text: text.into(), figures: Vec::new() }
    }
}

/// The report of one job, without a line break.
pub(super) fn line(Report { health, text, figures }: &Report) -> String {
    let line = format!("SCRIPTING-SYSTEM {} - {}", state(*health), shown(text));
    if figures.is_empty() { line } else { format!("{line} | {}", figures.join(" ")) }
}

/// The reports of several jobs with their names: a line with the worst state and numbers, a line for each job, the worst first,
/// and the performance data of the jobs, whose labels begin with the job's name.
pub(super) fn lines(reports: &[(String, Report)]) -> String {
    let with = |state: Health| reports.iter().filter(move |(_, report)| report.health == state);
    let states = WORST_FIRST.map(|state| (state, with(state).count()));
    let counts = states.iter().filter(|(_, count)| *count > 0).map(|(it, count)| format!("{count} {}", state(*it)));
    let text = format!("{}: {}", units::count(reports.len(), "job"), counts.collect::<Vec<_>>().join(", "));
    let text = text.trim_end_matches(": ").to_owned();
    let counts = states.map(|(it, count)| format!("{}={count};;;0", state(it).to_lowercase()));
    let mut lines = vec![line(&Report { health: worst(reports), text, figures: counts.to_vec() })];
    let jobs = WORST_FIRST.into_iter().flat_map(with);
    lines.extend(jobs.map(|(name, it)| format!("{} {}: {}", state(it.health), shown(name), shown(&it.text))));
    // A label cannot contain these characters.
    let label = |name: &str| shown(name).replace(['\'', '='], "_");
    let of_jobs = reports.iter().flat_map(|(name, report)| {
        report
            .figures
            .iter()
            .filter_map(|figure| figure.split_once('='))
            .map(move |(what, value)| format!("'{} {what}'={value}", label(name)))
    });
    let figures: Vec<String> = of_jobs.collect();
    lines.join("\n") + &if figures.is_empty() { String::new() } else { format!(" | {}", figures.join("\n")) }
}

const WORST_FIRST: [Health; 4] = [Health::Critical, Health::Unknown, Health::Warning, Health::Ok];

pub(super) fn worst(reports: &[(String, Report)]) -> Health {
    let is_any = |health: &Health| reports.iter().any(|(_, report)| report.health == *health);
    WORST_FIRST.into_iter().find(is_any).unwrap_or(Health::Ok)
}

fn state(health: Health) -> &'static str {
    match health {
        Health::Ok => "OK",
        Health::Warning => "WARNING",
        Health::Critical => "CRITICAL",
        Health::Unknown => "UNKNOWN",
    }
}

fn shown(text: &str) -> String {
    // The text after a vertical bar is read as performance data.
    let mut text = printable(text).replace('|', "\\u{7c}");
    if let Some((cut, _)) = text.char_indices().nth(MAX_TEXT_CHARS) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// "20262311.tgz is 9 h old, 3.24 MiB", with the limits that it exceeds.
fn describe(newest: &Newest, problems: &[Problem], limits: Limits) -> String {
    let age = if problems.contains(&Problem::TooOld) {
        let age = units::duration(newest.age.to_std().unwrap_or(Duration::ZERO));
        format!("{age} old (more than {})", limit(limits.max_age))
    } else {
        format!("{} old", units::age(newest.age))
    };
    let size = newest.size.map_or_else(|| "of unknown size".to_owned(), units::size);
    let least = match limits.min_size {
        Some(least) if problems.contains(&Problem::TooSmall) => format!(" (less than {})", units::exact_size(least)),
        _ => String::new(),
    };
    format!("{} is {age}, {size}{least}", newest.name)
}

/// Omits the newest archive's age and size, which [`describe`] reports.
fn text(problem: &Problem) -> Option<String> {
    Some(match problem {
        Problem::TooOld | Problem::TooSmall | Problem::UnknownSize => return None,
        Problem::NoDrill(history) => format!("the last drill failed, or is too old: {history}"),
        Problem::NoArchive => "no archive on the server".to_owned(),
        Problem::UnusualSize(suspicion) => suspicion.to_string(),
        Problem::ClockAhead { by } => {
            format!(
                "it was written {} in the future: set the clock that is wrong, the server's or ours",
                units::age(*by)
            )
        }
        Problem::DatedAhead { name } => format!("{name} is dated after today"),
        Problem::HeldBack(cause) => format!("removal is held back: {cause}"),
        Problem::Unpruned { count } => {
            format!("{} expired more than a week ago are still there: run prune", units::count(*count, "archive"))
        }
        Problem::Leftovers { count, example } => {
            format!("{} of interrupted runs stayed, such as {example}", units::count(*count, "leftover"))
        }
    })
}

/// The exact limit: "26 h", "90 min", "45 s".
fn limit(limit: TimeDelta) -> String {
    let seconds = limit.num_seconds();
    match (seconds % 3600, seconds % 60) {
        (0, _) => format!("{} h", seconds / 3600),
        (_, 0) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

/// The performance data: `label=value[unit];[warning];[critical];[minimum]`. A threshold is the range of good values: `N` is
/// 0 to N, `N:` is N or more.
fn figures(checkup: &HealthReport, limits: Limits, free: Option<u64>) -> Vec<String> {
    let mut figures = Vec::new();
    if let Some(newest) = &checkup.newest {
        figures.push(format!("age={}s;;{};0", newest.age.num_seconds(), limits.max_age.num_seconds()));
        let least = limits.min_size.map_or_else(String::new, |least| format!("{least}:"));
        figures.extend(newest.size.map(|size| format!("size={size}B;;{least};0")));
    }
    figures.push(format!("archives={};;;0", checkup.archives));
    let max_drill_age = limits.max_drill_age.unwrap_or_default().num_seconds();
    figures.extend(checkup.drill_age.map(|age| format!("drill_age={}s;;{max_drill_age};0", age.num_seconds())));
    figures.extend(free.map(|free| format!("free={free}B;;;0")));
    figures
}

#[cfg(test)]
mod tests;
