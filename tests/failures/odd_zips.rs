//! Unusual ZIPs: rare methods, variants and names, and attacks.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::servers::zips::noise;
use testkit::servers::{Entry, Zip};
use testkit::setup::DUMP;

use super::bad_night::BadNight;
use super::unusable_zips::{make_zip_with, with_field};

/// The run's archive according to GNU tar: the names, and the content of all files.
#[track_caller]
fn archive_content(bad: &BadNight) -> (String, Vec<u8>) {
    let tar = |argument: &str| {
        let archive = bad.archive();
        let output = Command::new("tar").args(["-P", argument]).arg(archive).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    (String::from_utf8(tar("-tzf")).unwrap().trim_end().to_owned(), tar("-xzOf"))
}

#[track_caller]
fn assert_delivers(bad: &BadNight) {
    bad.run().exited_with(0);
    let (names, content) = archive_content(bad);
    assert_eq!(names, DUMP);
    assert!(content == bad.dump, "the bytes differ");
    fs::remove_file(bad.archive()).unwrap();
}

const INTO_A_PIPE: &str = "python3 -c 'import sys, time, zipfile
out = zipfile.ZipFile(sys.stdout.buffer, \"w\", zipfile.ZIP_DEFLATED)
entry = zipfile.ZipInfo(\"dumpfile.sql\", time.gmtime()[:6])
entry.compress_type = zipfile.ZIP_DEFLATED
with out.open(entry, \"w\", force_zip64=True) as dump: dump.write(open(\"dumpfile.sql\", \"rb\").read())
out.close()' | cat > my_zip.zip";

#[test]
fn every_variant_of_a_zip_is_read() {
    let mut bad = BadNight::new();
    // A ZIP that fits into the fetched tail would not be read in parts.
    bad.dump = noise(300_000);
    // Midnight may pass after the dump is written.
    bad.set("source.max_age_days", json!(1));
    let plain = Zip::new().with(bad.entry()).bytes();
    for in_parts in [true, false] {
        bad.serve(|web| if in_parts { web } else { web.without_ranges() });
        bad.publish_bytes(&[b"#!/bin/sh\necho This extracts itself.\nexit\n".as_slice(), &plain].concat());
        assert_delivers(&bad);
        bad.publish(&Zip::new().with(bad.entry()).comment(&"A comment, and PK\u{5}\u{6} in it. ".repeat(2_000)));
        assert_delivers(&bad);
        // Sizes and checksum after the data, 64-bit fields, and both, as in a ZIP written to a pipe.
        make_zip_with(&bad, "zip", &["-q", "-X", "-fd", "my_zip.zip", DUMP]);
        assert_delivers(&bad);
        make_zip_with(&bad, "zip", &["-q", "-X", "-fz", "my_zip.zip", DUMP]);
        assert_delivers(&bad);
        make_zip_with(&bad, "sh", &["-c", INTO_A_PIPE]);
        assert_delivers(&bad);
    }
}

#[test]
fn deflate64_is_read() {
    let mut bad = BadNight::new();
    bad.set("source.max_age_days", json!(1));
    make_zip_with(&bad, "7z", &["a", "-bso0", "-mm=Deflate64", "my_zip.zip", DUMP]);
    assert_delivers(&bad);
}

#[test]
fn a_zip_bomb_is_stopped_at_the_cap_or_at_its_false_size() {
    const SIZE: usize = 256 * 1024 * 1024;
    let mut bad = BadNight::new();
    let bomb = Zip::new().with(Entry::new(DUMP, vec![0; SIZE]).extended_time(bad.modified)).bytes();
    // With its real size, none of it is fetched.
    bad.publish_bytes(&bomb);
    bad.set("source.max_dump_bytes", json!(1_000_000));
    bad.must_fail(&["has 268435456 bytes, more than source.max_dump_bytes allows (1000000)"]);
    assert!(bad.web.bytes_sent() < 100_000, "{} bytes", bad.web.bytes_sent());
    // With a false small size, reading stops there, for both kinds of compression.
    bad.publish_bytes(&with_field(&bomb, 22, 24, 1_000));
    for compression in [json!("reuse"), json!(1)] {
        bad.set("archive.compression", compression);
        let started = Instant::now();
        bad.must_fail(&["the dump in the ZIP is damaged", "it is longer than the ZIP's directory says"]);
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
}

#[test]
fn entries_that_overlap_are_not_trusted() {
    let bad = BadNight::new();
    let mut zip = Zip::new().with(Entry::new("before", "x".repeat(1_000))).with(bad.entry()).bytes();
    // The compressed size is at offset 20 of the directory's first entry (APPNOTE 4.3.12).
    let entry = zip.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    zip[entry + 20..entry + 24].copy_from_slice(&10_000_u32.to_le_bytes());
    bad.publish_bytes(&zip);
    bad.must_fail(&["the ZIP is inconsistent: its entries overlap. Create it again"]);
}

#[test]
fn a_path_in_a_name_does_not_write_a_file_there() {
    for name in ["../../dumpfile.sql", "/tmp/../etc/dumpfile.sql", "a/b/dumpfile.sql"] {
        let mut bad = BadNight::new();
        bad.publish(&Zip::new().with(Entry::new(name, bad.dump.clone()).extended_time(bad.modified)));
        bad.set("source.dump", json!(name));
        bad.run().exited_with(0);
        assert_eq!(archive_content(&bad).0, DUMP, "{name}");
        assert!(!bad.path("dumpfile.sql").exists() && !Path::new("/etc/dumpfile.sql").exists());
        bad.assert_no_temporary_file();
    }
}

#[test]
fn names_that_are_not_text_are_escaped() {
    let bad = BadNight::new();
    let zip = Zip::new().with(Entry::new("d_mpfile.sql", "x")).with(Entry::new("a\u{1b}[2Jb\r\nERROR c\u{7}", "x"));
    let raw = |zip: Zip| {
        let mut zip = zip.bytes();
        for at in 0..zip.len() - 12 {
            if zip[at..].starts_with(b"d_mpfile.sql") {
                zip[at + 1] = 0xff;
            }
        }
        zip
    };
    bad.publish_bytes(&raw(zip.clone().with(bad.entry())));
    assert_delivers(&bad);
    bad.publish_bytes(&raw(zip));
    // 0xff is a no-break space in CP437.
    let outcome = bad.must_fail(&["the ZIP does not contain \"dumpfile.sql\"", "mpfile.sql\""]);
    assert!(!outcome.log.lines().any(|line| line.starts_with("ERROR")), "{}", outcome.all());
    let reports = format!("{}{}{}{}", outcome.log, outcome.stderr, bad.last_mail().1, bad.last_post());
    assert!(!reports.chars().any(|character| character.is_control() && character != '\n'), "{reports:?}");
}
