//! What comes from outside may be anything: damaged or forged ZIPs, patterns, and the names that a server lists.
//!
//! `scripts/fuzz.sh` runs these for long; in a normal run each tries some hundreds of cases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod support;

use std::io::{Cursor, Read as _};
use std::ops::Range;
use std::sync::OnceLock;

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use proptest::prelude::*;
use proptest::sample::Index;
use scripting_system::archive::{ArchiveError, ZippedDump};
use scripting_system::config::Compression;
use scripting_system::interrupt::Interrupt;
use scripting_system::rules::archive_name::ArchiveName;
use scripting_system::rules::naming::Naming;
use scripting_system::rules::origin::Mark;
use scripting_system::rules::redaction::printable;
use scripting_system::rules::retention::{self, Circumstances, Entry as Listed, Kind, Policy};
use support::night::DUMP;
use support::servers::{Entry, Method, Zip, zips};

/// Larger than any dump that these ZIPs claim honestly.
const CAP: u64 = 4 * 1024 * 1024;

/// One thing that is wrong with a ZIP.
#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, u8),
    Set(Index, [u8; 4]),
    Cut(Index),
    Remove(Index, u8),
    Repeat(Index, u8),
    Insert(Index, Vec<u8>),
}

fn any_damage() -> impl Strategy<Value = Damage> {
    let number = prop_oneof![
        Just([0; 4]),
        Just([0xff; 4]),
        Just([0xff, 0xff, 0xff, 0x7f]),
        Just([1, 0, 0, 0]),
        any::<[u8; 4]>(),
    ];
    prop_oneof![
        4 => (any::<Index>(), 0_u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        4 => (any::<Index>(), number).prop_map(|(at, bytes)| Damage::Set(at, bytes)),
        1 => any::<Index>().prop_map(Damage::Cut),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, count)| Damage::Remove(at, count)),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, count)| Damage::Repeat(at, count)),
        1 => (any::<Index>(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(at, more)| Damage::Insert(at, more)),
    ]
}

impl Damage {
    fn apply(&self, zip: &mut Vec<u8>) {
        if zip.is_empty() {
            return;
        }
        let span = |at: &Index, count: u8| -> Range<usize> {
            let start = at.index(zip.len());
            start..(start + usize::from(count)).min(zip.len())
        };
        match self {
            Damage::Flip(at, bit) => {
                let at = at.index(zip.len());
                zip[at] ^= 1 << bit;
            }
            Damage::Set(at, bytes) => {
                let span = span(at, 4);
                let length = span.len();
                zip[span].copy_from_slice(&bytes[..length]);
            }
            Damage::Cut(at) => zip.truncate(at.index(zip.len())),
            Damage::Remove(at, count) => drop(zip.drain(span(at, *count))),
            Damage::Repeat(at, count) => {
                let span = span(at, *count);
                let again = zip[span.clone()].to_vec();
                drop(zip.splice(span.start..span.start, again));
            }
            Damage::Insert(at, more) => {
                let at = at.index(zip.len());
                drop(zip.splice(at..at, more.iter().copied()));
            }
        }
    }
}

fn modified() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

/// Good ZIPs of every method, with company and without.
fn good_zips() -> &'static [Vec<u8>] {
    static ZIPS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    ZIPS.get_or_init(|| {
        let entry = |method, size| Entry::new(DUMP, zips::sql_dump(size)).method(method).extended_time(modified());
        let mut made = Vec::new();
        for method in [Method::Deflated, Method::Stored, Method::Bzip2] {
            made.push(Zip::new().with(entry(method, 300)).bytes());
            let company = Zip::new().with(Entry::folder("x/")).with(Entry::new("before.txt", "b"));
            made.push(company.with(entry(method, 5_000)).with(Entry::new("after.txt", "a")).comment("c").bytes());
        }
        made
    })
}

