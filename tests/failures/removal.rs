//! Nights on which removing anything would be rash, or does not work.

use chrono::Datelike as _;
use serde_json::json;
use std::fs;

use super::bad_night::BadNight;

/// Names that were there before tonight must still be, with their content, and tonight's archive beside them.
#[track_caller]
fn must_keep_all(bad: &BadNight, words: &[&str]) {
    let mut before = bad.listing();
    bad.must_warn(words);
    let mut after = bad.listing();
    assert!(after.remove(&bad.archive_of(0)).is_some(), "{:?}", bad.names());
    before.remove(&bad.archive_of(0));
    assert!(after == before, "{:?}", bad.names());
}

#[test]
fn a_good_night_removes_what_has_expired() {
    let bad = BadNight::new();
    bad.run().exited_with(0);
    let mut kept = [0, 1, 2, 3].map(|age| bad.archive_of(age));
    kept.sort();
    assert_eq!(bad.names(), kept);
}

#[test]
fn nothing_is_removed_while_the_clocks_differ_by_days() {
    for hours in [48, -48] {
        let mut bad = BadNight::new();
        bad.serve(|web| web.date_shifted_by_hours(hours));
        must_keep_all(&bad, &["removal is held back tonight", "clock", "set the one that is wrong"]);
        bad.serve(|web| web.date_shifted_by_hours(hours / 48 * 20));
        // The former server's archive would be another job's.
        fs::remove_file(bad.directory.join(bad.archive_of(0))).unwrap();
        bad.run().exited_with(0);
        assert!(!bad.names().contains(&bad.archive_of(30)), "some hours do not hold removal back");
    }
}

#[test]
fn nothing_is_removed_while_the_pattern_does_not_fit_older_names() {
    let bad = BadNight::new();
    let older = format!("{}1231.tgz", bad.date.year() - 1);
    fs::write(bad.directory.join(&older), "of another pattern").unwrap();
    must_keep_all(&bad, &["removal is held back tonight", &older, "archive.name", "rename those files"]);
}

#[test]
fn a_refused_removal_is_a_warning_for_each_file() {
    let mut bad = BadNight::with_sftp(|sftp| sftp.without_removal());
    bad.set("sftp.temporary_prefix", json!(".tmp-"));
    let (first, second) = (bad.archive_of(20), bad.archive_of(30));
    must_keep_all(
        &bad,
        &[&format!("{first} (expired"), &format!("{second} (expired"), "could not be removed", "permissions"],
    );
}

#[test]
fn a_replacement_on_a_server_without_removal_is_delivered_all_the_same() {
    let mut bad = BadNight::with_sftp(|sftp| sftp.without_removal());
    fs::write(bad.directory.join(bad.archive_of(0)), "an older attempt").unwrap();
    bad.config["retention"] = json!({"keep_days": 1_000});
    bad.must_warn(&["with other content was already called"]).logged("it has replaced an archive with other bytes");
    assert_ne!(bad.listing()[&bad.archive_of(0)].as_deref(), Some(b"an older attempt".as_slice()));
    let old = format!("{}.old", bad.archive_of(0));
    assert_eq!(bad.listing()[&old].as_deref(), Some(b"an older attempt".as_slice()));
}
