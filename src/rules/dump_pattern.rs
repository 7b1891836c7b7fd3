//! The pattern of the dump's path in the ZIP: strftime fields of the run date, and `*` for any characters but `/`.

use std::fmt::Write as _;

use chrono::NaiveDate;
use chrono::format::{Item, StrftimeItems};

/// `%%` is a percent sign. An asterisk cannot be quoted: it matches itself too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpPattern {
    text: String,
    items: Vec<Item<'static>>,
}

impl DumpPattern {
    /// `None` if `text` has a field that is not a date field of strftime.
    pub fn new(text: &str) -> Option<DumpPattern> {
        let items = StrftimeItems::new(text).parse_to_owned().ok()?;
        // Whether it works depends on the fields alone.
        write!(String::new(), "{}", NaiveDate::default().format_with_items(items.iter())).ok()?;
        Some(DumpPattern { text: text.to_owned(), items })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn has_date(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Numeric(..) | Item::Fixed(_)))
    }

    /// The path for the run date `date`, in which only `*` has a meaning: see [`matches()`].
    pub fn on(&self, date: NaiveDate) -> String {
        let mut path = String::new();
        // `new` has formatted a date.
        let _ = write!(path, "{}", date.format_with_items(self.items.iter()));
        path
    }
}

/// Whether the whole `path` matches `pattern`, in which `*` stands for any characters of one segment, or none.
pub fn matches(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    pattern.split('/').all(|pattern| segments.next().is_some_and(|segment| segment_matches(pattern, segment)))
        && segments.next().is_none()
}

fn segment_matches(pattern: &str, mut text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(inner) = text.strip_prefix(first).and_then(|text| text.strip_suffix(last)) else { return false };
    text = inner;
    // The first place of each part leaves the most for the others.
    middle.split('*').all(|part| match text.split_once(part) {
        Some((_, after)) => {
            text = after;
            true
        }
        None => part.is_empty(),
    })
}
