//! Archive names: patterns, dates and leftovers.

use chrono::{Days, Months, NaiveDate};
use proptest::prelude::*;
use scripting_system::rules::archive_name::*;

fn date(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap()
}

/// Every day of two years, one of them a leap year, then one day of each of 40 years.
fn sample_dates() -> impl Iterator<Item = NaiveDate> {
    let first = date(2027, 1, 1);
    let days = (0..731).map(move |day| first + Days::new(day));
    let years = (0..40).map(move |year| first + Months::new(12 * year));
    days.chain(years)
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
