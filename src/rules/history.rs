//! Finds days without an archive, and the first day since which every day should have one.

use chrono::{Days, NaiveDate};

use crate::rules::listing::DatedArchive;
use crate::rules::retention::keeping::Policy;

/// The number of days from `first` to `last` (inclusive) that have none of `archives`.
pub fn count_missing_days(archives: &[DatedArchive], first: NaiveDate, last: NaiveDate) -> u32 {
    let has_archive = |date: &NaiveDate| archives.iter().any(|archive| archive.date == *date);
    let missing = first.iter_days().take_while(|date| *date <= last).filter(|date| !has_archive(date)).count();
    u32::try_from(missing).unwrap_or(u32::MAX)
}

/// The gaps in `archives` from `first` to `last` (inclusive), oldest first: the first and last day of each.
pub fn gaps(archives: &[DatedArchive], first: NaiveDate, last: NaiveDate) -> Vec<(NaiveDate, NaiveDate)> {
    let mut gaps: Vec<(NaiveDate, NaiveDate)> = Vec::new();
    for day in first.iter_days().take_while(|day| *day <= last) {
        if archives.iter().any(|archive| archive.date == day) {
            continue;
        }
        match gaps.last_mut() {
            Some((_, end)) if end.succ_opt() == Some(day) => *end = day,
            _ => gaps.push((day, day)),
        }
    }
    gaps
}

/// The first day since which `policy` keeps every day's archive: a later day without one never had one. `archives` are
/// sorted, oldest first. `None` if there are none.
pub fn complete_since(archives: &[DatedArchive], policy: Policy) -> Option<NaiveDate> {
    let (oldest, newest) = (archives.first()?.date, archives.last()?.date);
    let by_age = newest.checked_sub_days(Days::new(policy.keep_days.into())).unwrap_or(NaiveDate::MIN);
    let kept_by_count = policy.keep_at_least.max(policy.keep_daily) as usize;
    let by_count = archives.get(archives.len().saturating_sub(kept_by_count)).map_or(newest, |archive| archive.date);
    Some(by_age.min(by_count).max(oldest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::inventory::tests::POLICY;

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
}
