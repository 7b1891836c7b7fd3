//! Malicious or damaged input: ZIPs, name patterns, and file names on a server.
//!
//! `scripts/dev/fuzz.sh` runs these tests for a long time; a normal run tries a few hundred cases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::OnceLock;

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use proptest::prelude::*;
use proptest::sample::Index;
use scripting_system::archive::{ArchiveError, ZippedDump};
use scripting_system::config::Compression;
use scripting_system::rules::archive_name::{ArchiveName, Naming};
use scripting_system::rules::listing::{Entry as Listed, Kind};
use scripting_system::rules::origin::Mark;
use scripting_system::rules::redaction::printable;
use scripting_system::rules::retention;
use scripting_system::rules::retention::Circumstances;
use scripting_system::rules::retention::keeping::{Policy, Remover};
use scripting_system::runtime::interrupt::Interrupt;
use testkit::servers::{Entry, Method, Zip, zips};
use testkit::setup::DUMP;

/// Larger than any dump in these tests.
const CAP: u64 = 4 * 1024 * 1024;

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
                let copy = zip[span.clone()].to_vec();
                drop(zip.splice(span.start..span.start, copy));
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

/// Valid ZIPs of every method, with and without other entries.
fn valid_zips() -> &'static [Vec<u8>] {
    static ZIPS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    ZIPS.get_or_init(|| {
        let entry = |method, size| Entry::new(DUMP, zips::sql_dump(size)).method(method).extended_time(modified());
        let mut zips = Vec::new();
        for method in [Method::Deflated, Method::Stored, Method::Bzip2] {
            zips.push(Zip::new().with(entry(method, 300)).bytes());
            let others = Zip::new().with(Entry::folder("x/")).with(Entry::new("before.txt", "b"));
            zips.push(others.with(entry(method, 5_000)).with(Entry::new("after.txt", "a")).comment("c").bytes());
        }
        zips
    })
}

/// Packs the dump of `zip`; returns the tar in the archive, or `None` if packing fails.
fn pack_and_gunzip(zip: &[u8], compression: Compression) -> Result<Option<(ZippedDump, Vec<u8>)>, ArchiveError> {
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

#[test]
fn an_entry_overlapping_the_dump_is_detected_on_either_side() {
    let stored = |name| Entry::new(name, [b'x'; 100]).method(Method::Stored);
    let valid =
        ["before", "dump.sql", "after"].into_iter().fold(Zip::new(), |zip, name| zip.with(stored(name))).bytes();
    assert!(ZippedDump::find(Cursor::new(&valid), "dump.sql", 1_000).is_ok());

    let entries: Vec<usize> = (0..valid.len() - 4).filter(|at| valid[*at..].starts_with(b"PK\x01\x02")).collect();
    // The compressed size is at offset 20 of a directory entry, the offset of the local header at 42 (APPNOTE 4.3.12).
    for (entry, field, value) in [(entries[0], 20, 150_u32), (entries[2], 42, 150)] {
        let mut damaged = valid.clone();
        damaged[entry + field..entry + field + 4].copy_from_slice(&value.to_le_bytes());
        let result = ZippedDump::find(Cursor::new(&damaged), "dump.sql", 1_000);
        assert!(matches!(result, Err(ArchiveError::Inconsistent("its entries overlap"))), "{result:?}");
    }
}

/// A ZIP64 end record at `offset`, its locator and the end record (APPNOTE 4.3.14 to 4.3.16). `figures`: number of
/// entries, size and offset of the directory.
fn zip64_tail(place: u64, figures: [u64; 3], sector: &[u8]) -> Vec<u8> {
    let [entries, size, offset] = figures.map(u64::to_le_bytes);
    let length = (44 + sector.len() as u64).to_le_bytes();
    let (place, disks) = (place.to_le_bytes(), [0; 8]);
    let record =
        [&b"PK\x06\x06"[..], &length, &[45, 0, 45, 0], &disks, &entries, &entries, &size, &offset, sector].concat();
    let locator = [&b"PK\x06\x07"[..], &[0; 4], &place, &[1, 0, 0, 0]].concat();
    [record, locator, [&b"PK\x05\x06"[..], &[0xff; 16], &[0; 2]].concat()].concat()
}

/// Prepends `before` to `zip` and replaces the plain end record with a ZIP64 one.
fn as_zip64(zip: &[u8], before: &[u8], sector: &[u8]) -> Vec<u8> {
    let end = zip.len() - 22;
    let number = |at: usize, length: usize| {
        zip[end + at..][..length].iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte))
    };
    let tail = zip64_tail(end as u64, [number(10, 2), number(12, 4), number(16, 4)], sector);
    [before, &zip[..end], &tail].concat()
}

