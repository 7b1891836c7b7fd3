//! Finds archives named by a pattern other than `archive.name`: the key was probably changed.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::rules::archive_name::{ArchiveName, ENCRYPTED, EXTENSION};
use crate::rules::listing::{Entry, Kind};

/// With more archives of the current pattern than this, it is not new.
const MAX_CURRENT: usize = 3;

/// A name with fewer digits contains no date.
const MIN_DIGITS: usize = 6;

/// The date patterns to try, in order of preference.
const COMMON_PATTERNS: [&str; 12] = [
    "%Y%d%m", "%Y%m%d", "%Y-%m-%d", "%Y-%d-%m", "%d-%m-%Y", "%m-%d-%Y", "%d%m%Y", "%m%d%Y", "%d.%m.%Y", "%Y_%m_%d",
    "%d_%m_%Y", "%y%m%d",
];

/// Files that look like archives of another pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherPattern {
    pub count: usize,
    /// The last one by name.
    pub example: String,
    /// The pattern that matches most of them, if it is a common one.
    pub pattern: Option<String>,
}

/// The files in `listing` that look like archives of a pattern other than `name`; `None` unless the pattern seems new: few
/// files match it, and more match others.
pub fn find(listing: &[Entry], name: &ArchiveName) -> Option<OtherPattern> {
    let files = || listing.iter().filter(|entry| entry.kind == Kind::File);
    let current = files().filter(|entry| name.date_of(&entry.name).is_some()).count();
    let stems = files().filter_map(|entry| stem(&entry.name));
    let others: Vec<&str> = stems.filter(|stem| is_dated(stem) && !starts_with_archive_name(stem, name)).collect();
    if current > MAX_CURRENT || others.len() <= current {
        return None;
    }
    let mut patterns: BTreeMap<(usize, String), usize> = BTreeMap::new();
    for pattern in others.iter().flat_map(|stem| matching_patterns(stem)) {
        *patterns.entry(pattern).or_default() += 1;
    }
    // Reversed because `max_by_key` returns the last of several.
    let pattern = patterns.into_iter().rev().max_by_key(|(_, count)| *count).map(|((_, pattern), _)| pattern);
    let last = others.iter().max()?;
    let example = files().find(|entry| stem(&entry.name) == Some(last))?.name.clone();
    Some(OtherPattern { count: others.len(), example, pattern })
}

/// The name of an archive without extensions.
fn stem(name: &str) -> Option<&str> {
    name.strip_suffix(ENCRYPTED).unwrap_or(name).strip_suffix(EXTENSION)
}

fn is_dated(stem: &str) -> bool {
    stem.chars().filter(char::is_ascii_digit).count() >= MIN_DIGITS
}

/// Whether `stem` starts with an archive's name: somebody may have renamed an archive to keep it forever.
fn starts_with_archive_name(stem: &str, name: &ArchiveName) -> bool {
    let mut ends = stem.match_indices(|c: char| !c.is_alphanumeric()).map(|(at, _)| at).chain([stem.len()]);
    ends.any(|end| name.date_of(&format!("{}{EXTENSION}", &stem[..end])).is_some())
}

/// The common patterns that produce `stem`, each with its index, including the text around the date.
fn matching_patterns(stem: &str) -> Vec<(usize, String)> {
    let Some((first, last)) = stem.find(|c: char| c.is_ascii_digit()).zip(stem.rfind(|c: char| c.is_ascii_digit()))
    else {
        return Vec::new();
    };
    let (prefix, date, suffix) = (&stem[..first], &stem[first..=last], &stem[last + 1..]);
    let matches = |pattern: &&str| {
        NaiveDate::parse_from_str(date, pattern).is_ok_and(|parsed| parsed.format(pattern).to_string() == date)
    };
    let literal = |text: &str| text.replace('%', "%%");
    let patterns = COMMON_PATTERNS.iter().copied().enumerate().filter(|(_, pattern)| matches(pattern));
    patterns.map(|(index, pattern)| (index, format!("{}{pattern}{}", literal(prefix), literal(suffix)))).collect()
}
