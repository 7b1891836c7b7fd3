//! Runs `restore` and checks the result.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chrono::{Days, NaiveDate};
use testkit::Night;
use testkit::night::{DUMP, Outcome, archive_name};
use testkit::servers::zips::noise;

pub(crate) const MIB: usize = 1024 * 1024;

/// The archive will be about as large as its dump, `size` bytes.
pub(crate) fn night_of(size: usize) -> Night {
    let mut night = Night::new();
    night.dump = noise(size);
    night.publish_dump_of(night.modified);
    night
}

/// The folder to restore to, which does not exist yet.
pub(crate) fn output(night: &Night) -> PathBuf {
    night.path("restored")
}

/// The path of the restored dump.
pub(crate) fn restored(night: &Night) -> PathBuf {
    output(night).join(DUMP)
}

pub(crate) fn restore(night: &Night, arguments: &[&str]) -> Outcome {
    let output = output(night);
    night.call("restore", &[&["--output", output.to_str().unwrap()], arguments].concat())
}

/// `days` before the dump was modified.
pub(crate) fn day_before(night: &Night, days: u64) -> NaiveDate {
    night.modified.date_naive() - Days::new(days)
}

/// Creates the archive of [`day_before`] on the server. Returns its name.
pub(crate) fn put_archive(night: &Night, days: u64, bytes: &[u8]) -> String {
    let name = archive_name(day_before(night, days));
    fs::write(night.sshd.directory.join(&name), bytes).unwrap();
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
pub(crate) fn assert_restored(night: &Night, outcome: &Outcome) {
    outcome.exited_with(0);
    let files = listing(&output(night));
    assert_eq!(files.len(), 1, "{}", outcome.all());
    let metadata = fs::metadata(restored(night)).unwrap();
    assert!(fs::read(restored(night)).unwrap() == night.dump, "the bytes differ: {}", outcome.all());
    assert_eq!((metadata.mtime(), metadata.mode() & 0o777), (night.modified.timestamp(), 0o600));
}

/// Nothing must have been restored, and the error must contain `words`.
#[track_caller]
pub(crate) fn assert_refused(night: &Night, outcome: &Outcome, words: &[&str]) {
    outcome.exited_with(4);
    for word in words {
        assert!(outcome.stderr.contains(word), "{word:?} is missing: {}", outcome.all());
    }
    assert_eq!(outcome.stdout, "", "{}", outcome.all());
    assert!(listing(&output(night)).is_empty(), "{:?}", fs::read_dir(output(night)).unwrap().collect::<Vec<_>>());
}

/// `text` with `N` for numbers and dates, without rates, and with two spaces between columns.
pub(crate) fn plain(night: &Night, text: &str) -> String {
    let text = text.replace(night.path("").to_str().unwrap(), "/");
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
