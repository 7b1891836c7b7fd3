//! Runs that are killed without a chance to clean up: the next one succeeds, and clears what was left.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use rustix::process::Signal;
use serde_json::json;

use super::bad_night::BadNight;
use super::interruptions::{begin, end, wait_until};
use testkit::servers::sftp::Builder as SftpBuilder;

/// The night's work must succeed now, and leave nothing but whole archives.
#[track_caller]
fn must_recover(bad: &BadNight) {
    let outcome = bad.run();
    assert!([0, 1].contains(&outcome.code), "{}", outcome.all());
    let old = format!("{}.old", bad.archive_of(0));
    let names: Vec<String> = bad.names().into_iter().filter(|name| *name != old).collect();
    let mut kept = [0, 1, 2, 3].map(|age| bad.archive_of(age));
    kept.sort();
    assert_eq!(names, kept, "{}", outcome.all());
    bad.leaves_no_temporary_file();
}

#[test]
fn after_a_kill_at_any_moment_the_next_run_succeeds_and_leaves_nothing_behind() {
    let reference = BadNight::new();
    fs::write(reference.directory.join(reference.archive_of(0)), "an older attempt").unwrap();
    let begun = Instant::now();
    reference.run().exited_with(1);
    let length = begun.elapsed();
    const MOMENTS: u32 = 12;
    for moment in 1..=MOMENTS {
        let bad = BadNight::new();
        // What has to be replaced makes more moments than a free name.
        fs::write(bad.directory.join(bad.archive_of(0)), "an older attempt").unwrap();
        let mut run = bad.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(length * moment / (MOMENTS + 1));
        run.kill().unwrap();
        run.wait().unwrap();
        bad.leaves_no_temporary_file();
        for age in [1, 2, 3] {
            assert_eq!(bad.listing()[&bad.archive_of(age)].as_deref(), Some(format!("{age} days old").as_bytes()));
        }
        must_recover(&bad);
        let old = bad.listing().remove(&format!("{}.old", bad.archive_of(0))).unwrap();
        assert_eq!(old.as_deref(), Some(b"an older attempt".as_slice()));
    }
}

#[test]
fn after_a_kill_during_the_upload_the_next_run_removes_the_part() {
    let mut bad = BadNight::with_sftp(|sftp| sftp.stall_writes(20_000, 1));
    bad.set("sftp.timeout_seconds", json!(2));
    let part = bad.part_of(&bad.archive_of(0));
    let mut run = begin(&bad);
    wait_until("the upload", || bad.names().contains(&part));
    thread::sleep(Duration::from_millis(200));
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(bad.names().contains(&part), "{:?}", bad.names());
    must_recover(&bad);
}

#[test]
fn after_a_kill_between_the_two_renames_the_old_archive_is_put_back_and_then_replaced() {
    let mut bad = BadNight::with_sftp(SftpBuilder::silent_after_the_rename);
    fs::write(bad.directory.join(bad.archive_of(0)), "an older attempt").unwrap();
    let (part, old) = (bad.part_of(&bad.archive_of(0)), format!("{}.old", bad.archive_of(0)));
    let mut run = begin(&bad);
    wait_until("the first rename", || bad.names().contains(&old));
    run.kill().unwrap();
    run.wait().unwrap();
    let left = bad.listing();
    assert_eq!(left[&old].as_deref(), Some(b"an older attempt".as_slice()));
    assert!(left.contains_key(&part) && !left.contains_key(&bad.archive_of(0)), "{:?}", bad.names());
    // A night on which nothing can be delivered puts it back all the same.
    let modified = bad.modified;
    bad.publish_dump_of(modified - TimeDelta::days(3));
    bad.run().exited_with(1).logged("was put back");
    assert_eq!(bad.listing()[&bad.archive_of(0)].as_deref(), Some(b"an older attempt".as_slice()));
    bad.publish_dump_of(modified);
    let outcome = bad.run();
    outcome.exited_with(1).logged("it has replaced an archive with other bytes");
    assert_eq!(bad.listing()[&old].as_deref(), Some(b"an older attempt".as_slice()));
    assert!(bad.listing()[&bad.archive_of(0)].as_ref().is_some_and(|archive| archive.len() > 1_000));
    assert!(bad.names().iter().all(|name| !name.starts_with('.')), "{:?}", bad.names());
}

#[test]
fn what_a_signal_leaves_on_the_server_the_next_run_removes() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let bad = BadNight::with_sftp(|sftp| sftp.stall_writes(20_000, 1));
        let run = begin(&bad);
        wait_until("the upload", || bad.sftp().operations().iter().any(|done| done.starts_with("open-to-write")));
        thread::sleep(Duration::from_millis(200));
        end(&bad, run, signal).exited_with(code);
        bad.leaves_no_temporary_file();
        must_recover(&bad);
    }
}
