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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn date(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    #[test]
    fn only_the_whole_name_is_parsed() {
        let name = ArchiveName::new("%Y%d%m").unwrap();
        assert_eq!(name.file_name(date(2026, 11, 23)), "20262311.tgz");
        for archive in ["20262311.tgz", "20262311.tgz.age"] {
            assert_eq!(name.date_of(archive), Some(date(2026, 11, 23)));
        }
        let foreign = "20262311, x20262311.tgz, 20262311.tgz.part, 20262311.tgz\n,  20262311.tgz, 20261332.tgz, \
                       +20262311.tgz, 2026 311.tgz, 20262311.TGZ, , .tgz, .age, 20262311.age, 20262311.tgz.age.age";
        for foreign in foreign.split(", ") {
            assert_eq!(name.date_of(foreign), None, "{foreign:?}");
        }
    }

    #[test]
    fn a_pattern_must_make_file_names_from_which_the_date_can_be_parsed() {
        use PatternError::{NotADatePattern, NotAFileName, NotReversible, TooLong};
        let too_long = format!("%Y%m%d{}", "x".repeat(200));
        let lossy = ["dump", "%Y", "%Y%m", "%m%d", "%Y%-d%-m", "%A"];
        assert!(lossy.iter().all(|lossy| matches!(ArchiveName::new(lossy), Err(NotReversible(_)))));
        for (patterns, error) in [
            (&["%Y%m%d%H", "%Y%m%d%Q"][..], NotADatePattern),
            (&["%Y/%m/%d", "%D", "%x", "..%Y%m%d", ".%Y%m%d", "%Y%n%m%d"], NotAFileName),
            (&[too_long.as_str()], TooLong),
        ] {
            assert!(patterns.iter().all(|pattern| ArchiveName::new(pattern) == Err(error.clone())), "{patterns:?}");
        }
    }

    #[test]
    fn day_and_month_are_swapped() {
        let swapped = |pattern| ArchiveName::new(pattern).unwrap().with_day_and_month_swapped();
        for (pattern, expected) in [
            ("100%%d-%Y%-d-%m", "100%%d-%Y%-m-%d"),
            ("%Y%d%m", "%Y%m%d"),
            ("%F", "%Y-%d-%m"),
            ("%Y-%d-%m", "%F"),
            ("%v", "%b-%e-%Y"),
            ("%d %B %Y", "%B %d %Y"),
        ] {
            let swapped = swapped(pattern).unwrap();
            for day in sample_dates() {
                assert_eq!(swapped.file_name(day), ArchiveName::new(expected).unwrap().file_name(day), "{pattern}");
            }
        }
        assert_eq!(swapped("%Y-%j"), None);
    }

    #[test]
    fn a_name_identifies_each_leftover() {
        for prefix in [".", "tmp-", ""] {
            let archive = ArchiveName::new("%Y%d%m").unwrap();
            let (temporary_prefix, id) = (prefix.to_owned(), "0a1b2c3d".to_owned());
            let naming = Naming { archive, temporary_prefix, id, is_encrypted: true };
            let date = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
            let archive = naming.file_name(date);
            let archive = archive.as_str();
            let checksum = naming.checksum_name(archive);
            assert_eq!((archive, checksum.as_str()), ("20262311.tgz.age", "20262311.tgz.age.sha256"));
            assert_eq!((naming.checksum_of(&checksum), naming.checksum_of(archive)), (Some(archive), None));
            assert_eq!(naming.leftover(&checksum), None);
            assert_eq!(naming.leftover(&naming.upload_name(&checksum)), Some(Leftover::OwnUpload));
            for version in [ReplacedVersion::First, ReplacedVersion::Last] {
                let name = naming.checksum_name(&naming.replaced_name(archive, version));
                let set_aside = SetAside { archive, date, version, is_checksum: true };
                assert_eq!(naming.set_aside(&name), Some(set_aside), "{name}");
            }
            assert_eq!(naming.leftover(&naming.upload_name(archive)), Some(Leftover::OwnUpload));
            for other in [".ffffffff.part", ".part"] {
                assert_eq!(naming.leftover(&format!("{prefix}{archive}{other}")), Some(Leftover::OtherUpload));
            }
            for version in [ReplacedVersion::First, ReplacedVersion::Last, ReplacedVersion::Legacy] {
                let name = naming.replaced_name(archive, version);
                // Without a prefix, the legacy name is the same as the first one.
                let is_ambiguous = prefix.is_empty() && version == ReplacedVersion::Legacy;
                let version = if is_ambiguous { ReplacedVersion::First } else { version };
                assert_eq!(
                    naming.set_aside(&name),
                    Some(SetAside { archive, date, version, is_checksum: false }),
                    "{name}"
                );
            }
            for foreign in [".0A1B2C3D.part", ".0a1b2c3.part", ".part.old", ".old.part", ".first.old", ""] {
                assert_eq!(naming.leftover(&format!("{prefix}{archive}{foreign}")), None, "{foreign}");
            }
            assert_eq!(naming.leftover(&format!("{prefix}20269911.tgz.old")), None);
            let options = [ReplacedVersion::Legacy, ReplacedVersion::First, ReplacedVersion::Last]
                .map(|version| restore_option(&naming.replaced_name(archive, version)));
            assert_eq!(options, ["--replaced", "--replaced", "--replaced=last"]);
        }
    }

    proptest! {
        #[test]
        fn every_name_parses_to_its_date(
            days in 0_u64..20_000,
            pattern in prop::sample::select(vec!["%Y%d%m", "%F", "db-%y%m%d", "%d.%m.%Y", "%Y-%j", "dump_%e_%B_%Y"]),
        ) {
            let name = ArchiveName::new(pattern).unwrap();
            let date = date(2000, 1, 1).checked_add_days(Days::new(days)).unwrap();
            prop_assert_eq!(name.date_of(&name.file_name(date)), Some(date));
        }

        #[test]
        fn parsing_never_panics(text in ".*") {
            let name = ArchiveName::new("%Y%d%m").unwrap();
            if let Some(date) = name.date_of(&text) {
                prop_assert_eq!(name.file_name(date), text);
            }
        }

        #[test]
        fn checking_a_pattern_never_panics(pattern in "[%a-zA-Z0-9._/-]{0,12}") {
            if let Ok(name) = ArchiveName::new(&pattern) {
                let today = date(2026, 11, 23);
                prop_assert_eq!(name.date_of(&name.file_name(today)), Some(today));
            }
        }
    }
}
