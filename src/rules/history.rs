//! The archives that lie on the server, as a history: which days have one.

use chrono::{DateTime, NaiveDate, Utc};

use crate::rules::retention::{Entry, Kind, Naming};

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
    let mut archives: Vec<Archived> = listing
        .iter()
        .filter(|entry| entry.kind == Kind::File && entry.size != Some(0))
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

#[cfg(test)]
mod tests {
    use chrono::Days;

    use super::*;
    use crate::rules::archive_name::ArchiveName;

    const TODAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();

    fn naming() -> Naming {
        Naming { archive: ArchiveName::new("%Y%d%m").unwrap(), temporary_prefix: ".".to_owned() }
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
}
