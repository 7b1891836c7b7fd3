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
