//! Downloads that are not a ZIP, or do not contain a usable dump.

use std::fs;
use std::process::Command;

use serde_json::json;
use testkit::servers::{Entry, Zip};
use testkit::setup::DUMP;

use super::bad_night::BadNight;

/// A job with `zip` on the web server.
fn job_with_zip(zip: &Zip) -> BadNight {
    let bad = BadNight::new();
    bad.publish(zip);
    bad
}

/// Runs `command` in the web server's folder to make `my_zip.zip` from the dump's file.
pub(crate) fn make_zip_with(bad: &BadNight, command: &str, arguments: &[&str]) {
    fs::remove_file(bad.path("web/my_zip.zip")).unwrap();
    fs::write(bad.path("web").join(DUMP), &bad.dump).unwrap();
    let status = Command::new(command).args(arguments).current_dir(bad.path("web")).env("TZ", "UTC").status();
    assert!(status.unwrap_or_else(|_| panic!("{command} is missing: install the Debian package")).success());
}

#[test]
fn a_missing_dump_is_reported_with_similar_names() {
    let names = ["zebra.txt", "backup/dumpfile.sql", "Dumpfile.SQL", "notes"];
    let zip = names.iter().fold(Zip::new(), |zip, name| zip.with(Entry::new(name, "content")));
    job_with_zip(&zip).must_fail(&[
        "the ZIP does not contain \"dumpfile.sql\"; it contains \"Dumpfile.SQL\", \"backup/dumpfile.sql\"",
        "Correct source.dump, or the program that makes the ZIP",
    ]);
}

#[test]
fn a_zip_without_a_file_is_reported_as_such() {
    job_with_zip(&Zip::new())
        .must_fail(&["it contains no file", "Correct source.dump, or the program that makes the ZIP"]);
}

#[test]
fn names_in_the_zip_cannot_forge_a_line() {
    let outcome =
        job_with_zip(&Zip::new().with(Entry::new("../x\nERROR all is lost", "content"))).must_fail(&["it contains"]);
    assert!(!outcome.log.lines().any(|line| line.starts_with("ERROR")), "{}", outcome.all());
    assert!(outcome.log.contains(r"../x\nERROR"), "{}", outcome.all());
}

#[test]
fn a_folder_a_link_or_an_empty_file_is_not_a_dump() {
    let cases = [
        (Entry::folder(DUMP), "is a folder, not a regular file"),
        (Entry::symlink(DUMP, "/etc/passwd"), "is a symbolic link, not a regular file"),
        (Entry::new(DUMP, ""), "is empty. Check the program that dumps the database"),
    ];
    for (entry, expected) in cases {
        job_with_zip(&Zip::new().with(entry)).must_fail(&[expected]);
    }
}

#[test]
fn one_flipped_bit_is_detected_and_nothing_is_published() {
    let bad = BadNight::new();
    let mut zip = Zip::new().with(bad.entry()).bytes();
    let middle = zip.len() / 2;
    zip[middle] ^= 0x10;
    bad.publish_bytes(&zip);
    let outcome = bad.must_fail(&["the dump in the ZIP is damaged; create the ZIP again"]);
    outcome.logged("errors 1");
}

/// Writes `value` into both headers of the only entry of `zip`, at these offsets.
pub(crate) fn with_field(zip: &[u8], local: usize, directory: usize, value: u32) -> Vec<u8> {
    let mut zip = zip.to_vec();
    for (signature, offset) in [(b"PK\x03\x04", local), (b"PK\x01\x02", directory)] {
        let header = zip.windows(4).position(|window| window == signature).unwrap();
        zip[header + offset..header + offset + 4].copy_from_slice(&value.to_le_bytes());
    }
    zip
}

#[test]
fn a_wrong_size_or_checksum_in_the_directory_is_detected() {
    let bad = BadNight::new();
    let zip = Zip::new().with(bad.entry()).bytes();
    // The uncompressed size is at offset 22 in the local header and at 24 in the directory's, the CRC-32 at 14 and 16
    // (APPNOTE 4.3.7, 4.3.12).
    for (local, directory, value, expected) in [
        (22, 24, 199_999_u32, "longer"),
        (22, 24, 200_001, "shorter"),
        (14, 16, 0x0bad_c0de, "its checksum (CRC-32) is wrong"),
    ] {
        bad.publish_bytes(&with_field(&zip, local, directory, value));
        bad.must_fail(&["the dump in the ZIP is damaged; create the ZIP again", expected]);
    }
}

