//! The content of a folder, and the differences between two listings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io, thread};

/// A folder must be unchanged for this time: the server may still be handling requests of a killed program.
const STABLE_TIME: Duration = Duration::from_millis(5);

#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    File(Vec<u8>),
    Folder,
    Link(PathBuf),
}

pub type Listing = BTreeMap<String, Item>;

/// Waits until `folder` no longer changes.
pub fn stable_listing(folder: &Path) -> Listing {
    let mut last = None;
    loop {
        let now = read(folder).ok();
        if let (Some(listing), true) = (&now, now == last) {
            return listing.clone();
        }
        last = now;
        thread::sleep(STABLE_TIME);
    }
}

fn read(folder: &Path) -> io::Result<Listing> {
    let mut listing = Listing::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name().to_string_lossy().into_owned(), entry.file_type()?);
        let item = if kind.is_symlink() {
            Item::Link(fs::read_link(entry.path())?)
        } else if kind.is_dir() {
            Item::Folder
        } else {
            Item::File(fs::read(entry.path())?)
        };
        listing.insert(name, item);
    }
    Ok(listing)
}

pub fn differences(expected: &Listing, actual: &Listing) -> Vec<String> {
    let missing = expected.iter().filter_map(|(name, item)| match actual.get(name) {
        None => Some(format!("{name} is gone")),
        Some(actual) if actual != item => Some(format!("{name} has changed")),
        Some(_) => None,
    });
    let unexpected = actual.keys().filter(|name| !expected.contains_key(*name));
    missing.chain(unexpected.map(|name| format!("{name} has appeared"))).collect()
}
