//! Servers that fail to put an archive on their disk, and servers that do not offer it.

use std::fs;

use russh_sftp::protocol::StatusCode;

use super::bad_night::BadNight;
use testkit::Outcome;
use testkit::servers::sftp::Builder as SftpBuilder;
use testkit::servers::sftp_faults::Disturbance;

/// What holds removal back after a failed sync.
const HELD_BACK: &str = "removal is held back";

fn archive_size(bad: &BadNight) -> usize {
    fs::read(bad.directory.join(bad.archive_of(0))).unwrap().len()
}

/// The log's lines about the sync.
fn lines_about_sync(outcome: &Outcome) -> Vec<&str> {
    let is_about = |line: &&str| line.contains("sync") && line.contains("disk");
    outcome.log.lines().filter(is_about).collect()
}

#[test]
fn an_archive_that_the_server_fails_to_sync_is_published_with_a_warning_and_nothing_is_removed() {
    for disturbance in [Disturbance::Failure, Disturbance::HangUp] {
        let bad = BadNight::with_sftp(|sftp| sftp.on_sync(disturbance));
        let expired = [20, 30].map(|age| bad.archive_of(age));
        let outcome = bad.must_warn(&["failed to sync", &bad.archive_of(0), "check that disk", HELD_BACK]);
        outcome.logged("read back over a new connection and published");
        assert!(archive_size(&bad) > 1_000, "{disturbance:?}");
        assert!(expired.iter().all(|name| bad.names().contains(name)), "{disturbance:?}: {:?}", bad.names());
        assert!(bad.names().iter().all(|name| !name.ends_with(".part")), "{disturbance:?}: {:?}", bad.names());
        // The next run finds the archive there and has nothing to sync.
        bad.run().exited_with(0).logged("is already there, with the same bytes");
        assert!(!expired.iter().any(|name| bad.names().contains(name)), "{disturbance:?}: {:?}", bad.names());
    }
}

#[test]
fn a_replacement_that_the_server_fails_to_sync_leaves_what_it_replaced_set_aside() {
    let bad = BadNight::with_sftp(|sftp| sftp.on_sync(Disturbance::Failure));
    fs::write(bad.directory.join(bad.archive_of(0)), "an older attempt").unwrap();
    bad.must_warn(&["failed to sync", "with other content was already called", HELD_BACK]);
    assert_eq!(bad.listing()[&format!("{}.old", bad.archive_of(0))].as_deref(), Some(&b"an older attempt"[..]));
    assert!(archive_size(&bad) > 1_000);
}

#[test]
fn a_server_that_does_not_offer_to_sync_is_an_info_line() {
    let statuses = [StatusCode::PermissionDenied, StatusCode::BadMessage, StatusCode::OpUnsupported];
    let refusing = statuses.map(|status| {
        let refuse = move |sftp: SftpBuilder| sftp.on_sync(Disturbance::Status(status));
        Box::new(refuse) as Box<dyn FnOnce(SftpBuilder) -> SftpBuilder>
    });
    for faults in refusing.into_iter().chain([Box::new(SftpBuilder::without_extensions) as _]) {
        let bad = BadNight::with_sftp(faults);
        let outcome = bad.run();
        outcome.exited_with(0).logged("does not say whether");
        assert!(lines_about_sync(&outcome).iter().all(|line| line.contains(" INFO ")), "{}", outcome.all());
        assert!(!outcome.log.contains(HELD_BACK), "{}", outcome.all());
        assert!(!bad.names().contains(&bad.archive_of(20)), "{:?}", bad.names());
    }
}

#[test]
fn a_synced_archive_is_not_mentioned() {
    for bad in [BadNight::new(), BadNight::with_sftp(|sftp| sftp)] {
        let outcome = bad.run();
        outcome.exited_with(0);
        assert!(lines_about_sync(&outcome).is_empty(), "{}", outcome.all());
        assert!(!outcome.log.contains("does not say whether"), "{}", outcome.all());
    }
}
