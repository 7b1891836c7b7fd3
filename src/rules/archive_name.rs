//! The names of archives, uploads and replaced archives in the server's folder.
//!
//! An archive is named after its date, and its checksum file after the archive. An upload is called
//! `<temporary_prefix><archive>.<id>.part`, so that jobs and machines that share a folder never touch each other's uploads. A
//! replaced archive is set aside as `<archive>.old` (the first one of its date) or `<archive>.last.old` (the latest). Versions
//! before 0.2 wrote `<temporary_prefix><archive>.part` and `<temporary_prefix><archive>.old`.

use std::fmt::Write as _;

use chrono::format::{Fixed, Item, Numeric, Parsed, StrftimeItems, parse};
use chrono::{Days, Months, NaiveDate};
use thiserror::Error;

pub const EXTENSION: &str = ".tgz";
/// Follows [`EXTENSION`] if the archive is encrypted.
pub const ENCRYPTED: &str = ".age";
const CHECKSUM: &str = ".sha256";

/// In bytes, without extension: a file name has at most 255, and a prefix and suffixes are added.
const MAX_NAME_LENGTH: usize = 200;

const PART: &str = ".part";
const OLD: &str = ".old";
const LAST_OLD: &str = ".last.old";

/// A strftime pattern for names from which the date can be parsed. Two-digit years (`%y`) are 1970 to 2069.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveName {
    items: Vec<Item<'static>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    #[error("has a field that is not a date field of strftime")]
    NotADatePattern,
    #[error("contains \"/\", \"..\" or a control character, or begins with \".\"")]
    NotAFileName,
    #[error("makes names longer than {MAX_NAME_LENGTH} bytes")]
    TooLong,
    /// Two dates would share a name, or the name lacks a part of the date.
    #[error("makes names from which the date cannot be read (tried with {0})")]
    NotReversible(NaiveDate),
}

impl ArchiveName {
    /// `pattern` has no extension, such as `%Y%d%m`.
    pub fn new(pattern: &str) -> Result<ArchiveName, PatternError> {
        let items = StrftimeItems::new(pattern).parse_to_owned().map_err(|_| PatternError::NotADatePattern)?;
        let name = ArchiveName { items };
        for date in sample_dates() {
            let rendered = name.render(date).ok_or(PatternError::NotADatePattern)?;
            let is_elsewhere_or_hidden = rendered.contains('/') || rendered.contains("..") || rendered.starts_with('.');
            if is_elsewhere_or_hidden || rendered.chars().any(char::is_control) {
                return Err(PatternError::NotAFileName);
            }
            if rendered.len() > MAX_NAME_LENGTH {
                return Err(PatternError::TooLong);
            }
            if name.date_of(&format!("{rendered}{EXTENSION}")) != Some(date) {
                return Err(PatternError::NotReversible(date));
            }
        }
        Ok(name)
    }

    /// With the extension of an archive that is not encrypted.
    pub fn file_name(&self, date: NaiveDate) -> String {
        let mut name = String::new();
        // `new` has formatted dates with this pattern; whether that works depends on the pattern alone.
        let _ = write!(name, "{}", date.format_with_items(self.items.iter()));
        name.push_str(EXTENSION);
        name
    }

    /// The date of the archive that is called `file_name`, encrypted or not.
    pub fn date_of(&self, file_name: &str) -> Option<NaiveDate> {
        let stem = file_name.strip_suffix(ENCRYPTED).unwrap_or(file_name).strip_suffix(EXTENSION)?;
        let mut parsed = Parsed::new();
        parse(&mut parsed, stem, self.items.iter()).ok()?;
        let date = parsed.to_naive_date().ok()?;
        (self.render(date).as_deref() == Some(stem)).then_some(date)
    }

    /// The pattern with day and month swapped; `None` if that changes nothing. Expands composite fields such as `%F`.
    pub fn with_day_and_month_swapped(&self) -> Option<ArchiveName> {
        let mut items = self.items.clone();
        let position = |matches: fn(&Item<'_>) -> bool| self.items.iter().position(matches);
        if position(|item| matches!(item, Item::Numeric(Numeric::Month, _))).is_some() {
            for item in &mut items {
                *item = match item {
                    Item::Numeric(Numeric::Day, pad) => Item::Numeric(Numeric::Month, *pad),
                    Item::Numeric(Numeric::Month, pad) => Item::Numeric(Numeric::Day, *pad),
                    _ => continue,
                };
            }
        } else {
            let day = position(|item| matches!(item, Item::Numeric(Numeric::Day, _)))?;
            let month = position(|item| matches!(item, Item::Fixed(Fixed::ShortMonthName | Fixed::LongMonthName)))?;
            items.swap(day, month);
        }
        (items != self.items).then_some(ArchiveName { items })
    }

    fn render(&self, date: NaiveDate) -> Option<String> {
        let mut name = String::new();
        write!(name, "{}", date.format_with_items(self.items.iter())).ok().map(|()| name)
    }
}

/// The dates with which a pattern is tested: every day of two years, one of them a leap year, to find ambiguous days and
/// months; then one day of each of 40 years, to find ambiguous years.
fn sample_dates() -> impl Iterator<Item = NaiveDate> {
    let first = NaiveDate::from_ymd_opt(2027, 1, 1).unwrap_or(NaiveDate::MIN);
    let days = (0..731).filter_map(move |day| first.checked_add_days(Days::new(day)));
    let years = (0..40).filter_map(move |year| first.checked_add_months(Months::new(12 * year)));
    days.chain(years)
}

/// How one job names its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    pub archive: ArchiveName,
    pub temporary_prefix: String,
    /// The job's id, 8 hexadecimal digits.
    pub id: String,
    /// Whether new archives are encrypted.
    pub is_encrypted: bool,
}

