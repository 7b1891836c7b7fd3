//! Servers that fail to sync an archive to their disk, or do not support it.

use std::fs;

use testkit::Outcome;
use testkit::servers::sftp::Builder as SftpBuilder;
use testkit::servers::sftp_faults::{RequestFault, StatusCode};

use super::bad_night::{BadNight, OLDER_ATTEMPT};

const HELD_BACK: &str = "removal is held back";

fn archive_size(bad: &BadNight) -> usize {
    fs::read(bad.archive()).unwrap().len()
}

fn lines_about_sync(outcome: &Outcome) -> Vec<&str> {
    let mentions_sync = |line: &&str| line.contains("sync") && line.contains("disk");
    outcome.log.lines().filter(mentions_sync).collect()
}

#[test]
fn an_archive_that_the_server_fails_to_sync_is_published_with_a_warning_and_nothing_is_removed() {
    for fault in [RequestFault::Failure, RequestFault::Disconnect] {
        let bad = BadNight::with_sftp(|sftp| sftp.sync_fault(fault));
        let expired = [20, 30].map(|age| bad.archive_aged(age));
        let outcome = bad.must_warn(&["failed to sync", &bad.archive_aged(0), "check that disk", HELD_BACK]);
        outcome.logged("read back and published");
        assert!(archive_size(&bad) > 1_000, "{fault:?}");
        assert!(expired.iter().all(|name| bad.names().contains(name)), "{fault:?}: {:?}", bad.names());
        assert!(bad.names().iter().all(|name| !name.ends_with(".part")), "{fault:?}: {:?}", bad.names());
        // The next run finds the archive and syncs nothing.
        bad.run().exited_with(0).logged("is already there, with the same bytes");
        assert!(!expired.iter().any(|name| bad.names().contains(name)), "{fault:?}: {:?}", bad.names());
    }
}

#[test]
fn after_a_replacement_that_fails_to_sync_the_old_archive_is_kept() {
    let bad = BadNight::with_sftp(|sftp| sftp.sync_fault(RequestFault::Failure));
    bad.plant_older_attempt();
    bad.must_warn(&["failed to sync", "with different content already had the name", HELD_BACK]);
    assert_eq!(bad.listing()[&bad.old_name()].as_deref(), Some(OLDER_ATTEMPT));
    assert!(archive_size(&bad) > 1_000);
}

#[test]
fn a_server_without_sync_support_is_only_logged() {
    let statuses = [StatusCode::PermissionDenied, StatusCode::BadMessage, StatusCode::OpUnsupported];
    let refusing = statuses.map(|status| {
        let refuse = move |sftp: SftpBuilder| sftp.sync_fault(RequestFault::Status(status));
        Box::new(refuse) as Box<dyn FnOnce(SftpBuilder) -> SftpBuilder>
    });
    for faults in refusing.into_iter().chain([Box::new(SftpBuilder::without_extensions) as _]) {
        let bad = BadNight::with_sftp(faults);
        let outcome = bad.run();
        outcome.exited_with(0).logged("cannot confirm that");
        assert!(lines_about_sync(&outcome).iter().all(|line| line.contains(" INFO ")), "{}", outcome.all());
        assert!(!outcome.log.contains(HELD_BACK), "{}", outcome.all());
        assert!(!bad.names().contains(&bad.archive_aged(20)), "{:?}", bad.names());
    }
}

#[test]
fn a_successful_sync_is_not_logged() {
    for bad in [BadNight::new(), BadNight::with_sftp(|sftp| sftp)] {
        let outcome = bad.run();
        outcome.exited_with(0);
        assert!(lines_about_sync(&outcome).is_empty(), "{}", outcome.all());
        assert!(!outcome.log.contains("cannot confirm that"), "{}", outcome.all());
    }
}
