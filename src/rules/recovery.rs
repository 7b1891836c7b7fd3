//! Which archives on the server can be had back, and which one is meant.

use chrono::NaiveDate;
use thiserror::Error;

use crate::rules::history;
use crate::rules::naming::Naming;
use crate::rules::retention::{Entry, Kind, to_put_back};

/// An archive that lies on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The date in its name.
    pub date: NaiveDate,
    /// Its name.
    pub name: String,
    /// The file as it lies there: under another name where it was to be replaced and its successor never came.
    pub file: Entry,
}

/// Which archive is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The newest one.
    Latest,
    /// That of a date.
    Of(NaiveDate),
}

/// Why there is no such archive.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoArchive {
    /// There is none at all.
    #[error("sftp.directory holds no archive: no file there has a name that archive.name gives")]
    None,
    /// None of that date.
    #[error("there is no archive of {date}; {}", nearest(*before, *after))]
    NotOf {
        /// The date.
        date: NaiveDate,
        /// The last date before it that has one.
        before: Option<NaiveDate>,
        /// The first date after it that has one.
        after: Option<NaiveDate>,
    },
    /// No replaced one of that date.
    #[error(
        "no replaced archive of {0} is kept; one is removed after an archive of a date at least three days later was \
         delivered (\"list\" shows those that are kept)"
    )]
    NotReplaced(NaiveDate),
    /// The one that is meant has no content.
    #[error("{name} is empty; {}", nearest(*before, *after))]
    Empty {
        /// Its name.
        name: String,
        /// The last date before it that has an archive with content.
        before: Option<NaiveDate>,
        /// The first date after it that has one.
        after: Option<NaiveDate>,
    },
}

fn nearest(before: Option<NaiveDate>, after: Option<NaiveDate>) -> String {
    match (before, after) {
        (Some(before), Some(after)) => format!("the nearest are those of {before} and {after}"),
        (Some(one), None) | (None, Some(one)) => format!("the nearest is that of {one}"),
        (None, None) => "there is no other".to_owned(),
    }
}

/// The archives in `listing` up to the date `today`, oldest first, empty ones among them. A replaced one whose successor
/// never came has its own name again.
pub fn stored(listing: &[Entry], naming: &Naming, today: NaiveDate) -> Vec<Stored> {
    let mut named = listing.to_vec();
    let put_back = to_put_back(listing, naming);
    for (old, archive) in &put_back {
        if let Some(entry) = named.iter_mut().find(|entry| entry.name == *old) {
            entry.name.clone_from(archive);
        }
    }
    let lies_as = |name: &str| put_back.iter().find(|(_, archive)| archive == name).map(|(old, _)| old.clone());
    history::with_empty_ones(&named, naming, today)
        .into_iter()
        .filter_map(|archive| {
            let lies_as = lies_as(&archive.name).unwrap_or_else(|| archive.name.clone());
            let file = listing.iter().find(|entry| entry.name == lies_as)?.clone();
            Some(Stored { date: archive.date, name: archive.name, file })
        })
        .collect()
}

/// The replaced archive of `date` in `listing`: the one that was replaced first, or, if `is_last`, the one that was
/// replaced last.
///
/// # Errors
/// Where none is kept.
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

/// The one of `stored`, which are in the order of their dates, that is `wanted`. The newest is one with content.
///
/// # Errors
/// Where there is none, or the one of that date is empty.
pub fn choose(stored: &[Stored], wanted: Wanted) -> Result<&Stored, NoArchive> {
    let with_content = || stored.iter().filter(|archive| archive.file.size != Some(0));
    let date = match wanted {
        Wanted::Latest => return with_content().next_back().ok_or(NoArchive::None),
        Wanted::Of(date) => date,
    };
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

    fn chosen(stored: &[Stored], wanted: Wanted) -> Result<&str, String> {
        choose(stored, wanted).map(|archive| archive.name.as_str()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_replaced_archive_whose_successor_never_came_counts_under_its_own_name() {
        let stored = stored_of(&[(".20262211.tgz.old", 3), ("20262111.tgz", 4), (".20262111.tgz.old", 5)]);
        let told: Vec<(&str, &str)> = stored.iter().map(|it| (it.name.as_str(), it.file.name.as_str())).collect();
        assert_eq!(told, [("20262111.tgz", "20262111.tgz"), ("20262211.tgz", ".20262211.tgz.old")]);
    }

    #[test]
    fn what_is_no_archive_of_a_day_that_was_is_not_among_them() {
        let stored = stored_of(&[(".20262211.tgz.part", 3), ("20262411.tgz", 3), ("notes.txt", 3)]);
        assert_eq!(stored, []);
        assert!(chosen(&stored, Wanted::Latest).unwrap_err().starts_with("sftp.directory holds no archive"));
        assert!(chosen(&stored, Wanted::Of(day(24))).unwrap_err().starts_with("sftp.directory holds no archive"));
    }

    #[test]
    fn the_newest_with_content_is_the_latest() {
        let stored = stored_of(&[("20262311.tgz", 0), ("20262211.tgz", 1), ("20260111.tgz", 1)]);
        assert_eq!(chosen(&stored, Wanted::Latest), Ok("20262211.tgz"));
    }

    #[test]
    fn a_date_without_an_archive_is_told_with_the_nearest_that_have_one() {
        let stored = stored_of(&[("20262011.tgz", 1), ("20261511.tgz", 1), ("20261611.tgz", 0), ("20260111.tgz", 1)]);
        assert_eq!(chosen(&stored, Wanted::Of(day(15))), Ok("20261511.tgz"));
        for (date, told) in [
            (17, "there is no archive of 2026-11-17; the nearest are those of 2026-11-15 and 2026-11-20"),
            (22, "there is no archive of 2026-11-22; the nearest is that of 2026-11-20"),
            (16, "20261611.tgz is empty; the nearest are those of 2026-11-15 and 2026-11-20"),
        ] {
            assert_eq!(chosen(&stored, Wanted::Of(day(date))), Err(told.to_owned()));
        }
        let alone = stored_of(&[("20262011.tgz", 0)]);
        assert_eq!(chosen(&alone, Wanted::Of(day(20))), Err("20262011.tgz is empty; there is no other".to_owned()));
    }
}
