//! Formats sizes, durations, rates and counts for people.

use std::time::Duration;

use chrono::TimeDelta;
use indicatif::{HumanBytes, HumanCount};

/// "12.50 MiB".
pub fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// "12.50 MiB (13,107,200 bytes)".
pub fn exact_size(bytes: u64) -> String {
    match bytes {
        0..1024 => count(bytes, "byte"),
        _ => format!("{} ({} bytes)", size(bytes), number(bytes)),
    }
}

/// "2.4 s", "3 min 5 s", "1 h 2 min".
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", (duration.as_secs_f64() * 10.0).floor() / 10.0),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// "45 min", "9 h", "3 d"; "0 min" for a time in the future.
pub fn age(age: TimeDelta) -> String {
    match age.num_minutes() {
        ..0 => "0 min".to_owned(),
        minutes @ 0..120 => format!("{minutes} min"),
        minutes @ 120..2880 => format!("{} h", minutes / 60),
        minutes => format!("{} d", minutes / 1440),
    }
}

/// "20.49 MiB/s"; `None` if `elapsed` is too short for a meaningful rate.
pub fn rate(bytes: u64, elapsed: Duration) -> Option<String> {
    const MIN_ELAPSED: Duration = Duration::from_millis(100);
    (elapsed >= MIN_ELAPSED).then(|| format!("{}/s", size((bytes as f64 / elapsed.as_secs_f64()) as u64)))
}

/// ", 20.49 MiB/s"; empty without a [`rate`].
pub fn rate_suffix(bytes: u64, elapsed: Duration) -> String {
    rate(bytes, elapsed).map(|rate| format!(", {rate}")).unwrap_or_default()
}

/// "13,107,200".
pub fn number(number: u64) -> String {
    HumanCount(number).to_string()
}

/// "1 warning", "2 warnings".
pub fn count(number: impl TryInto<u64>, thing: &str) -> String {
    let number = number.try_into().unwrap_or_default();
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}