/// A file of this program that does not have the final name of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftover<'a> {
    /// By this job.
    OwnUpload,
    /// By another job or machine, or by a version before 0.2.
    OtherUpload,
    SetAside(SetAside<'a>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SetAside<'a> {
    /// The archive's final name.
    pub archive: &'a str,
    /// The date in that name.
    pub date: NaiveDate,
    pub version: ReplacedVersion,
    /// Whether it is the checksum file of the archive.
    pub is_checksum: bool,
}

/// One of several replaced archives of a date, in the order of replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReplacedVersion {
    /// Set aside by a program version before 0.2.
    Legacy,
    First,
    Last,
}

/// The option that makes `restore` use the replaced archive called `name`.
pub fn restore_option(name: &str) -> &'static str {
    if name.ends_with(LAST_OLD) { "--replaced=last" } else { "--replaced" }
}

/// Whether `archive`, a final name or that of a set-aside archive, is the name of an encrypted one.
pub fn is_encrypted(archive: &str) -> bool {
    let name = archive.strip_suffix(LAST_OLD).or_else(|| archive.strip_suffix(OLD)).unwrap_or(archive);
    name.strip_suffix(ENCRYPTED).is_some_and(|name| name.ends_with(EXTENSION))
}

impl Naming {
    /// The final name of a new archive of `date`.
    pub fn file_name(&self, date: NaiveDate) -> String {
        self.file_names(date).swap_remove(0)
    }

    /// The final names of archives of `date`: that of a new one, and the one in the other form, encrypted or not.
    pub fn file_names(&self, date: NaiveDate) -> Vec<String> {
        let plain = self.archive.file_name(date);
        let encrypted = format!("{plain}{ENCRYPTED}");
        if self.is_encrypted { vec![encrypted, plain] } else { vec![plain, encrypted] }
    }

    /// The name of the checksum file of `archive`, a final name or that of a set-aside archive.
    pub fn checksum_name(&self, archive: &str) -> String {
        match self.set_aside(archive) {
            Some(SetAside { archive, version, .. }) => self.replaced_name(&format!("{archive}{CHECKSUM}"), version),
            None => format!("{archive}{CHECKSUM}"),
        }
    }

    /// The final name of the archive whose checksum file is called `name`; `None` if that is not the name of one.
    pub fn checksum_of<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_suffix(CHECKSUM).filter(|archive| self.archive.date_of(archive).is_some())
    }

    /// As [`checksum_of`](Naming::checksum_of), and for those of set-aside archives.
    pub fn any_checksum_of<'a>(&self, name: &'a str) -> Option<&'a str> {
        let set_aside = self.set_aside(name).filter(|set_aside| set_aside.is_checksum);
        set_aside.map(|set_aside| set_aside.archive).or_else(|| self.checksum_of(name))
    }

    /// The name of this job's upload of `archive`, a final name.
    pub fn upload_name(&self, archive: &str) -> String {
        format!("{}{archive}.{}{PART}", self.temporary_prefix, self.id)
    }

    /// The name under which `archive`, a final name, is set aside.
    pub fn replaced_name(&self, archive: &str, version: ReplacedVersion) -> String {
        match version {
            ReplacedVersion::Legacy => format!("{}{archive}{OLD}", self.temporary_prefix),
            ReplacedVersion::First => format!("{archive}{OLD}"),
            ReplacedVersion::Last => format!("{archive}{LAST_OLD}"),
        }
    }

    /// The date of the archive called `name`, a final name or that of a set-aside archive.
    pub fn date_of(&self, name: &str) -> Option<NaiveDate> {
        self.archive.date_of(name).or_else(|| self.set_aside(name).map(|set_aside| set_aside.date))
    }

    /// Parses `name`; `None` if it is not a leftover's.
    pub fn leftover<'a>(&self, name: &'a str) -> Option<Leftover<'a>> {
        self.set_aside(name).map(Leftover::SetAside).or_else(|| self.upload(name))
    }

    /// Parses `name`; `None` if it is not a replaced archive's.
    pub fn set_aside<'a>(&self, name: &'a str) -> Option<SetAside<'a>> {
        let dated = |name: &'a str, version| {
            let (archive, is_checksum) = (name.strip_suffix(CHECKSUM).unwrap_or(name), name.ends_with(CHECKSUM));
            self.archive.date_of(archive).map(|date| SetAside { archive, date, version, is_checksum })
        };
        let last = || name.strip_suffix(LAST_OLD).and_then(|archive| dated(archive, ReplacedVersion::Last));
        let first = || name.strip_suffix(OLD).and_then(|archive| dated(archive, ReplacedVersion::First));
        let legacy = || {
            let archive = name.strip_suffix(OLD)?.strip_prefix(self.temporary_prefix.as_str())?;
            dated(archive, ReplacedVersion::Legacy)
        };
        last().or_else(first).or_else(legacy)
    }

    fn upload(&self, name: &str) -> Option<Leftover<'static>> {
        let rest = name.strip_suffix(PART)?.strip_prefix(self.temporary_prefix.as_str())?;
        if self.archive.date_of(rest).is_some() {
            return Some(Leftover::OtherUpload);
        }
        let (archive, id) = rest.rsplit_once('.')?;
        let is_id = id.len() == 8 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let archive = archive.strip_suffix(CHECKSUM).unwrap_or(archive);
        if !is_id || self.archive.date_of(archive).is_none() {
            return None;
        }
        Some(if id == self.id { Leftover::OwnUpload } else { Leftover::OtherUpload })
    }
}
