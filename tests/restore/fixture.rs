//! Runs `restore` and checks the result.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chrono::{Days, NaiveDate};
use testkit::Setup;
use testkit::servers::zips::noise;
use testkit::setup::{DUMP, Outcome, archive_name};

pub(crate) const MIB: usize = 1024 * 1024;

/// The archive will be about as large as its dump, `size` bytes.
pub(crate) fn night_of(size: usize) -> Setup {
    let mut setup = Setup::new();
    setup.dump = noise(size);
    setup.publish_dump_of(setup.modified);
    setup
}

/// The folder to restore to, which does not exist yet.
pub(crate) fn output(setup: &Setup) -> PathBuf {
    setup.path("restored")
}

/// The path of the restored dump.
pub(crate) fn restored(setup: &Setup) -> PathBuf {
    output(setup).join(DUMP)
}

pub(crate) fn restore(setup: &Setup, arguments: &[&str]) -> Outcome {
    let output = output(setup);
    setup.call("restore", &[&["--output", output.to_str().unwrap()], arguments].concat())
}

/// `days` before the dump was modified.
pub(crate) fn day_before(setup: &Setup, days: u64) -> NaiveDate {
    setup.modified.date_naive() - Days::new(days)
}

/// Creates the archive of [`day_before`] on the server. Returns its name.
pub(crate) fn put_archive(setup: &Setup, days: u64, bytes: &[u8]) -> String {
    let name = archive_name(day_before(setup, days));
    fs::write(setup.sshd.directory.join(&name), bytes).unwrap();
    name
}

/// Each name in `folder` with size, modification time and content; empty if the folder does not exist.
pub(crate) fn listing(folder: &Path) -> Vec<(String, u64, i64, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut listing: Vec<_> = entries
        .map(|entry| {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            let nanoseconds = metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec();
            let content = fs::read(entry.path()).unwrap_or_default();
            (entry.file_name().into_string().unwrap(), metadata.len(), nanoseconds, content)
        })
        .collect();
    listing.sort();
    listing
}

/// The folder must contain only the dump: private, byte for byte, and with its modification time.
#[track_caller]
pub(crate) fn assert_restored(setup: &Setup, outcome: &Outcome) {
    outcome.exited_with(0);
    let files = listing(&output(setup));
    assert_eq!(files.len(), 1, "{}", outcome.all());
    let metadata = fs::metadata(restored(setup)).unwrap();
    assert!(fs::read(restored(setup)).unwrap() == setup.dump, "the bytes differ: {}", outcome.all());
    assert_eq!((metadata.mtime(), metadata.mode() & 0o777), (setup.modified.timestamp(), 0o600));
}

/// Nothing must have been restored, and the error must contain `words`.
#[track_caller]
pub(crate) fn assert_refused(setup: &Setup, outcome: &Outcome, words: &[&str]) {
    outcome.exited_with(4);
    for word in words {
        assert!(outcome.stderr.contains(word), "{word:?} is missing: {}", outcome.all());
    }
    assert_eq!(outcome.stdout, "", "{}", outcome.all());
    assert!(listing(&output(setup)).is_empty(), "{:?}", fs::read_dir(output(setup)).unwrap().collect::<Vec<_>>());
}

/// `text` with `N` for numbers and dates, without rates, and with two spaces between columns.
pub(crate) fn plain(setup: &Setup, text: &str) -> String {
    let text = text.replace(setup.path("").to_str().unwrap(), "/");
    let lines = text.lines().map(|line| {
        let kept: Vec<&str> = line.split(", ").filter(|part| !part.ends_with("/s")).collect();
        let columns = kept.join(", ");
        let columns = columns.split("  ").map(str::trim).filter(|column| !column.is_empty());
        let plain = columns.map(|column| column.split(' ').map(plain_word).collect::<Vec<_>>().join(" "));
        plain.collect::<Vec<_>>().join("  ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn plain_word(word: &str) -> String {
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    if months.contains(&word) {
        return "MONTH".to_owned();
    }
    if word.len() == 64 && word.chars().all(|character| character.is_ascii_hexdigit()) {
        return "DIGEST".to_owned();
    }
    let characters: Vec<char> = word.chars().collect();
    let is_digit = |at: usize| characters.get(at).is_some_and(char::is_ascii_digit);
    let mut plain = String::new();
    for (at, character) in characters.iter().enumerate() {
        let continues = plain.ends_with('N') && (is_digit(at) || (matches!(character, '.' | ',') && is_digit(at + 1)));
        match continues {
            true => {}
            false if is_digit(at) => plain.push('N'),
            false => plain.push(*character),
        }
    }
    plain
}
