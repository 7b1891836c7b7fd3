//! The line that `status` prints for a monitoring system, with performance data (Monitoring Plugins Development Guidelines).

use std::time::Duration;

use chrono::TimeDelta;

use crate::rules::health::{Health, HealthReport, Limits, Newest, Problem};
use crate::rules::redaction::printable;
use crate::rules::units;

/// Longer texts are truncated: pagers and databases do so anyway, and the performance data must be kept.
const MAX_TEXT_CHARS: usize = 500;

/// The line for `checkup`, without a line break. `free` is in bytes, if the server reports it; `remark` is appended to the
/// text.
pub(super) fn line(checkup: &HealthReport, limits: Limits, free: Option<u64>, remark: Option<&str>) -> String {
    let mut parts = Vec::new();
    parts.extend(checkup.newest.as_ref().map(|newest| describe(newest, &checkup.problems, limits)));
    parts.extend(checkup.problems.iter().filter_map(text));
    parts.extend(remark.map(str::to_owned));
    format!("{} | {}", plain_line(checkup.health(), &parts.join("; ")), figures(checkup, limits, free))
}

/// The line for a check without figures, without a line break.
pub(super) fn plain_line(health: Health, text: &str) -> String {
    let state = match health {
        Health::Ok => "OK",
        Health::Warning => "WARNING",
        Health::Critical => "CRITICAL",
        Health::Unknown => "UNKNOWN",
    };
    // The text after a vertical bar is read as performance data.
    let mut text = printable(text).replace('|', "\\u{7c}");
    if let Some((cut, _)) = text.char_indices().nth(MAX_TEXT_CHARS) {
        text.truncate(cut);
        text.push('…');
    }
    format!("SCRIPTING-SYSTEM {state} - {text}")
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
fn figures(checkup: &HealthReport, limits: Limits, free: Option<u64>) -> String {
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
    figures.join(" ")
}

#[cfg(test)]
mod tests;
