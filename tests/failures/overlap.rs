//! An archive is read back while later parts of it are sent: faults that could slip through between the two.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::json;
use testkit::servers::sftp::Builder;
use testkit::servers::sftp_faults::{RequestFault, StatusCode};
use testkit::servers::sftp_watch::{Moment, Operation};
use testkit::setup::extract_dump;

use super::bad_night::BadNight;

const MIB: usize = 1024 * 1024;
const SIZE: usize = 40 * MIB;

/// A night on which several connections write, and others read back meanwhile.
fn night(faults: impl FnOnce(Builder) -> Builder) -> BadNight {
    let mut bad = BadNight::with_sftp(|sftp| faults(sftp.stat_delay(Duration::from_millis(30))));
    bad.enlarge(SIZE);
    bad.set("retry.attempts", json!(2));
    bad
}

#[track_caller]
fn assert_sent_again(bad: &BadNight, why: &str) {
    let outcome = bad.run();
    outcome.exited_with(0).logged("sending it again").logged(why);
    assert!(extract_dump(&bad.archive()) == bad.dump, "the dump differs: {}", outcome.all());
    bad.assert_holds_exactly(&[0, 1, 2, 3]);
    assert!(bad.sftp().bytes_written() > 2 * SIZE as u64);
}

#[test]
fn an_archive_is_read_back_before_it_is_closed_and_only_once() {
    let reads = Arc::new(AtomicU64::new(0));
    let early = Arc::new(AtomicU64::new(0));
    let (counted, at_sync) = (reads.clone(), early.clone());
    let count = move |operation: Operation<'_>| {
        match operation.what {
            "fsync@openssh.com" => at_sync.store(counted.load(Ordering::SeqCst), Ordering::SeqCst),
            what if what.starts_with("read ") => drop(counted.fetch_add(1, Ordering::SeqCst)),
            _ => {}
        }
        RequestFault::None
    };
    let bad = night(|sftp| sftp.on_operation(count));
    bad.run().exited_with(0);
    let (reads, early) = (reads.load(Ordering::SeqCst), early.load(Ordering::SeqCst));
    // On a busy machine, reading begins late.
    assert!(early > reads / 10, "{early} of {reads} requests");
    let read = bad.sftp().bytes_read();
    let again = read.saturating_sub(SIZE as u64);
    assert!(read > SIZE as u64 && again < SIZE as u64 / 10, "{read} bytes were read");
}

#[test]
fn a_large_archive_is_also_synced_before_its_end() {
    let syncs = Arc::new(AtomicU64::new(0));
    let counted = syncs.clone();
    let count = move |operation: Operation<'_>| {
        if (operation.what, operation.moment) == ("fsync@openssh.com", Moment::Before) {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        RequestFault::None
    };
    let mut bad = night(|sftp| sftp.on_operation(count));
    // One writes, one reads back.
    bad.set("sftp.connections", json!(2));
    bad.run().exited_with(0);
    assert_eq!(syncs.load(Ordering::SeqCst), 2);
}

#[test]
fn a_change_at_either_end_when_the_file_is_closed_is_found() {
    for offset in [0, SIZE - 20_000] {
        assert_sent_again(&night(|sftp| sftp.late_write(offset as u64)), "different bytes");
    }
}

#[test]
fn a_truncation_after_the_close_is_found() {
    let is_first = AtomicBool::new(true);
    let truncate = move |path: &Path| {
        let file = fs::File::options().write(true).open(path).unwrap();
        let size = file.metadata().unwrap().len();
        if size > SIZE as u64 / 2 && is_first.swap(false, Ordering::SeqCst) {
            file.set_len(size - 1).unwrap();
        }
    };
    // A connection that only wrote a part closes the file earlier.
    let bad = night(|sftp| sftp.after_upload(truncate));
    let outcome = bad.run();
    outcome.exited_with(0);
    assert!(extract_dump(&bad.archive()) == bad.dump, "the dump differs: {}", outcome.all());
}

