//! Which archives on the server can be restored, and which one is chosen.

use chrono::NaiveDate;
use thiserror::Error;

use crate::rules::archive_name::Naming;
use crate::rules::listing::{Entry, Kind, to_put_back, with_empty_ones};
use crate::rules::other_pattern::OtherPattern;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The date in its name.
    pub date: NaiveDate,
    /// Its final name.
    pub name: String,
    /// The file itself, which has another name if it was set aside and its successor never arrived.
    pub file: Entry,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoArchive {
    #[error("sftp.directory holds no archive: no file there has a name that archive.name gives")]
    None,
    /// There are only files that look like archives of another pattern.
    #[error(
        "sftp.directory holds no archive: no file there has a name that archive.name gives. {:?} looks like an archive of \
         another pattern{}", .0.example, advice(.0)
    )]
    OtherPattern(OtherPattern),
    #[error("there is no archive of {date}; {}", nearest(*before, *after))]
    NotOf {
        date: NaiveDate,
        /// The last date before it that has an archive with content.
        before: Option<NaiveDate>,
        /// The first date after it that has one.
        after: Option<NaiveDate>,
    },
    #[error(
        "no replaced archive of {0} is kept; one is removed after an archive of a date at least three days later was \
         delivered (\"list\" shows those that are kept)"
    )]
    NotReplaced(NaiveDate),
    #[error("{name} is empty; {}", nearest(*before, *after))]
    Empty {
        name: String,
        /// As in `NotOf`.
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
        (Some(one), None) | (None, Some(one)) => format!("the nearest is that of {one}"),
        (None, None) => "there is no other".to_owned(),
    }
}

/// The archives in `listing` up to the date `today`, oldest first, with empty ones. A replaced one whose successor never
/// arrived counts under its final name.
pub fn stored(listing: &[Entry], naming: &Naming, today: NaiveDate) -> Vec<Stored> {
    let mut named = listing.to_vec();
    let put_back = to_put_back(listing, naming);
    for (old, archive) in &put_back {
        if let Some(entry) = named.iter_mut().find(|entry| entry.name == *old) {
            entry.name.clone_from(archive);
        }
    }
    let stored_as = |name: &str| put_back.iter().find(|(_, archive)| archive == name).map(|(old, _)| old.clone());
    with_empty_ones(&named, naming, today)
        .into_iter()
        .filter_map(|archive| {
            let stored_as = stored_as(&archive.name).unwrap_or_else(|| archive.name.clone());
            let file = listing.iter().find(|entry| entry.name == stored_as)?.clone();
            Some(Stored { date: archive.date, name: archive.name, file })
        })
        .collect()
}

/// The replaced archive of `date` in `listing`: the one that was replaced first, or last if `is_last`.
pub fn choose_replaced(
    listing: &[Entry],
    naming: &Naming,
    date: NaiveDate,
    is_last: bool,
) -> Result<Stored, NoArchive> {
    let of_date = |entry: &&Entry| {
        entry.kind == Kind::File && naming.set_aside(&entry.name).is_some_and(|set_aside| set_aside.date == date)
    };
    let in_order = |entry: &&Entry| naming.set_aside(&entry.name).map(|set_aside| set_aside.which);
    let replaced = listing.iter().filter(of_date);
    let chosen = if is_last { replaced.max_by_key(in_order) } else { replaced.min_by_key(in_order) };
    let file = chosen.ok_or(NoArchive::NotReplaced(date))?;
    Ok(Stored { date, name: file.name.clone(), file: file.clone() })
}

/// The archive of `date` in `stored`, which is sorted by date; without a date, the newest one with content.
pub fn choose(stored: &[Stored], date: Option<NaiveDate>) -> Result<&Stored, NoArchive> {
    let with_content = || stored.iter().filter(|archive| archive.file.size != Some(0));
    let Some(date) = date else { return with_content().next_back().ok_or(NoArchive::None) };
    if stored.is_empty() {
        return Err(NoArchive::None);
    }
    let before = with_content().rfind(|archive| archive.date < date).map(|archive| archive.date);
    let after = with_content().find(|archive| archive.date > date).map(|archive| archive.date);
    match stored.iter().find(|archive| archive.date == date) {
        None => Err(NoArchive::NotOf { date, before, after }),
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

    fn stored_of(names: &[(&str, u64)]) -> Vec<Stored> {
        let naming = Naming {
            archive: ArchiveName::new("%Y%d%m").unwrap(),
            temporary_prefix: ".".to_owned(),
            id: "0a1b2c3d".to_owned(),
        };
        let entry = |&(name, size): &(&str, u64)| Entry {
            name: name.to_owned(),
            kind: Kind::File,
            size: Some(size),
            modified: None,
        };
        stored(&names.iter().map(entry).collect::<Vec<_>>(), &naming, day(23))
    }

    fn chosen(stored: &[Stored], date: Option<NaiveDate>) -> Result<&str, String> {
        choose(stored, date).map(|archive| archive.name.as_str()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_replaced_archive_whose_successor_never_arrived_counts_under_its_final_name() {
        let stored = stored_of(&[(".20262211.tgz.old", 3), ("20262111.tgz", 4), (".20262111.tgz.old", 5)]);
        let names: Vec<(&str, &str)> = stored.iter().map(|it| (it.name.as_str(), it.file.name.as_str())).collect();
        assert_eq!(names, [("20262111.tgz", "20262111.tgz"), ("20262211.tgz", ".20262211.tgz.old")]);
    }

    #[test]
    fn uploads_foreign_files_and_archives_of_the_future_cannot_be_chosen() {
        let stored = stored_of(&[(".20262211.tgz.part", 3), ("20262411.tgz", 3), ("notes.txt", 3)]);
        assert_eq!(stored, []);
        for date in [None, Some(day(24))] {
            assert!(chosen(&stored, date).unwrap_err().starts_with("sftp.directory holds no archive"));
        }
    }

    #[test]
    fn a_date_without_an_archive_is_reported_with_the_nearest_ones_and_the_latest_has_content() {
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