#[test]
fn every_valid_end_of_a_zip_is_found() {
    let dump = Entry::new(DUMP, "x").extended_time(modified());
    let plain = Zip::new().with(dump.clone()).with(Entry::new("y", "y")).bytes();
    let before = b"#!/bin/sh\nexit\n".as_slice();
    let sector = [7; 100];
    let inner = Zip::new().with(Entry::new("inner", "z")).bytes();
    let mut commented = Zip::new().with(dump).comment(&"x".repeat(inner.len())).bytes();
    let place = commented.len() - inner.len();
    commented[place..].copy_from_slice(&inner);
    for (what, zip) in [
        ("plain", plain.clone()),
        ("bytes before", [before, &plain].concat()),
        ("bytes after", [&plain, b"\n\n".as_slice()].concat()),
        ("ZIP64", as_zip64(&plain, b"", b"")),
        ("ZIP64 and bytes before", as_zip64(&plain, before, b"")),
        ("ZIP64 with a data sector", as_zip64(&plain, b"", &sector)),
        ("bytes between directory and end", {
            let (entries, end) = plain.split_at(plain.len() - 22);
            [entries, b"0123456789", end].concat()
        }),
    ] {
        assert_eq!(
            ZippedDump::find(Cursor::new(&zip), DUMP, CAP).map(|dump| dump.entry().size).ok(),
            Some(1),
            "{what}"
        );
    }
    for zip in [&plain, &as_zip64(&plain, b"", b"")] {
        let (result, read) = find_in(64 << 40, zip);
        assert!(result.is_ok() && read < 70_000, "64 TiB before the ZIP: {result:?}, {read} bytes read");
    }
    for length in 0..=22 {
        let cut = &b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"[..length];
        assert!(ZippedDump::find(Cursor::new(cut), DUMP, CAP).is_err(), "{length} bytes");
    }
    // A comment that is a ZIP: the last end record wins, as in other programs.
    let result = ZippedDump::find(Cursor::new(&commented), "inner", CAP);
    assert!(result.is_ok(), "{result:?}");
}

/// A file of `size` bytes: zeros, then `end`. Counts the bytes read.
struct Sparse<'a> {
    size: u64,
    end: &'a [u8],
    position: u64,
    read: u64,
}

impl Read for Sparse<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (self.size.saturating_sub(self.position)).min(buffer.len() as u64) as usize;
        let before = self.size - self.end.len() as u64;
        for (index, byte) in buffer[..count].iter_mut().enumerate() {
            let at = self.position + index as u64;
            *byte = at.checked_sub(before).map_or(0, |at| self.end[at as usize]);
        }
        (self.position, self.read) = (self.position + count as u64, self.read + count as u64);
        Ok(count)
    }
}

impl Seek for Sparse<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = match to {
            SeekFrom::Start(position) => position,
            SeekFrom::End(offset) => self.size.checked_add_signed(offset).unwrap(),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset).unwrap(),
        };
        Ok(self.position)
    }
}

/// The result of `find` on a file of `size` bytes with this `end`, and the number of bytes read.
fn find_in(size: u64, end: &[u8]) -> (Result<ZippedDump, ArchiveError>, u64) {
    let mut file = Sparse { size, end, position: 0, read: 0 };
    let result = ZippedDump::find(&mut file, DUMP, CAP);
    (result, file.read)
}

#[test]
fn an_oversized_directory_is_refused_with_its_figures_without_reading_it() {
    const FILE: u64 = 64 << 40;
    let place = FILE - 98;
    for [entries, size, offset] in [
        [1 << 33, 46 << 33, 0],
        [5, 64 << 30, 0],
        [1_000_000, 60_000_000, 4],
        [65_536, 46 << 16, 0],
        [1, (16 << 20) + 1, 0],
    ] {
        let (result, read) = find_in(FILE, &zip64_tail(place, [entries, size, offset], b""));
        let message = result.unwrap_err().to_string();
        assert!(message.contains(&format!("too large: {entries} entries and {size} bytes")), "{message}");
        assert!(read < 70_000, "{read} bytes were read");
    }
}

