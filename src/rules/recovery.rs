//! Lists the archives that can be restored, and chooses one of them.

use chrono::NaiveDate;
use thiserror::Error;

use crate::rules::archive_name::Naming;
use crate::rules::listing::{Entry, Kind, archives_including_empty, unfinished_replacements};
use crate::rules::other_pattern::OtherPattern;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredArchive {
    /// The date in its name.
    pub date: NaiveDate,
    /// Its final name.
    pub name: String,
    /// Its entry, with another name if it was set aside and its replacement never arrived.
    pub file: Entry,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoArchive {
    #[error("sftp.directory holds no archive: no file there matches archive.name")]
    None,
    /// Some files look like archives of another pattern.
    #[error(
        "sftp.directory holds no archive: no file there matches archive.name. {:?} looks like an archive of another \
         pattern{}", .0.example, advice(.0)
    )]
    OtherPattern(OtherPattern),
    #[error("there is no archive of {date}; {}", nearest(*before, *after))]
    NoneOfDate {
        date: NaiveDate,
        /// The last earlier date with an archive that is not empty.
        before: Option<NaiveDate>,
        /// The first later date with one.
        after: Option<NaiveDate>,
    },
    #[error(
        "there is no replaced archive of {0}: one is kept until an archive at least three days newer is delivered (\"list\" \
         shows all that are kept)"
    )]
    NotReplaced(NaiveDate),
    #[error("{name} is empty; {}", nearest(*before, *after))]
    Empty {
        name: String,
        /// As in `NoneOfDate`.
        before: Option<NaiveDate>,
        after: Option<NaiveDate>,
    },
}

fn advice(other: &OtherPattern) -> String {
    other.pattern.as_ref().map_or_else(String::new, |pattern| format!(": set archive.name to {pattern:?}"))
}

fn nearest(before: Option<NaiveDate>, after: Option<NaiveDate>) -> String {
    match (before, after) {
        (Some(before), Some(after)) => format!("the nearest are those of {before} and {after}"),
        (Some(date), None) | (None, Some(date)) => format!("the nearest is that of {date}"),
        (None, None) => "there is no other".to_owned(),
    }
}

/// The archives in `listing` up to the date `today`, oldest first, including empty ones. A set-aside archive without a
/// replacement is listed under its final name.
pub fn stored(listing: &[Entry], naming: &Naming, today: NaiveDate) -> Vec<StoredArchive> {
    let mut named = listing.to_vec();
    let replacements = unfinished_replacements(listing, naming);
    for (old, archive) in &replacements {
        if let Some(entry) = named.iter_mut().find(|entry| entry.name == *old) {
            entry.name.clone_from(archive);
        }
    }
    let stored_as = |name: &str| replacements.iter().find(|(_, archive)| archive == name).map(|(old, _)| old.clone());
    archives_including_empty(&named, naming, today)
        .into_iter()
        .filter_map(|archive| {
            let stored_as = stored_as(&archive.name).unwrap_or_else(|| archive.name.clone());
            let file = listing.iter().find(|entry| entry.name == stored_as)?.clone();
            Some(StoredArchive { date: archive.date, name: archive.name, file })
        })
        .collect()
}

/// The replaced archive of `date` in `listing`: the first one, or the last one if `is_last`.
pub fn choose_replaced(
    listing: &[Entry],
    naming: &Naming,
    date: NaiveDate,
    is_last: bool,
) -> Result<StoredArchive, NoArchive> {
    let of_date = |entry: &&Entry| {
        entry.kind == Kind::File && naming.set_aside(&entry.name).is_some_and(|it| it.date == date && !it.is_checksum)
    };
    let version = |entry: &&Entry| naming.set_aside(&entry.name).map(|set_aside| set_aside.version);
    let replaced = listing.iter().filter(of_date);
    let chosen = if is_last { replaced.max_by_key(version) } else { replaced.min_by_key(version) };
    let file = chosen.ok_or(NoArchive::NotReplaced(date))?;
    Ok(StoredArchive { date, name: file.name.clone(), file: file.clone() })
}

