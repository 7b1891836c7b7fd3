//! The archives that lie on the server, as a history: which days have one.

use chrono::{DateTime, Days, NaiveDate, Utc};

use crate::rules::naming::Naming;
use crate::rules::retention::{Entry, Kind, Policy};

/// An archive that counts: a regular file that is not empty, with a name of ours and a date that is not yet to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// The date in its name.
    pub date: NaiveDate,
    /// Its name.
    pub name: String,
    /// Its size in bytes, where the server tells.
    pub size: Option<u64>,
    /// When it was last written, by the server's clock, where the server tells.
    pub modified: Option<DateTime<Utc>>,
}

/// The archives in `listing` that count on the date `today`, oldest first.
pub fn archives(listing: &[Entry], naming: &Naming, today: NaiveDate) -> Vec<Archived> {
    let mut archives = with_empty_ones(listing, naming, today);
    archives.retain(|archive| archive.size != Some(0));
    archives
}

/// The same, with those that would count if they were not empty.
pub fn with_empty_ones(listing: &[Entry], naming: &Naming, today: NaiveDate) -> Vec<Archived> {
    let mut archives: Vec<Archived> = listing
        .iter()
        .filter(|entry| entry.kind == Kind::File)
        .filter_map(|entry| {
            let date = naming.archive.date_of(&entry.name).filter(|date| *date <= today)?;
            Some(Archived { date, name: entry.name.clone(), size: entry.size, modified: entry.modified })
        })
        .collect();
    archives.sort_unstable_by(|one, other| (one.date, &one.name).cmp(&(other.date, &other.name)));
    archives
}

/// How many days from `first` to `last`, both included, have none of `archives`.
pub fn days_without(archives: &[Archived], first: NaiveDate, last: NaiveDate) -> u32 {
    let has_one = |date: &NaiveDate| archives.iter().any(|archive| archive.date == *date);
    let missing = first.iter_days().take_while(|date| *date <= last).filter(|date| !has_one(date)).count();
    u32::try_from(missing).unwrap_or(u32::MAX)
}

/// The stretches of days from `first` to `last`, both included, that have none of `archives`: each as its first and its
/// last day, oldest first.
pub fn gaps(archives: &[Archived], first: NaiveDate, last: NaiveDate) -> Vec<(NaiveDate, NaiveDate)> {
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

/// The first day from which on `policy` keeps the archive of every day, `archives` being those that lie there, oldest
/// first: a later day without an archive never had one. `None` where there are no archives.
pub fn complete_since(archives: &[Archived], policy: Policy) -> Option<NaiveDate> {
    let (oldest, newest) = (archives.first()?.date, archives.last()?.date);
    let by_age = newest.checked_sub_days(Days::new(policy.keep_days.into())).unwrap_or(NaiveDate::MIN);
    let kept_by_count = policy.keep_at_least.max(policy.keep_daily) as usize;
    let by_count = archives.get(archives.len().saturating_sub(kept_by_count)).map_or(newest, |archive| archive.date);
    Some(by_age.min(by_count).max(oldest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::archive_name::ArchiveName;

    const TODAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();

    fn naming() -> Naming {
        Naming {
            archive: ArchiveName::new("%Y%d%m").unwrap(),
            temporary_prefix: ".".to_owned(),
            id: "0a1b2c3d".to_owned(),
        }
    }

    fn entry(name: &str, kind: Kind, size: Option<u64>) -> Entry {
        Entry { name: name.to_owned(), kind, size, modified: None }
    }

    #[test]
    fn only_what_can_be_an_archive_of_a_day_that_was_counts_oldest_first() {
        let listing = [
            entry("20262311.tgz", Kind::File, Some(3)),
            entry("20260112.tgz", Kind::File, Some(3)),
            entry("20262211.tgz", Kind::File, Some(0)),
            entry("20260211.tgz", Kind::File, None),
            entry("20260311.tgz", Kind::Directory, Some(3)),
            entry(".20260411.tgz.part", Kind::File, Some(3)),
            entry("notes.txt", Kind::File, Some(3)),
        ];
        let names: Vec<String> = archives(&listing, &naming(), TODAY).into_iter().map(|archive| archive.name).collect();
        assert_eq!(names, ["20260211.tgz", "20262311.tgz"]);
    }

    #[test]
    fn days_without_an_archive_are_counted_from_the_first_to_the_last() {
        let listing: Vec<Entry> =
            [0, 1, 4].map(|age| entry(&naming().archive.file_name(TODAY - Days::new(age)), Kind::File, Some(1))).into();
        let archives = archives(&listing, &naming(), TODAY);
        assert_eq!(days_without(&archives, TODAY - Days::new(4), TODAY), 2);
        assert_eq!(days_without(&archives, TODAY - Days::new(6), TODAY), 4);
        assert_eq!(days_without(&archives, TODAY, TODAY), 0);
        assert_eq!(days_without(&archives, TODAY, TODAY - Days::new(1)), 0);
    }
    fn of_ages(ages: &[u64]) -> Vec<Archived> {
        let listing: Vec<Entry> = ages
            .iter()
            .map(|age| entry(&naming().archive.file_name(TODAY - Days::new(*age)), Kind::File, Some(1)))
            .collect();
        archives(&listing, &naming(), TODAY)
    }

    #[test]
    fn days_without_an_archive_that_follow_each_other_are_one_gap() {
        let day = |age| TODAY - Days::new(age);
        let found = gaps(&of_ages(&[1, 4, 6]), day(7), TODAY);
        assert_eq!(found, [(day(7), day(7)), (day(5), day(5)), (day(3), day(2)), (TODAY, TODAY)]);
        assert_eq!(gaps(&of_ages(&[0]), TODAY, TODAY), []);
    }

    #[test]
    fn a_day_without_an_archive_counts_only_where_retention_would_have_kept_it() {
        let policy = |keep_days, keep_at_least, keep_daily| Policy {
            keep_days,
            keep_at_least,
            keep_daily,
            keep_weekly: 0,
            keep_monthly: 0,
            keep_yearly: 0,
        };
        let since = |ages: &[u64], policy| complete_since(&of_ages(ages), policy).map(|date| (TODAY - date).num_days());
        let ages = [2, 3, 5, 9, 40, 80];
        assert_eq!(since(&ages, policy(7, 3, 0)), Some(9), "by age, from the newest archive on");
        assert_eq!(since(&ages, policy(1, 3, 0)), Some(5), "by the floor");
        assert_eq!(since(&ages, policy(1, 3, 5)), Some(40), "by the days");
        assert_eq!(since(&ages, policy(500, 3, 5)), Some(80), "not before the oldest archive");
        assert_eq!(since(&[0], policy(10, 3, 0)), Some(0));
        assert_eq!(since(&[], policy(10, 3, 0)), None);
    }
}