#[test]
fn a_missing_directory_is_not_searched_for() {
    const FILE: u64 = 64 << 40;
    let end = |entries: u16, size: u32, offset: u32| {
        let figures =
            [&[0; 4][..], &entries.to_le_bytes(), &entries.to_le_bytes(), &size.to_le_bytes(), &offset.to_le_bytes()];
        [b"PK\x05\x06", figures.concat().as_slice(), &[0; 2]].concat()
    };
    let locator_elsewhere = zip64_tail(5, [1, 46, 0], b"")[56..].to_vec();
    let long_sector = zip64_tail(FILE - 98 - (1 << 20), [1, 46, 0], &vec![0; 1 << 20]);
    let many = end(1, 46, 7).repeat(3_000);
    for end in [end(1, 46, 0), end(65_535, 0xff_ffff, 1), end(0, 0, 0xffff_fffe), locator_elsewhere, long_sector, many]
    {
        let (result, read) = find_in(FILE, &end);
        assert!(matches!(result, Err(ArchiveError::Inconsistent(_) | ArchiveError::Dump(_))), "{result:?}");
        assert!(read < 200_000, "{read} bytes were read");
    }
}

proptest! {
    #[test]
    fn no_end_of_a_file_causes_long_reads(
        size in prop_oneof![0_u64..100_000, Just(64 << 40), Just(u64::MAX - 1)],
        pieces in prop::collection::vec(
            prop_oneof![
                Just(b"PK\x05\x06".to_vec()), Just(b"PK\x06\x06".to_vec()), Just(b"PK\x06\x07".to_vec()),
                Just(b"PK\x01\x02".to_vec()), Just(vec![0; 8]), Just(vec![0xff; 8]), Just(vec![44, 0, 0, 0, 0, 0, 0, 0]),
                prop::collection::vec(any::<u8>(), 0..30),
            ],
            0..60,
        ),
        claims in any::<[u64; 3]>(),
        is_zip64 in any::<bool>(),
    ) {
        let mut end = pieces.concat();
        if is_zip64 {
            end.extend(zip64_tail(size.saturating_sub(98), claims, b""));
        }
        let (result, read) = find_in(size.max(end.len() as u64), &end);
        prop_assert!(result.is_err());
        // The tail, the beginning, and two attempts for each end record.
        prop_assert!(read < 70_000 + 16 * 2 * (16 << 20), "{} bytes", read);
    }

    #[test]
    fn a_damaged_zip_yields_no_archive_or_one_that_matches_its_directory(
        which in any::<Index>(),
        damages in prop::collection::vec(any_damage(), 0..5),
        compression in prop_oneof![Just(Compression::Reuse), (1_u32..=9).prop_map(Compression::Level)],
    ) {
        let mut zip = which.get(valid_zips()).clone();
        for damage in &damages {
            damage.apply(&mut zip);
        }
        let result = pack_and_gunzip(&zip, compression);
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
    fn arbitrary_bytes_are_rejected_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(ZippedDump::find(Cursor::new(bytes), DUMP, CAP).is_err());
    }

    #[test]
    fn an_accepted_pattern_names_every_date_within_the_folder(
        pattern in r"(%[YmdHMSjyGVuwBbaeFDTZzs%nt+-]|%[-_0][a-zA-Z]|[a-z./\\ %é\x00-\x1f-]){0,8}",
        // From 2020, the earliest year of an archive, to 2069, the last year of strptime(3) with two digits.
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
    fn foreign_names_are_never_removed_and_no_name_forges_a_line(
        names in prop::collection::btree_set(r"(?s)\.?[0-9]{0,9}(\.tgz)?(\.part|\.old)?\n?|.{0,20}", 0..20),
    ) {
        let naming = Naming { archive: ArchiveName::new("%Y%d%m").unwrap(), temporary_prefix: ".".to_owned(), id: "0a1b2c3d".to_owned(), is_encrypted: false };
        let listing: Vec<Listed> =
            names.iter().map(|name| Listed { name: name.clone(), kind: Kind::File, size: Some(1), modified: None }).collect();
        let policy = Policy { keep_days: 1, keep_at_least: 1, keep_daily: 0, keep_weekly: 0, keep_monthly: 0, keep_yearly: 0, remover: Remover::Run };
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
