//! Sizes, durations and counts for people.

use std::time::Duration;

use chrono::TimeDelta;
use scripting_system::rules::units::*;

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