/// The archive of `date` in `stored`, which is sorted by date; without a date, the newest one that is not empty.
pub fn choose(stored: &[StoredArchive], date: Option<NaiveDate>) -> Result<&StoredArchive, NoArchive> {
    let nonempty = || stored.iter().filter(|archive| archive.file.size != Some(0));
    let Some(date) = date else { return nonempty().next_back().ok_or(NoArchive::None) };
    if stored.is_empty() {
        return Err(NoArchive::None);
    }
    let before = nonempty().rfind(|archive| archive.date < date).map(|archive| archive.date);
    let after = nonempty().find(|archive| archive.date > date).map(|archive| archive.date);
    match stored.iter().rfind(|archive| archive.date == date) {
        None => Err(NoArchive::NoneOfDate { date, before, after }),
        Some(archive) if archive.file.size == Some(0) => {
            Err(NoArchive::Empty { name: archive.name.clone(), before, after })
        }
        Some(archive) => Ok(archive),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::archive_name::ArchiveName;

    fn day(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, day).unwrap()
    }

    fn stored_of(names: &[(&str, u64)]) -> Vec<StoredArchive> {
        let naming = Naming {
            archive: ArchiveName::new("%Y%d%m").unwrap(),
            temporary_prefix: ".".to_owned(),
            id: "0a1b2c3d".to_owned(),
            is_encrypted: false,
        };
        let entry = |&(name, size): &(&str, u64)| Entry {
            name: name.to_owned(),
            kind: Kind::File,
            size: Some(size),
            modified: None,
        };
        stored(&names.iter().map(entry).collect::<Vec<_>>(), &naming, day(23))
    }

    fn chosen(stored: &[StoredArchive], date: Option<NaiveDate>) -> Result<&str, String> {
        choose(stored, date).map(|archive| archive.name.as_str()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_set_aside_archive_without_a_replacement_is_listed_under_its_final_name() {
        let stored = stored_of(&[(".20262211.tgz.old", 3), ("20262111.tgz", 4), (".20262111.tgz.old", 5)]);
        let names: Vec<(&str, &str)> = stored.iter().map(|it| (it.name.as_str(), it.file.name.as_str())).collect();
        assert_eq!(names, [("20262111.tgz", "20262111.tgz"), ("20262211.tgz", ".20262211.tgz.old")]);
    }

    #[test]
    fn uploads_foreign_files_and_future_archives_cannot_be_chosen() {
        let stored = stored_of(&[(".20262211.tgz.part", 3), ("20262411.tgz", 3), ("notes.txt", 3)]);
        assert_eq!(stored, []);
        for date in [None, Some(day(24))] {
            assert!(chosen(&stored, date).unwrap_err().starts_with("sftp.directory holds no archive"));
        }
    }

    #[test]
    fn a_missing_date_is_reported_with_the_nearest_ones_and_the_default_is_the_newest_nonempty_archive() {
        let folder =
            &[("20262011.tgz", 1), ("20261511.tgz", 1), ("20261611.tgz", 0), ("20260111.tgz", 1), ("20262111.tgz", 0)]
                [..];
        for (folder, date, expected) in [
            (folder, None, Ok("20262011.tgz")),
            (folder, Some(15), Ok("20261511.tgz")),
            (
                folder,
                Some(17),
                Err("there is no archive of 2026-11-17; the nearest are those of 2026-11-15 and 2026-11-20"),
            ),
            (folder, Some(22), Err("there is no archive of 2026-11-22; the nearest is that of 2026-11-20")),
            (folder, Some(16), Err("20261611.tgz is empty; the nearest are those of 2026-11-15 and 2026-11-20")),
            (&[("20262011.tgz", 0)], Some(20), Err("20262011.tgz is empty; there is no other")),
        ] {
            let date = date.map(day);
            assert_eq!(chosen(&stored_of(folder), date), expected.map_err(str::to_owned), "{date:?}");
        }
    }
}
