//! Formats sizes, durations, rates and counts for people.

use std::time::Duration;

use chrono::TimeDelta;
use indicatif::{HumanBytes, HumanCount};

/// "12.50 MiB".
pub(crate) fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// "12.50 MiB (13,107,200 bytes)".
pub(crate) fn exact_size(bytes: u64) -> String {
    match bytes {
        0..1024 => count(bytes, "byte"),
        _ => format!("{} ({} bytes)", size(bytes), number(bytes)),
    }
}

/// "2.4 s", "3 min 5 s", "1 h 2 min".
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", (duration.as_secs_f64() * 10.0).floor() / 10.0),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// "45 min", "9 h", "3 d"; "0 min" for a time in the future.
pub(crate) fn age(age: TimeDelta) -> String {
    match age.num_minutes() {
        ..0 => "0 min".to_owned(),
        minutes @ 0..120 => format!("{minutes} min"),
        minutes @ 120..2880 => format!("{} h", minutes / 60),
        minutes => format!("{} d", minutes / 1440),
    }
}

/// "20.49 MiB/s"; `None` if `elapsed` is too short for a meaningful rate.
pub(crate) fn rate(bytes: u64, elapsed: Duration) -> Option<String> {
    const MIN_ELAPSED: Duration = Duration::from_millis(100);
    (elapsed >= MIN_ELAPSED).then(|| format!("{}/s", size((bytes as f64 / elapsed.as_secs_f64()) as u64)))
}

/// ", 20.49 MiB/s"; empty without a [`rate`].
pub(crate) fn rate_suffix(bytes: u64, elapsed: Duration) -> String {
    rate(bytes, elapsed).map(|rate| format!(", {rate}")).unwrap_or_default()
}

/// "13,107,200".
pub(crate) fn number(number: u64) -> String {
    HumanCount(number).to_string()
}

/// "1 warning", "2 warnings".
pub(crate) fn count(number: impl TryInto<u64>, thing: &str) -> String {
    let number = number.try_into().unwrap_or_default();
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_two_units() {
        let texts = [0, 2_449, 59_990, 60_000, 185_000, 3_720_000].map(|it| duration(Duration::from_millis(it)));
        assert_eq!(texts, ["0.0 s", "2.4 s", "59.9 s", "1 min 0 s", "3 min 5 s", "1 h 2 min"]);
    }

    #[test]
    fn an_age_has_one_unit() {
        let texts = [-5, 0, 119, 120, 2879, 2880, 100_000].map(|minutes| age(TimeDelta::minutes(minutes)));
        assert_eq!(texts, ["0 min", "0 min", "119 min", "2 h", "47 h", "2 d", "69 d"]);
    }

    #[test]
    fn an_exact_size_includes_the_number_of_bytes() {
        assert_eq!(exact_size(1), "1 byte");
        assert_eq!(exact_size(13_107_200), "12.50 MiB (13,107,200 bytes)");
    }

    #[test]
    fn a_very_short_duration_has_no_rate() {
        assert_eq!(rate_suffix(1024, Duration::from_millis(99)), "");
        assert_eq!(rate_suffix(1024, Duration::from_millis(500)), ", 2.00 KiB/s");
    }
}