#[test]
fn a_write_that_lands_after_it_was_read_back_is_found_if_a_connection_broke() {
    // A write at `late` changes when the file is closed; a connection breaks after `cut`.
    for (cut, late) in [(1, 30), (20, 5), (39, 5)] {
        let bad = night(|sftp| sftp.late_write((late * MIB) as u64).cut_after((cut * MIB) as u64, 1));
        let outcome = bad.run();
        outcome.exited_with(0);
        assert!(extract_dump(&bad.archive()) == bad.dump, "the dump differs: {}", outcome.all());
        // A later break may hit the connection with that write, which then does not change.
        if cut < late {
            outcome.logged("different bytes, from byte ");
        }
        bad.assert_holds_exactly(&[0, 1, 2, 3]);
    }
}

#[test]
fn a_connection_that_dies_while_it_reads_back_leaves_nothing_unverified() {
    let bad = night(|sftp| sftp.cut_reads_after(3 * MIB as u64, 2));
    let outcome = bad.run();
    outcome.exited_with(0).logged("one connection fewer").logged("retries 0");
    assert!(bad.sftp().bytes_read() >= SIZE as u64, "{}", outcome.all());
    assert!(extract_dump(&bad.archive()) == bad.dump, "the dump differs: {}", outcome.all());
}

#[test]
fn after_a_failed_sync_everything_is_read_back_again() {
    let bad = night(|sftp| sftp.sync_fault(RequestFault::Failure).late_write(20 * MIB as u64));
    let outcome = bad.run();
    outcome.exited_with(1).logged("different bytes, from byte ").logged("failed to sync");
    assert!(extract_dump(&bad.archive()) == bad.dump, "the dump differs: {}", outcome.all());
}

#[test]
fn an_earlier_upload_that_is_still_shown_confirms_nothing() {
    let bad = night(|sftp| sftp.visible_at_close().without_removal());
    bad.run();
    // Until the next upload is closed, the server shows this file, which has the same bytes.
    fs::rename(bad.archive(), part_on_disk(&bad)).unwrap();
    let outcome = bad.run();
    assert!(extract_dump(&bad.archive()) == bad.dump, "the dump differs: {}", outcome.all());
}

#[test]
fn what_a_crash_after_the_close_loses_is_found() {
    let part = Arc::new(OnceLock::new());
    let (path, step) = (part.clone(), AtomicU64::new(0));
    let crash = move |operation: Operation<'_>| {
        let expected = ["fsync@openssh.com", "lstat ", "read "];
        let at = step.load(Ordering::SeqCst);
        if !expected.get(at as usize).is_some_and(|expected| operation.what.starts_with(expected)) {
            return RequestFault::None;
        }
        step.store(at + 1, Ordering::SeqCst);
        if at < 2 {
            return RequestFault::None;
        }
        let part: &PathBuf = path.get().unwrap();
        fs::File::options().write(true).open(part).unwrap().write_all_at(&[0; 65_536], 20 * MIB as u64).unwrap();
        RequestFault::Disconnect
    };
    let bad = night(|sftp| sftp.on_operation(crash));
    part.set(part_on_disk(&bad)).unwrap();
    assert_sent_again(&bad, "different bytes");
}

#[test]
fn an_upload_that_may_not_be_read_is_sent_only_once() {
    let refuse = |operation: Operation<'_>| {
        let is_part = operation.what.starts_with("open-to-read") && operation.what.ends_with(".part");
        if is_part { RequestFault::Status(StatusCode::PermissionDenied) } else { RequestFault::None }
    };
    let bad = night(|sftp| sftp.on_operation(refuse));
    bad.run().exited_with(4).logged("the server refused to open");
    assert!(bad.sftp().bytes_written() < 2 * SIZE as u64);
}

fn part_on_disk(bad: &BadNight) -> PathBuf {
    bad.directory.join(bad.part_of(&bad.archive_aged(0)))
}
