//! Runs that must not or cannot remove anything.

use std::fs;
use std::time::Duration;

use chrono::Datelike as _;
use serde_json::json;

use super::bad_night::{BadNight, OLDER_ATTEMPT};

/// Asserts that the run delivers, warns with `words`, and otherwise changes nothing on the server.
#[track_caller]
fn must_keep_all(bad: &BadNight, words: &[&str]) {
    let mut before = bad.listing();
    bad.must_warn(words);
    let mut after = bad.listing();
    assert!(after.remove(&bad.archive_aged(0)).is_some(), "{:?}", bad.names());
    before.remove(&bad.archive_aged(0));
    assert!(after == before, "{:?}", bad.names());
}

#[test]
fn a_good_run_removes_expired_archives() {
    let bad = BadNight::new();
    bad.run().exited_with(0);
    bad.assert_holds_exactly(&[0, 1, 2, 3]);
}

#[test]
fn nothing_is_removed_while_the_clocks_differ_by_days() {
    for hours in [48, -48] {
        let mut bad = BadNight::new();
        bad.serve(|web| web.date_shifted_by_hours(hours));
        must_keep_all(&bad, &["removal is held back: ", "clock", "set the one that is wrong"]);
        bad.serve(|web| web.date_shifted_by_hours(hours / 48 * 20));
        // An archive from the previous server would be another job's.
        fs::remove_file(bad.archive()).unwrap();
        bad.run().exited_with(0);
        assert!(!bad.names().contains(&bad.archive_aged(30)), "a difference of a few hours does not hold removal back");
    }
}

#[test]
fn nothing_is_removed_if_older_names_do_not_match_the_pattern() {
    let bad = BadNight::new();
    let older = format!("{}1231.tgz", bad.date.year() - 1);
    fs::write(bad.directory.join(&older), "of another pattern").unwrap();
    must_keep_all(&bad, &["removal is held back: ", &older, "archive.name", "rename those files"]);
}

#[test]
fn a_refused_removal_is_a_warning_for_each_file() {
    let mut bad = BadNight::with_sftp(|sftp| sftp.without_removal());
    bad.set("sftp.temporary_prefix", json!(".tmp-"));
    let (first, second) = (bad.archive_aged(20), bad.archive_aged(30));
    must_keep_all(
        &bad,
        &[&format!("{first} (expired"), &format!("{second} (expired"), "could not be removed", "permissions"],
    );
}

#[test]
fn a_replacement_is_delivered_to_a_server_that_refuses_removal() {
    let mut bad = BadNight::with_sftp(|sftp| sftp.without_removal());
    bad.plant_older_attempt();
    bad.config["retention"] = json!({"keep_days": 1_000});
    bad.must_warn(&["with different content already had the name"])
        .logged("it replaced an archive with different bytes");
    assert_ne!(bad.listing()[&bad.archive_aged(0)].as_deref(), Some(OLDER_ATTEMPT));
    let old = bad.old_name();
    assert_eq!(bad.listing()[&old].as_deref(), Some(OLDER_ATTEMPT));
}

#[test]
fn a_file_that_is_still_there_after_its_removal_is_a_warning() {
    let bad = BadNight::with_sftp(|sftp| sftp.keeps_removed_files());
    let (first, second) = (bad.archive_aged(20), bad.archive_aged(30));
    let reported = "is still there, although the server reported its removal";
    let outcome =
        bad.must_warn(&[&format!("{first} (expired"), &format!("{second} (expired"), reported, "remove files"]);
    outcome.logged("0 removed");
    assert!(!outcome.log.contains(&format!("removed {first}")), "{}", outcome.all());
    bad.assert_holds_exactly(&[0, 1, 2, 3, 20, 30]);
}

#[test]
fn a_removed_file_that_is_still_listed_counts_as_removed() {
    let bad = BadNight::with_sftp(|sftp| sftp.late_listing(Duration::from_secs(600)));
    bad.run().exited_with(0).logged("2 removed").logged("warnings 0");
    bad.assert_holds_exactly(&[0, 1, 2, 3]);
}
