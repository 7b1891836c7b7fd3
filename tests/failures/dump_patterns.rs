//! A dump whose name holds the date, or is known only in part.

use std::fs;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use testkit::servers::{Entry, Zip};

use super::bad_night::BadNight;
use super::late_dumps::run_waiting;
use super::shared_folder::{OTHER_JOBS_ARCHIVE, pack_with_tar};

/// A job whose ZIP holds the dumps of several days. Returns it with the name of the run date's dump.
fn dated() -> (BadNight, String) {
    let mut bad = BadNight::new();
    bad.set("source.dump", json!("db/dump-%Y-%m-%d*.sql"));
    let name = |days| format!("db/dump-{}_230011.sql", bad.date - TimeDelta::days(days));
    let entry = |days| Entry::new(&name(days), bad.dump.clone()).extended_time(bad.modified - TimeDelta::days(days));
    bad.publish(&Zip::new().with(entry(2)).with(entry(0)).with(entry(1)));
    let today = name(0);
    (bad, today)
}

#[test]
fn the_file_of_the_run_date_is_sent_and_read_back() {
    let (bad, name) = dated();
    bad.run().exited_with(0).logged(&format!("Find dump: {name}")).logged("the ZIP also holds");
    bad.run().exited_with(0).logged("already");
    bad.call("check", &[]).exited_with(0);
    let verified = bad.call("verify", &[]);
    verified.exited_with(0);
    let folder = bad.path("restored");
    let restored = bad.call("restore", &["--output", folder.to_str().unwrap()]);
    restored.exited_with(0);
    assert!(fs::read(folder.join(name.strip_prefix("db/").unwrap())).unwrap() == bad.dump);
    bad.call("restore", &["--output", folder.to_str().unwrap()]).exited_with(4);
}

#[test]
fn no_match_and_several_matches_are_reported_with_the_names() {
    let (mut bad, name) = dated();
    bad.set("source.dump", json!("db/blog-%Y%m%d.sql"));
    bad.must_fail(&[&format!("the ZIP does not contain \"db/blog-{}.sql\"", bad.date.format("%Y%m%d")), &name]);
    bad.set("source.dump", json!("*/dump-*.sql"));
    bad.must_fail(&["3 files in the ZIP match \"*/dump-*.sql\"", &name, "Change source.dump"]);
}

#[test]
fn an_archive_without_a_mark_is_this_jobs_only_if_its_dump_has_the_name_of_its_date() {
    let (bad, name) = dated();
    let other = format!("dump-{}_230000.sql", bad.date - TimeDelta::days(1));
    pack_with_tar(&bad, 0, &other, b"SELECT 2;\n");
    bad.must_fail(&[OTHER_JOBS_ARCHIVE]);
    pack_with_tar(&bad, 0, &name.replace("db/", "").replace("230011", "220000"), b"SELECT 1;\n");
    bad.must_warn(&["with different content already had the name"]);
}

#[test]
fn a_zip_that_still_holds_the_dump_of_the_day_before_is_waited_for() {
    let (mut bad, _) = dated();
    bad.set("source.dump", json!("db/dump-%Y-%m-%d.sql"));
    let [(_, waited), _] = run_waiting(&bad, Duration::from_millis(1_500), false);
    assert!(waited.contains(", waited 1."), "{waited}");
    bad.set("source.dump", json!("db/blog-*.sql"));
    let [(_, waited), _] = run_waiting(&bad, Duration::from_secs(60), false);
    assert!(!waited.contains("waited"), "{waited}");
}
