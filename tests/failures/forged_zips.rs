//! ZIPs with a false end record or an oversized directory: refused at once and with little memory, whether they are read in
//! parts or downloaded.

use std::time::{Duration, Instant};

use testkit::servers::{Entry, Zip};

use super::bad_night::BadNight;
use super::random_bytes::run_with_limits;

const TIB: u64 = 1 << 40;

/// A ZIP64 end record at offset `place`, its locator and the end record (APPNOTE 4.3.14 to 4.3.16).
fn zip64_tail(place: u64, entries: u64, size: u64, offset: u64) -> Vec<u8> {
    let figures = [44, 0x2d_002d, 0, 0].map(u64::to_le_bytes);
    let [entries, size, offset, place] = [entries, size, offset, place].map(u64::to_le_bytes);
    let record = [&b"PK\x06\x06"[..], &figures[0], &figures[1][..4], &figures[2], &entries, &entries, &size, &offset];
    let locator = [&b"PK\x06\x07"[..], &[0; 4], &place, &[1, 0, 0, 0]];
    [record.concat(), locator.concat(), b"PK\x05\x06".to_vec(), vec![0xff; 16], vec![0; 2]].concat()
}

/// A directory of `entries` entries, all with their data at the beginning of the file (APPNOTE 4.3.12).
fn directory(entries: u64) -> Vec<u8> {
    let entry = |number: u64| {
        let mut header = [0; 46];
        header[..4].copy_from_slice(b"PK\x01\x02");
        header[28] = 8;
        [&header[..], format!("{number:08}").as_bytes()].concat()
    };
    (0..entries).flat_map(entry).collect()
}

/// Asserts that the run fails quickly and within memory limits, with `words` on every channel.
#[track_caller]
fn must_be_refused(bad: &BadNight, words: &[&str]) {
    let started = Instant::now();
    let outcome = run_with_limits(bad);
    outcome.exited_with(4);
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}: {}", started.elapsed(), outcome.all());
    bad.must_fail(words);
}

#[test]
fn a_tail_that_claims_billions_of_entries_is_refused_at_once() {
    let mut bad = BadNight::new();
    let (entries, place) = (1 << 33, 64 * TIB - 98);
    let size = 46 * entries;
    bad.publish_bytes(&zip64_tail(place, entries, size, place - size));
    bad.serve(|web| web.claiming_size(64 * TIB));
    must_be_refused(
        &bad,
        &["too large: 8589934592 entries and 395136991232 bytes", "at most 65535 entries", "Make a ZIP"],
    );
    bad.publish_bytes(&zip64_tail(64 * TIB - 98, 3, 64 << 30, 0));
    must_be_refused(&bad, &["too large: 3 entries and 68719476736 bytes"]);
    assert!(bad.web.bytes_sent() < 10_000_000, "{} bytes", bad.web.bytes_sent());
}

#[test]
fn a_zip_of_64_tib_is_not_searched_for_a_missing_directory() {
    let mut bad = BadNight::new();
    bad.serve(|web| web.claiming_size(64 * TIB));
    let plain = [&b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..], &46_u32.to_le_bytes(), &7_u32.to_le_bytes(), &[0; 2]].concat();
    for end in [plain, zip64_tail(9, 1, 46, 9)[56..].to_vec(), zip64_tail(64 * TIB - 98, 1, 46, 9)] {
        bad.publish_bytes(&end);
        must_be_refused(&bad, &["the ZIP is inconsistent: ", "Create it again"]);
    }
    assert!(bad.web.requests() < 60, "{} requests", bad.web.requests());
    // Without an end record it is not a ZIP.
    bad.publish_bytes(&[0; 1_000]);
    must_be_refused(&bad, &["is not a ZIP"]);
}

#[test]
fn a_directory_of_a_million_entries_is_refused_at_once() {
    const MILLION: u64 = 1_000_000;
    let directory = directory(MILLION);
    let size = directory.len() as u64;
    for in_parts in [true, false] {
        let mut bad = BadNight::new();
        bad.publish_bytes(&[directory.clone(), zip64_tail(size, MILLION, size, 0)].concat());
        bad.serve(|web| if in_parts { web } else { web.without_ranges() });
        must_be_refused(&bad, &["too large: 1000000 entries and 54000000 bytes"]);
    }
}

#[test]
fn a_directory_with_more_entries_than_its_end_says_is_refused() {
    // 16 bits hold 300,000 modulo 65,536.
    let directory = directory(300_000);
    let (entries, size) = ((300_000_u32 % 65_536) as u16, directory.len() as u32);
    let figures = [&[0; 4][..], &entries.to_le_bytes(), &entries.to_le_bytes(), &size.to_le_bytes(), &[0; 6]].concat();
    let bad = BadNight::new();
    bad.publish_bytes(&[directory, b"PK\x05\x06".to_vec(), figures].concat());
    must_be_refused(&bad, &["its directory does not match its end record"]);
}

#[test]
fn the_largest_accepted_directory_needs_little_memory() {
    let bad = BadNight::new();
    let name = |number: u64| format!("{number:06}{}", "x".repeat(190));
    let dump = bad.entry();
    let zip = (0..65_534).fold(Zip::new().with(dump), |zip, number| zip.with(Entry::new(&name(number), "")));
    bad.publish(&zip);
    run_with_limits(&bad).exited_with(0);
}