/// What comes of `zip`: the tar in the archive, where one is made.
fn packed(zip: &[u8], compression: Compression) -> Result<Option<(ZippedDump, Vec<u8>)>, ArchiveError> {
    let dump = ZippedDump::find(Cursor::new(zip), DUMP, CAP)?;
    let data = dump.data();
    let raw = &zip[usize::try_from(data.start).unwrap()..usize::try_from(data.end).unwrap()];
    let mut archive = Vec::new();
    let mark = Mark::parse(b"0123456789abcdef").unwrap();
    if dump.pack(raw, compression, modified(), &mark, &mut archive, &Interrupt::new()).is_err() {
        return Ok(None);
    }
    let mut tar = Vec::new();
    flate2::bufread::MultiGzDecoder::new(archive.as_slice()).read_to_end(&mut tar).expect("a gzip file");
    Ok(Some((dump, tar)))
}

proptest! {
    #[test]
    fn a_damaged_zip_gives_no_archive_or_one_that_holds_what_it_declares(
        which in any::<Index>(),
        damages in prop::collection::vec(any_damage(), 0..5),
        compression in prop_oneof![Just(Compression::Reuse), (1_u32..=9).prop_map(Compression::Level)],
    ) {
        let mut zip = which.get(good_zips()).clone();
        for damage in &damages {
            damage.apply(&mut zip);
        }
        let result = packed(&zip, compression);
        if damages.is_empty() {
            prop_assert!(matches!(result, Ok(Some(_))));
        }
        if let Ok(Some((dump, tar))) = result {
            prop_assert!(dump.entry().size <= CAP);
            let mut entries = tar::Archive::new(tar.as_slice());
            let mut entries = entries.entries().unwrap();
            let mut entry = entries.next().expect("one entry").unwrap();
            prop_assert_eq!(entry.size(), dump.entry().size);
            prop_assert_eq!(entry.path_bytes().into_owned(), DUMP.as_bytes());
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            prop_assert_eq!(content.len() as u64, dump.entry().size);
            prop_assert!(entries.next().is_none());
        }
    }

    #[test]
    fn any_bytes_are_no_zip_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(ZippedDump::find(Cursor::new(bytes), DUMP, CAP).is_err());
    }

    #[test]
    fn a_pattern_that_is_taken_names_every_date_and_stays_in_its_folder(
        pattern in r"(%[YmdHMSjyGVuwBbaeFDTZzs%nt+-]|%[-_0][a-zA-Z]|[a-z./\\ %é\x00-\x1f-]){0,8}",
        // From 2020, before which there is no archive, to 2069, with which two digits of a year end (strptime(3)).
        days in 18_262_i32..36_524,
    ) {
        if let Ok(name) = ArchiveName::new(&pattern) {
            let date = NaiveDate::from_num_days_from_ce_opt(719_163 + days).unwrap();
            let file = name.file_name(date);
            prop_assert_eq!(name.date_of(&file), Some(date), "{:?} as {:?}, year {}", pattern, file, date.year());
            prop_assert!(!file.contains('/') && !file.chars().any(char::is_control) && file.ends_with(".tgz"));
        }
    }

    #[test]
    fn no_listed_name_is_taken_for_ours_unless_it_is_or_forges_a_line(
        names in prop::collection::btree_set(r"(?s)\.?[0-9]{0,9}(\.tgz)?(\.part|\.old)?\n?|.{0,20}", 0..20),
    ) {
        let naming = Naming { archive: ArchiveName::new("%Y%d%m").unwrap(), temporary_prefix: ".".to_owned(), id: "0a1b2c3d".to_owned() };
        let listing: Vec<Listed> =
            names.iter().map(|name| Listed { name: name.clone(), kind: Kind::File, size: Some(1), modified: None }).collect();
        let policy = Policy { keep_days: 1, keep_at_least: 1, keep_daily: 0, keep_weekly: 0, keep_monthly: 0, keep_yearly: 0 };
        let today = NaiveDate::from_ymd_opt(2026, 11, 24).unwrap();
        let plan = retention::plan(&listing, &naming, policy, Circumstances::on(today));
        for decision in plan.removals() {
            let bare = decision.name.trim_start_matches('.').trim_end_matches(".part").trim_end_matches(".old");
            prop_assert!(bare.len() == "YYYYDDMM.tgz".len() && naming.archive.date_of(bare).is_some(), "{decision:?}");
        }
        for decision in &plan.decisions {
            prop_assert!(!printable(&decision.name).chars().any(char::is_control));
        }
    }
}
