//! Killed runs, which cannot clean up: the next run succeeds and cleans up.

use std::time::{Duration, Instant};
use std::{fs, thread};

use chrono::TimeDelta;
use rustix::process::Signal;
use serde_json::json;
use testkit::servers::sftp::Builder as SftpBuilder;
use testkit::wait_until;

use super::bad_night::{BadNight, OLDER_ATTEMPT};
use super::interruptions::{kill, signal_and_wait, start};

/// Asserts that the next run succeeds and leaves only complete archives.
#[track_caller]
fn must_recover(bad: &BadNight) {
    let outcome = bad.run();
    assert!([0, 1].contains(&outcome.code), "{}", outcome.all());
    let old = bad.old_name();
    let names: Vec<String> = bad.names().into_iter().filter(|name| *name != old).collect();
    let mut kept = [0, 1, 2, 3].map(|age| bad.archive_aged(age));
    kept.sort();
    assert_eq!(names, kept, "{}", outcome.all());
    bad.assert_no_temporary_file();
}

#[test]
fn after_a_kill_at_any_moment_the_next_run_succeeds_and_cleans_up() {
    let reference = BadNight::new();
    fs::write(reference.directory.join(reference.archive_aged(0)), "an older attempt").unwrap();
    let started = Instant::now();
    reference.run().exited_with(1);
    let length = started.elapsed();
    const MOMENTS: u32 = 12;
    for moment in 1..=MOMENTS {
        let bad = BadNight::new();
        // A replacement has more steps than a free name.
        bad.plant_older_attempt();
        let run = start(&bad);
        thread::sleep(length * moment / (MOMENTS + 1));
        kill(run);
        bad.assert_no_temporary_file();
        for age in [1, 2, 3] {
            assert_eq!(bad.listing()[&bad.archive_aged(age)].as_deref(), Some(format!("{age} days old").as_bytes()));
        }
        must_recover(&bad);
        let old = bad.listing().remove(&bad.old_name()).unwrap();
        assert_eq!(old.as_deref(), Some(OLDER_ATTEMPT));
    }
}

#[test]
fn after_a_kill_during_the_upload_the_next_run_removes_it() {
    let mut bad = BadNight::with_sftp(|sftp| sftp.stall_writes(20_000, 1));
    bad.set("sftp.timeout_seconds", json!(2));
    let part = bad.part_of(&bad.archive_aged(0));
    let run = start(&bad);
    wait_until("the upload", || bad.names().contains(&part));
    thread::sleep(Duration::from_millis(200));
    kill(run);
    assert!(bad.names().contains(&part), "{:?}", bad.names());
    must_recover(&bad);
}

#[test]
fn after_a_kill_between_the_two_renames_the_old_archive_is_put_back_and_then_replaced() {
    let mut bad = BadNight::with_sftp(SftpBuilder::silent_after_rename);
    bad.plant_older_attempt();
    let (part, old) = (bad.part_of(&bad.archive_aged(0)), bad.old_name());
    let run = start(&bad);
    wait_until("the first rename", || bad.names().contains(&old));
    kill(run);
    let listing = bad.listing();
    assert_eq!(listing[&old].as_deref(), Some(OLDER_ATTEMPT));
    assert!(listing.contains_key(&part) && !listing.contains_key(&bad.archive_aged(0)), "{:?}", bad.names());
    // Even a run that delivers nothing puts it back.
    let modified = bad.modified;
    bad.publish_dump_of(modified - TimeDelta::days(3));
    bad.run().exited_with(1).logged("was put back");
    assert_eq!(bad.listing()[&bad.archive_aged(0)].as_deref(), Some(OLDER_ATTEMPT));
    bad.publish_dump_of(modified);
    let outcome = bad.run();
    outcome.exited_with(1).logged("it replaced an archive with different bytes");
    assert_eq!(bad.listing()[&old].as_deref(), Some(OLDER_ATTEMPT));
    assert!(bad.listing()[&bad.archive_aged(0)].as_ref().is_some_and(|archive| archive.len() > 1_000));
    bad.assert_no_upload();
}

#[test]
fn the_next_run_removes_an_upload_that_a_signal_interrupted() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let bad = BadNight::with_sftp(|sftp| sftp.stall_writes(20_000, 1));
        let run = start(&bad);
        wait_until("the upload", || bad.sftp().operations().iter().any(|done| done.starts_with("open-to-write")));
        thread::sleep(Duration::from_millis(200));
        signal_and_wait(&bad, run, signal).exited_with(code);
        bad.assert_no_temporary_file();
        must_recover(&bad);
    }
}
