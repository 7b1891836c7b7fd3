//! Finds archives named after another pattern than `archive.name`, a sign that the key was changed.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::rules::archive_name::{ArchiveName, EXTENSION};
use crate::rules::listing::{Entry, Kind};

/// Up to this many archives of the current pattern, it may be new.
const FEW: usize = 3;

/// A name with fewer digits holds no date.
const DIGITS: usize = 6;

/// The date patterns that are tried; of several that fit, the first wins.
const USUAL: [&str; 12] = [
    "%Y%d%m", "%Y%m%d", "%Y-%m-%d", "%Y-%d-%m", "%d-%m-%Y", "%m-%d-%Y", "%d%m%Y", "%m%d%Y", "%d.%m.%Y", "%Y_%m_%d",
    "%d_%m_%Y", "%y%m%d",
];

/// Files that look like archives of another pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherPattern {
    pub count: usize,
    /// The last of them by name.
    pub example: String,
    /// The pattern that most of them fit, if it is a usual one.
    pub pattern: Option<String>,
}

/// The files in `listing` that look like archives of another pattern than `name`, if they outnumber those of `name` and
/// there are few of the latter.
pub fn find(listing: &[Entry], name: &ArchiveName) -> Option<OtherPattern> {
    let files = || listing.iter().filter(|entry| entry.kind == Kind::File);
    let fitting = files().filter(|entry| name.date_of(&entry.name).is_some()).count();
    let stems = files().filter_map(|entry| entry.name.strip_suffix(EXTENSION));
    let others: Vec<&str> = stems.filter(|stem| is_dated(stem) && !begins_with_a_name(stem, name)).collect();
    if fitting > FEW || others.len() <= fitting {
        return None;
    }
    let mut patterns: BTreeMap<(usize, String), usize> = BTreeMap::new();
    for pattern in others.iter().flat_map(|stem| usual_patterns(stem)) {
        *patterns.entry(pattern).or_default() += 1;
    }
    // Of those that most fit, the first.
    let pattern = patterns.into_iter().rev().max_by_key(|(_, count)| *count).map(|((_, pattern), _)| pattern);
    let example = others.iter().max().map(|stem| format!("{stem}{EXTENSION}"))?;
    Some(OtherPattern { count: others.len(), example, pattern })
}

fn is_dated(stem: &str) -> bool {
    stem.chars().filter(char::is_ascii_digit).count() >= DIGITS
}

/// Whether `stem` begins with a name of `name`: somebody may have renamed an archive to keep it for ever.
fn begins_with_a_name(stem: &str, name: &ArchiveName) -> bool {
    let mut ends = stem.match_indices(|c: char| !c.is_alphanumeric()).map(|(at, _)| at).chain([stem.len()]);
    ends.any(|end| name.date_of(&format!("{}{EXTENSION}", &stem[..end])).is_some())
}

/// The usual patterns that produce `stem`, completed by the text around its digits, each with its index.
fn usual_patterns(stem: &str) -> Vec<(usize, String)> {
    let Some((first, last)) = stem.find(|c: char| c.is_ascii_digit()).zip(stem.rfind(|c: char| c.is_ascii_digit()))
    else {
        return Vec::new();
    };
    let (before, date, behind) = (&stem[..first], &stem[first..=last], &stem[last + 1..]);
    let fits = |pattern: &&str| {
        NaiveDate::parse_from_str(date, pattern).is_ok_and(|parsed| parsed.format(pattern).to_string() == date)
    };
    let literal = |text: &str| text.replace('%', "%%");
    let usual = USUAL.iter().copied().enumerate().filter(|(_, pattern)| fits(pattern));
    usual.map(|(place, pattern)| (place, format!("{}{pattern}{}", literal(before), literal(behind)))).collect()
}
