//! The entries of the server's folder; finds archives, unfinished uploads and unfinished replacements among them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};

use crate::rules::archive_name::{Leftover, Naming, ReplacedVersion, SetAside};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    /// To anything.
    Symlink,
    /// Anything else, including all entries with a name that is not UTF-8.
    Other,
}

/// An entry of the server's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub kind: Kind,
    /// In bytes, if the server reports it.
    pub size: Option<u64>,
    /// When it was last written, by the server's clock, if the server reports it.
    pub modified: Option<DateTime<Utc>>,
}

/// An archive that counts: a regular file that is not empty, with a name of this job and a date up to today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatedArchive {
    /// The date in its name.
    pub date: NaiveDate,
    pub name: String,
    /// In bytes, if the server reports it.
    pub size: Option<u64>,
    /// When it was last written, by the server's clock, if the server reports it.
    pub modified: Option<DateTime<Utc>>,
}

/// The archives in `listing` that count on the date `today`, oldest first.
pub fn archives(listing: &[Entry], naming: &Naming, today: NaiveDate) -> Vec<DatedArchive> {
    let mut archives = archives_including_empty(listing, naming, today);
    archives.retain(|archive| archive.size != Some(0));
    archives
}

/// As [`archives`], and empty files.
pub fn archives_including_empty(listing: &[Entry], naming: &Naming, today: NaiveDate) -> Vec<DatedArchive> {
    let files = listing.iter().filter(|entry| entry.kind == Kind::File);
    let mut archives: Vec<DatedArchive> = files
        .filter_map(|entry| {
            let date = naming.archive.date_of(&entry.name).filter(|date| *date <= today)?;
            Some(DatedArchive { date, name: entry.name.clone(), size: entry.size, modified: entry.modified })
        })
        .collect();
    archives.sort_unstable_by(|a, b| (a.date, &a.name).cmp(&(b.date, &b.name)));
    archives
}

/// The set-aside archives of dates without a final archive, as (current name, final name). A run that is killed between the
/// two renames of a replacement leaves one. If a date has several, only the latest is returned.
pub fn unfinished_replacements(listing: &[Entry], naming: &Naming) -> Vec<(String, String)> {
    let mut latest: BTreeMap<NaiveDate, (ReplacedVersion, &str, &str)> = BTreeMap::new();
    for entry in listing.iter().filter(|entry| entry.kind == Kind::File) {
        if let Some(SetAside { archive, date, version, is_checksum: false }) = naming.set_aside(&entry.name) {
            let latest = latest.entry(date).or_insert((version, &entry.name, archive));
            *latest = (*latest).max((version, &entry.name, archive));
        }
    }
    let finals: BTreeSet<NaiveDate> = listing.iter().filter_map(|entry| naming.archive.date_of(&entry.name)).collect();
    latest.retain(|date, _| !finals.contains(date));
    latest.into_values().map(|(_, name, archive)| (name.to_owned(), archive.to_owned())).collect()
}

/// The set-aside checksum files of archives that were not set aside themselves, as (current name, final name). A run that is
/// killed between the two leaves one.
pub fn unpaired_checksums(listing: &[Entry], naming: &Naming) -> Vec<(String, String)> {
    let has = |name: &str| listing.iter().any(|entry| entry.name == name);
    let unpaired = |entry: &Entry| {
        let set_aside = naming.set_aside(&entry.name).filter(|set_aside| set_aside.is_checksum)?;
        let checksum = naming.checksum_name(set_aside.archive);
        let is_paired = has(&naming.replaced_name(set_aside.archive, set_aside.version));
        (has(set_aside.archive) && !has(&checksum) && !is_paired).then(|| (entry.name.clone(), checksum))
    };
    listing.iter().filter(|entry| entry.kind == Kind::File).filter_map(unpaired).collect()
}

/// The uploads that earlier runs of this job did not finish. No later run needs them.
pub fn own_uploads(listing: &[Entry], naming: &Naming) -> Vec<String> {
    let files = listing.iter().filter(|entry| entry.kind == Kind::File);
    let uploads = files.filter(|entry| naming.leftover(&entry.name) == Some(Leftover::OwnUpload));
    uploads.map(|entry| entry.name.clone()).collect()
}
