//! Archives that do not arrive, or arrive damaged.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::Sshd;

use super::bad_night::{BadNight, OLDER_ATTEMPT};

#[test]
fn a_directory_that_cannot_be_written_is_reported() {
    let read_only = Sshd::start_with(&["ed25519"], "ForceCommand internal-sftp -R");
    BadNight::with_sshd(read_only).must_fail(&["refused to create", "Check the permissions of sftp.directory"]);
}

#[test]
fn a_work_directory_that_cannot_be_written_is_reported() {
    let mut bad = BadNight::new();
    // Not even root can create a file in /proc.
    bad.set("archive.work_directory", json!("/proc"));
    bad.must_fail(&["/proc", "archive.work_directory", "Check its free space and permissions"]);
}

#[test]
fn a_server_that_forbids_dotfiles_is_reported_with_the_setting_that_helps() {
    let mut bad = BadNight::with_sftp(|sftp| sftp.without_dotfiles());
    bad.must_fail(&["refused to create", "sftp.temporary_prefix"]);
    bad.set("sftp.temporary_prefix", json!("_"));
    bad.run().exited_with(0);
}

#[test]
fn a_full_disk_is_reported_and_the_upload_is_removed() {
    let outcome = BadNight::with_sftp(|sftp| sftp.full_after(20_000)).must_fail(&["to write", "space", "quota"]);
    assert!(!outcome.log.contains("trying again"), "{}", outcome.all());
}

#[test]
fn a_failing_close_is_a_failed_upload() {
    BadNight::with_sftp(|sftp| sftp.failing_close()).must_fail(&["refused to close", "space", "quota"]);
}

#[test]
fn an_upload_with_different_bytes_never_gets_the_final_name() {
    let bad = BadNight::with_sftp(|sftp| sftp.corrupting_writes());
    let outcome =
        bad.must_fail(&["does not match the archive", "the right size but different bytes", "Check the server's disk"]);
    outcome.logged("sent, but not verified");
    assert!(!bad.sftp().operations().iter().any(|operation| operation.starts_with("rename")));
    bad.plant_older_attempt();
    bad.must_fail(&["does not match the archive"]);
}

#[test]
fn a_truncated_upload_never_gets_the_final_name() {
    let cut = |path: &std::path::Path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(1_000).unwrap();
    let bad = BadNight::with_sftp(|sftp| sftp.after_upload(cut));
    bad.must_fail(&["does not match the archive", "it has 1000 bytes instead of"]);
}

#[test]
fn a_cut_connection_is_retried() {
    let bad = BadNight::with_sftp(|sftp| sftp.cut_after(20_000, 1));
    bad.run().exited_with(0).logged("sending the archive failed, trying again").logged("retries 1");
    assert!(bad.is_delivered());
    bad.assert_no_upload();
    bad.assert_no_temporary_file();
    let bad = BadNight::with_sftp(|sftp| sftp.cut_reads_after(20_000, 1));
    bad.run().exited_with(0).logged("verifying the archive failed, trying again").logged("retries 1");
}

#[test]
fn a_repeatedly_cut_connection_fails_the_run() {
    let bad = BadNight::with_sftp(|sftp| sftp.cut_after(20_000, 100));
    let before = bad.names();
    bad.run().exited_with(4).logged("(2 of 2)").logged("the connection to the server broke while");
    let part = bad.part_of(&bad.archive_aged(0));
    let names: Vec<String> = bad.names().into_iter().filter(|name| *name != part).collect();
    assert_eq!(names, before, "only the upload remains, which cannot be removed over a broken connection");
    bad.assert_no_temporary_file();
}

#[test]
fn a_stalling_server_fails_the_run_in_time() {
    let mut bad = BadNight::with_sftp(|sftp| sftp.stall_after(20_000));
    bad.set("sftp.timeout_seconds", json!(1));
    let started = Instant::now();
    bad.run().exited_with(4).logged("the connection to the server broke while").logged("sftp.timeout_seconds");
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    bad.assert_no_temporary_file();
}

#[test]
fn a_verification_without_a_connection_is_reported_as_sent_but_not_verified() {
    let bad = BadNight::with_sftp(|sftp| sftp.reject_connections(2..10));
    let before = bad.listing();
    bad.run().exited_with(4).logged("trying again").logged("sent, but not verified: the archive is not published");
    bad.assert_still_holds(&before);
    assert!(!bad.is_delivered());
}

#[test]
fn a_rename_with_a_lost_reply_is_detected() {
    let bad = BadNight::with_sftp(|sftp| sftp.disconnecting_after_rename());
    bad.run().exited_with(0).logged("publishing the archive failed, trying again");
    assert!(bad.is_delivered());
    bad.assert_no_upload();
    // If an older archive has the name, the first rename sets it aside.
    let bad = BadNight::with_sftp(|sftp| sftp.disconnecting_after_rename());
    bad.plant_older_attempt();
    bad.run().exited_with(1).logged("with different content already had the name");
    assert_ne!(bad.listing()[&bad.archive_aged(0)].as_deref(), Some(OLDER_ATTEMPT));
    bad.assert_no_upload();
}

#[test]
fn a_folder_under_the_final_name_is_kept() {
    let bad = BadNight::new();
    fs::create_dir(bad.archive()).unwrap();
    bad.must_fail(&[&bad.archive_aged(0), "is not a regular file. Move it away"]);
}
