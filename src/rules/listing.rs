//! The entries of the server's folder, and which of them are archives, replaced archives or uploads.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use crate::rules::archive_name::{Leftover, Naming, SetAside, Which};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    /// Whatever it points to.
    Symlink,
    /// Anything else, and anything with a name that is not UTF-8.
    Other,
}

/// One entry of the server's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub kind: Kind,
    /// In bytes, if the server reports it.
    pub size: Option<u64>,
    /// When it was last written, by the server's clock, if the server reports it.
    pub modified: Option<DateTime<Utc>>,
}

/// An archive that counts: a regular file with content, with a name of this job and a date up to today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// The date in its name.
    pub date: NaiveDate,
    pub name: String,
    /// In bytes, if the server reports it.
    pub size: Option<u64>,
    /// When it was last written, by the server's clock, if the server reports it.
    pub modified: Option<DateTime<Utc>>,
}

/// The archives in `listing` that count on the date `today`, oldest first.
pub fn archives(listing: &[Entry], naming: &Naming, today: NaiveDate) -> Vec<Archived> {
    let mut archives = with_empty_ones(listing, naming, today);
    archives.retain(|archive| archive.size != Some(0));
    archives
}

/// As [`archives`], and those that would count if they were not empty.
pub fn with_empty_ones(listing: &[Entry], naming: &Naming, today: NaiveDate) -> Vec<Archived> {
    let files = listing.iter().filter(|entry| entry.kind == Kind::File);
    let mut archives: Vec<Archived> = files
        .filter_map(|entry| {
            let date = naming.archive.date_of(&entry.name).filter(|date| *date <= today)?;
            Some(Archived { date, name: entry.name.clone(), size: entry.size, modified: entry.modified })
        })
        .collect();
    archives.sort_unstable_by(|one, other| (one.date, &one.name).cmp(&(other.date, &other.name)));
    archives
}

/// The set-aside archives without a successor under the final name, as (current name, final name): a run that was killed
/// between the two renames of a replacement leaves one. If a date has several, the latest.
pub fn to_put_back(listing: &[Entry], naming: &Naming) -> Vec<(String, String)> {
    let mut latest: BTreeMap<&str, (Which, &str)> = BTreeMap::new();
    for entry in listing.iter().filter(|entry| entry.kind == Kind::File) {
        if let Some(SetAside { archive, which, .. }) = naming.set_aside(&entry.name) {
            let latest = latest.entry(archive).or_insert((which, &entry.name));
            *latest = (*latest).max((which, &entry.name));
        }
    }
    latest.retain(|archive, _| !listing.iter().any(|entry| entry.name == *archive));
    latest.into_iter().map(|(archive, (_, name))| (name.to_owned(), archive.to_owned())).collect()
}

/// The uploads that earlier runs of this job did not finish. They hold nothing that a later run needs.
pub fn own_uploads(listing: &[Entry], naming: &Naming) -> Vec<String> {
    let files = listing.iter().filter(|entry| entry.kind == Kind::File);
    let uploads = files.filter(|entry| naming.leftover(&entry.name) == Some(Leftover::OwnUpload));
    uploads.map(|entry| entry.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::archive_name::ArchiveName;

    #[test]
    fn only_regular_files_with_content_and_a_past_date_count_oldest_first() {
        let archive = ArchiveName::new("%Y%d%m").unwrap();
        let naming = Naming { archive, temporary_prefix: ".".to_owned(), id: "0a1b2c3d".to_owned() };
        let listing = [
            ("20262311.tgz", Kind::File, Some(3)),
            ("20260112.tgz", Kind::File, Some(3)),
            ("20262211.tgz", Kind::File, Some(0)),
            ("20260211.tgz", Kind::File, None),
            ("20260311.tgz", Kind::Directory, Some(3)),
            (".20260411.tgz.part", Kind::File, Some(3)),
            ("notes.txt", Kind::File, Some(3)),
        ]
        .map(|(name, kind, size)| Entry { name: name.to_owned(), kind, size, modified: None });
        let today = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
        let names: Vec<String> = archives(&listing, &naming, today).into_iter().map(|archive| archive.name).collect();
        assert_eq!(names, ["20260211.tgz", "20262311.tgz"]);
    }
}
