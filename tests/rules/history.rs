//! The archives of earlier dates and the gaps between them.

use chrono::{Days, NaiveDate};
use scripting_system::rules::history::*;
use scripting_system::rules::listing::DatedArchive;
use scripting_system::rules::retention::keeping::Policy;

use super::POLICY;

const TODAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();

fn day(age: u64) -> NaiveDate {
    TODAY - Days::new(age)
}

fn archives(ages: &[u64]) -> Vec<DatedArchive> {
    let archive = |age: &u64| DatedArchive { date: day(*age), name: String::new(), size: Some(1), modified: None };
    ages.iter().rev().map(archive).collect()
}

#[test]
fn days_without_an_archive_are_counted() {
    for (first, last, expected) in [(4, 0, 2), (6, 0, 4), (0, 0, 0), (0, 1, 0)] {
        assert_eq!(count_missing_days(&archives(&[0, 1, 4]), day(first), day(last)), expected, "{first} {last}");
    }
}

#[test]
fn consecutive_days_without_an_archive_are_one_gap() {
    let gaps_of = |ages| gaps(&archives(ages), day(7), TODAY);
    assert_eq!(gaps_of(&[1, 4, 6]), [(day(7), day(7)), (day(5), day(5)), (day(3), day(2)), (TODAY, TODAY)]);
    assert_eq!(gaps(&archives(&[0]), TODAY, TODAY), []);
}

#[test]
fn history_is_complete_since_the_first_day_that_every_rule_covers() {
    let ages = &[2, 3, 5, 9, 40, 80][..];
    for (ages, [keep_days, keep_at_least, keep_daily], expected) in [
        (ages, [7, 3, 0], Some(9)),    // by age, from the newest archive on
        (ages, [1, 3, 0], Some(5)),    // by keep_at_least
        (ages, [1, 3, 5], Some(40)),   // by keep_daily
        (ages, [500, 3, 5], Some(80)), // not before the oldest archive
        (&[0], [10, 3, 0], Some(0)),
        (&[], [10, 3, 0], None),
    ] {
        let policy = Policy { keep_days, keep_at_least, keep_daily, ..POLICY };
        assert_eq!(complete_since(&archives(ages), policy), expected.map(day), "{ages:?} {policy:?}");
    }
}
