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
    let of_date = |archive: &&StoredArchive| archive.date == date;
    match nonempty().rfind(of_date).or_else(|| stored.iter().rfind(of_date)) {
        None => Err(NoArchive::NoneOfDate { date, before, after }),
        Some(archive) if archive.file.size == Some(0) => {
            Err(NoArchive::Empty { name: archive.name.clone(), before, after })
        }
        Some(archive) => Ok(archive),
    }
}
