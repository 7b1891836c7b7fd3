//! The configuration itself, and what a run needs of this machine.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use scripting_system::job_id::JobId;
use scripting_system::lock::Lock;
use serde_json::json;

use super::{check, files, must_end_with, must_fail, night, scrubbed};
use testkit::SmallDisk;
use testkit::night::DUMP;
use testkit::servers::zips::noise;
use testkit::servers::{Entry, HttpsServer, Zip};

#[test]
fn every_mistake_of_a_broken_configuration_is_named_and_nothing_is_reached() {
    let mut night = night();
    night.set("source.dumpp", json!("x")).set("sftp.port", json!(0));
    let outcome = must_end_with(&night, 3);
    assert_eq!(outcome.stdout, "");
    let file = night.path("config.json");
    assert_eq!(
        outcome.stderr.replace(&file.to_string_lossy().into_owned(), "config.json"),
        "scripting-system: config.json: source.dumpp: is not a known key; did you mean \"dump\"?\n\
         scripting-system: config.json: sftp.port: 0 is out of bounds; write a number from 1 to 65535\n"
    );
    assert_eq!((night.web.requests(), night.mail.connections()), (0, 0));
    assert!(!night.path("log.log").exists());
}

#[test]
fn what_is_worth_a_look_about_the_file_is_told() {
    let night = night();
    let mut command = night.command_of("check", &[]);
    fs::set_permissions(night.path("config.json"), fs::Permissions::from_mode(0o640)).unwrap();
    let outcome = night.outcome(command.output().unwrap());
    outcome.exited_with(0);
    assert!(outcome.stdout.contains("  ! file            "), "{}", outcome.all());
    assert!(outcome.stdout.contains("holds a secret in clear (email.server.password, "), "{}", outcome.all());
}

#[test]
fn a_log_and_a_work_directory_that_cannot_be_written_are_told() {
    let mut night = night();
    night.set("log.file", json!("/proc/log.log"));
    fs::create_dir(night.path("full")).unwrap();
    night.set("archive.work_directory", json!("full"));
    // A smaller one would be downloaded.
    night.publish(&Zip::new().with(Entry::new(DUMP, noise(200_000)).extended_time(night.modified)));
    let _disk = SmallDisk::over(&night.path("full"), "ro");
    let outcome =
        must_fail(&night, &[("log", &["/proc/log.log cannot be written"]), ("work directory", &["Read-only"])]);
    assert!(outcome.stdout.contains("→ make its folder, or correct its permissions or log.file"), "{}", outcome.all());
    assert!(outcome.stdout.contains("→ correct its permissions, or archive.work_directory"), "{}", outcome.all());
}

#[test]
fn a_log_that_exists_is_not_written_to() {
    let night = night();
    fs::write(night.path("log.log"), "a line\n").unwrap();
    must_end_with(&night, 0);
    assert_eq!(fs::read(night.path("log.log")).unwrap(), b"a line\n");
}

#[test]
fn a_work_directory_without_room_for_the_archive_is_told_with_both_figures() {
    let mut night = night();
    night.publish(&Zip::new().with(Entry::new(DUMP, noise(1_000_000)).extended_time(night.modified)));
    let _disk = SmallDisk::over(&night.path("work"), "size=256k");
    let outcome = must_fail(&night, &[("archive", &["no room for ", "needs 976.", "256.00 KiB free"])]);
    assert!(outcome.stdout.contains("→ make room in archive.work_directory"), "{}", outcome.all());

    // All of the ZIP has to lie here, too.
    night.web = HttpsServer::builder(&night.path("web")).without_ranges().start();
    let url = night.web.url("/my_zip.zip");
    night.set("source.url", json!(url));
    must_fail(&night, &[("ZIP", &["archive.work_directory", "256.00 KiB free"])]);
}

#[test]
fn a_run_that_is_under_way_is_told_and_not_disturbed() {
    let night = night();
    let mut command = night.command_of("check", &[]);
    let config = night.path("config.json");
    let lock = Lock::acquire(&config, &JobId::of(&config), &night.path("work")).unwrap();
    let outcome = night.outcome(command.output().unwrap());
    outcome.exited_with(0);
    assert!(
        outcome.stdout.contains("  ! lock            a run with this configuration is under way\n"),
        "{}",
        outcome.all()
    );
    drop(lock);
    assert!(check(&night).stdout.contains("  ✓ lock "));
}

#[test]
fn two_faults_at_once_are_both_told_and_all_else_is_too() {
    let mut night = night();
    night.set("source.dump", json!("other.sql")).set("sftp.directory", json!("/nonexistent"));
    let before = files(&night.sshd.directory);
    let outcome = must_fail(
        &night,
        &[("entry", &["the ZIP holds no \"other.sql\"", "dumpfile.sql"]), ("directory", &["does not exist"])],
    );
    insta::assert_snapshot!("two_faults", scrubbed(&night, &outcome));
    assert_eq!(files(&night.sshd.directory), before);
}

#[test]
fn a_suffix_in_the_pattern_is_a_warning_of_the_check_alone() {
    for (pattern, doubled) in [("%Y%d%m.tgz", ".tgz.tgz"), ("%Y%d%m.tar.gz", ".tar.gz.tgz")] {
        let mut night = night();
        night.set("archive.name", json!(pattern));
        let outcome = must_end_with(&night, 0);
        let line = outcome.stdout.lines().find(|line| line.starts_with("  ! archive name")).unwrap_or_default();
        assert!(line.contains(doubled), "{}", outcome.all());
        assert!(outcome.stdout.contains("→ remove the suffix from archive.name"), "{}", outcome.all());
        let outcome = night.run();
        outcome.exited_with(0);
        assert!(!outcome.log.contains("WARNING"), "{}", outcome.all());
    }
    let outcome = must_end_with(&night(), 0);
    assert!(!outcome.stdout.contains("archive name"), "{}", outcome.all());
}