#[test]
fn a_download_that_is_not_a_zip_is_reported_by_its_type_or_beginning() {
    let bad = BadNight::new();
    let cases: [(&[u8], &str, &str); 4] = [
        (b"", "is not a ZIP but an empty file (0 bytes)", "correct source.url"),
        (b"no such database\nbye", "begins with \"no such database\\nbye\"", "Open source.url in a browser"),
        (b"-- MySQL dump 10.13\nCREATE", "is not a ZIP but a database dump as plain text (26 bytes)", "in a ZIP"),
        (b"\x1f\x8b\x08\0\0\0", "is not a ZIP but a gzip file (.gz, .tgz or .tar.gz) (6 bytes)", "in a ZIP"),
    ];
    for (bytes, what, fix) in cases {
        bad.publish_bytes(bytes);
        bad.must_fail(&[what, fix]);
    }
}

#[test]
fn unreadable_output_of_other_tools_is_refused_with_the_reason() {
    const LZMA: &str = "import zipfile; zipfile.ZipFile('my_zip.zip', 'w', zipfile.ZIP_LZMA).write('dumpfile.sql')";
    const TWICE: &str = "import zipfile; z = zipfile.ZipFile('my_zip.zip', 'w'); z.write('dumpfile.sql'); \
                         z.writestr('dumpfile.sql', 'another'); z.close()";
    const SEVEN_ZIP: &str = "7z a -bso0 -t7z x.7z dumpfile.sql && mv x.7z my_zip.zip";
    const PUBLISH: &str = "Publish the dump in a ZIP";
    let bad = BadNight::new();
    for (command, arguments, words) in [
        ("tar", &["-cf", "my_zip.zip", DUMP][..], ["is not a ZIP but a tar archive", PUBLISH]),
        ("sh", &["-c", "xz -c dumpfile.sql > my_zip.zip"], ["is not a ZIP but an xz file", PUBLISH]),
        ("sh", &["-c", "bzip2 -c dumpfile.sql > my_zip.zip"], ["is not a ZIP but a bzip2 file", PUBLISH]),
        ("sh", &["-c", SEVEN_ZIP], ["is not a ZIP but a 7z archive", PUBLISH]),
        ("zip", &["-q", "-P", "secret", "my_zip.zip", DUMP], ["is encrypted.", "Make the ZIP without a password"]),
        ("python3", &["-c", LZMA], ["is compressed with LZMA.", "Make the ZIP with deflate"]),
        (
            "7z",
            &["a", "-bso0", "-mm=PPMd", "my_zip.zip", DUMP],
            ["is compressed with PPMd.", "Make the ZIP with deflate"],
        ),
        ("python3", &["-W", "ignore", "-c", TWICE], ["the same name more than once", "Create it again"]),
    ] {
        make_zip_with(&bad, command, arguments);
        bad.must_fail(&words);
    }
}

#[test]
fn a_truncated_zip_is_reported_as_such() {
    let bad = BadNight::new();
    let zip = Zip::new().with(bad.entry()).bytes();
    for length in [10, zip.len() / 2, zip.len() - 22, zip.len() - 1] {
        bad.publish_bytes(&zip[..length]);
        bad.must_fail(&[&format!("the ZIP is truncated: its {length} bytes begin like a ZIP"), "Start the run later"]);
    }
}

#[test]
fn a_login_page_is_reported_with_its_content_type() {
    let mut bad = BadNight::new();
    bad.serve(|web| web.html_page("<!doctype html><title>Please log in</title>"));
    bad.must_fail(&["is not a ZIP", "Please log in", "the web server calls it text/html"]);
}

#[test]
fn a_dump_beyond_the_cap_is_refused() {
    let mut bad = BadNight::new();
    bad.set("source.max_dump_bytes", json!(199_999));
    bad.must_fail(&["\"dumpfile.sql\" has 200000 bytes, more than source.max_dump_bytes allows (199999)", "Raise it"]);
}

#[test]
fn a_download_beyond_the_cap_is_stopped_early() {
    for has_length in [true, false] {
        let mut bad = BadNight::new();
        bad.publish_bytes(&vec![b'x'; 20_000_000]);
        bad.serve(|web| if has_length { web.without_ranges() } else { web.without_ranges().without_length() });
        bad.set("source.max_dump_bytes", json!(1_000));
        bad.must_fail(&["more than source.max_dump_bytes allows (1000)", "Raise that limit if the size is correct"]);
        assert!(bad.web.bytes_sent() < 15_000_000, "{} bytes were sent", bad.web.bytes_sent());
    }
}
