//! A check-up as the line that a monitoring system reads: the Monitoring Plugins Development Guidelines' format, with
//! performance data.

use std::time::Duration;

use chrono::TimeDelta;

use crate::rules::health::{Bounds, Checkup, Finding, Health, Newest};
use crate::rules::redaction::printable;
use crate::rules::units;

/// Beyond this many characters a text is cut: pagers and databases cut it anyway, and the performance data must stay.
const LONGEST_TEXT: usize = 500;

/// The line for `checkup`, which was held against `bounds`, without a line break. `free` is how many bytes the server has
/// left, where it tells; `remark` is added to what is told.
pub(super) fn check_line(checkup: &Checkup, bounds: Bounds, free: Option<u64>, remark: Option<&str>) -> String {
    let mut parts = Vec::new();
    parts.extend(checkup.newest.as_ref().map(|newest| about(newest, &checkup.findings, bounds)));
    parts.extend(checkup.findings.iter().filter_map(told));
    parts.extend(remark.map(str::to_owned));
    format!("{} | {}", plain_check_line(checkup.health(), &parts.join("; ")), figures(checkup, bounds, free))
}

/// The line for a check that did not come to figures, without a line break.
pub(super) fn plain_check_line(health: Health, text: &str) -> String {
    let state = match health {
        Health::Ok => "OK",
        Health::Warning => "WARNING",
        Health::Critical => "CRITICAL",
        Health::Unknown => "UNKNOWN",
    };
    // What follows a vertical bar is read as performance data.
    let mut text = printable(text).replace('|', "\\u{7c}");
    if let Some((cut, _)) = text.char_indices().nth(LONGEST_TEXT) {
        text.truncate(cut);
        text.push('…');
    }
    format!("SCRIPTING-SYSTEM {state} - {text}")
}

/// "20262311.tgz is 9 h old, 3.24 MiB", with the bounds that it breaks.
fn about(newest: &Newest, findings: &[Finding], bounds: Bounds) -> String {
    let age = if findings.contains(&Finding::TooOld) {
        let age = units::duration(newest.age.to_std().unwrap_or(Duration::ZERO));
        format!("{age} old (more than {})", limit(bounds.max_age))
    } else {
        format!("{} old", units::age(newest.age))
    };
    let size = newest.size.map_or_else(|| "of unknown size".to_owned(), units::size);
    let least = match bounds.min_size {
        Some(least) if findings.contains(&Finding::TooSmall) => format!(" (less than {})", units::exact_size(least)),
        _ => String::new(),
    };
    format!("{} is {age}, {size}{least}", newest.name)
}

/// A finding that is not about the newest archive's age and size, which [`about`] tells.
fn told(finding: &Finding) -> Option<String> {
    Some(match finding {
        Finding::TooOld | Finding::TooSmall | Finding::UnknownSize => return None,
        Finding::NoArchive => "no archive on the server".to_owned(),
        Finding::UnusualSize(suspicion) => suspicion.to_string(),
        Finding::ClockAhead { by } => {
            format!(
                "it was written {} in the future: set the clock that is wrong, the server's or ours",
                units::age(*by)
            )
        }
        Finding::DatedAhead { name } => format!("{name} is dated after today"),
        Finding::HeldBack(cause) => format!("removal is held back: {cause}"),
        Finding::Leftovers { count, example } => {
            format!("{} of interrupted runs stayed, such as {example}", units::count(*count, "leftover"))
        }
    })
}

/// "26 h", "90 min", "45 s": exactly.
fn limit(limit: TimeDelta) -> String {
    let seconds = limit.num_seconds();
    match (seconds % 3600, seconds % 60) {
        (0, _) => format!("{} h", seconds / 3600),
        (_, 0) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

/// The performance data: `label=value[unit];[warning];[critical];[minimum]`. A bound is the range of what is well: `N` is
/// from 0 to N, `N:` is N and more.
fn figures(checkup: &Checkup, bounds: Bounds, free: Option<u64>) -> String {
    let mut figures = Vec::new();
    if let Some(newest) = &checkup.newest {
        figures.push(format!("age={}s;;{};0", newest.age.num_seconds(), bounds.max_age.num_seconds()));
        let least = bounds.min_size.map_or_else(String::new, |least| format!("{least}:"));
        figures.extend(newest.size.map(|size| format!("size={size}B;;{least};0")));
    }
    figures.push(format!("archives={};;;0", checkup.archives));
    figures.extend(free.map(|free| format!("free={free}B;;;0")));
    figures.join(" ")
}

#[cfg(test)]
mod tests;
