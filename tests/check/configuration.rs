//! The configuration itself, and problems of this machine.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use scripting_system::disk::job_id::JobId;
use scripting_system::disk::lock::Lock;
use serde_json::json;
use testkit::SmallDisk;
use testkit::keys::age_key;
use testkit::servers::zips::noise;
use testkit::servers::{Entry, HttpsServer, Zip};
use testkit::setup::DUMP;

use super::{check, files, must_end_with, must_fail, must_not_show, must_show, scrubbed, setup};

#[test]
fn every_mistake_in_a_configuration_is_reported_and_no_server_is_contacted() {
    let mut setup = setup();
    setup.set("source.dumpp", json!("x")).set("sftp.port", json!(0));
    let outcome = must_end_with(&setup, 3);
    assert_eq!(outcome.stdout, "");
    let file = setup.path("config.json");
    assert_eq!(
        outcome.stderr.replace(&file.to_string_lossy().into_owned(), "config.json"),
        "scripting-system: config.json: source.dumpp: is not a known key; did you mean \"dump\"?\n\
         scripting-system: config.json: sftp.port: 0 is out of bounds; write a number from 1 to 65535\n"
    );
    assert_eq!((setup.web.requests(), setup.mail.connections()), (0, 0));
    assert!(!setup.path("log.log").exists());
}

#[test]
fn a_warning_about_the_file_is_reported() {
    let setup = setup();
    let mut command = setup.command_of("check", &[]);
    fs::set_permissions(setup.path("config.json"), fs::Permissions::from_mode(0o640)).unwrap();
    let outcome = setup.outcome(command.output().unwrap());
    outcome.exited_with(0);
    must_show(&outcome, "  ! file            ");
    must_show(&outcome, "contains a secret in plain text (email.server.password, ");
}

#[test]
fn the_recipients_of_archives_are_shown_and_a_private_key_on_this_machine_is_a_warning() {
    let mut setup = setup();
    let (key, recipient) = age_key(&setup.path(""), "backup-key.txt");
    setup.set("archive.encrypt_to", json!([recipient]));
    let outcome = must_end_with(&setup, 0);
    must_show(&outcome, &format!("archives can be decrypted with the private key of {recipient}"));
    must_show(&outcome, &format!("{} looks like a private key", key.display()));
    must_show(&outcome, ".tgz.age");
    fs::remove_file(key).unwrap();
    must_not_show(&must_end_with(&setup, 0), "looks like a private key");
}

#[test]
fn a_log_and_a_work_directory_that_cannot_be_written_are_reported() {
    let mut setup = setup();
    setup.set("log.file", json!("/proc/log.log"));
    fs::create_dir(setup.path("full")).unwrap();
    setup.set("archive.work_directory", json!("full"));
    // A smaller ZIP would be downloaded.
    setup.publish(&Zip::new().with(Entry::new(DUMP, noise(200_000)).extended_time(setup.modified)));
    let _disk = SmallDisk::over(&setup.path("full"), "ro");
    let outcome =
        must_fail(&setup, &[("log", &["/proc/log.log cannot be written"]), ("work directory", &["Read-only"])]);
    must_show(&outcome, "→ create its folder, or correct its permissions or log.file");
    must_show(&outcome, "→ correct its permissions, or archive.work_directory");
}

#[test]
fn an_existing_log_is_not_changed() {
    let setup = setup();
    fs::write(setup.path("log.log"), "a line\n").unwrap();
    must_end_with(&setup, 0);
    assert_eq!(fs::read(setup.path("log.log")).unwrap(), b"a line\n");
}

#[test]
fn a_work_directory_without_space_for_the_archive_is_reported_with_both_sizes() {
    let mut setup = setup();
    setup.publish(&Zip::new().with(Entry::new(DUMP, noise(1_000_000)).extended_time(setup.modified)));
    let _disk = SmallDisk::over(&setup.path("work"), "size=256k");
    let outcome = must_fail(&setup, &[("archive", &["not enough space for ", "needs 976.", "256.00 KiB free"])]);
    must_show(&outcome, "→ free space in archive.work_directory");

    // Without ranges, the ZIP is downloaded completely.
    setup.web = HttpsServer::builder(&setup.path("web")).without_ranges().start();
    let url = setup.web.url("/my_zip.zip");
    setup.set("source.url", json!(url));
    must_fail(&setup, &[("ZIP", &["archive.work_directory", "256.00 KiB free"])]);
}

#[test]
fn a_run_in_progress_is_reported_and_not_disturbed() {
    let setup = setup();
    let mut command = setup.command_of("check", &[]);
    let config = setup.path("config.json");
    let lock = Lock::acquire(&config, &JobId::new(&config), &setup.path("work")).unwrap();
    let outcome = setup.outcome(command.output().unwrap());
    outcome.exited_with(0);
    must_show(&outcome, "  ! lock            a run with this configuration is under way\n");
    drop(lock);
    must_show(&check(&setup), "  ✓ lock ");
}

#[test]
fn two_problems_are_both_reported_and_all_other_steps_too() {
    let mut setup = setup();
    setup.set("source.dump", json!("other.sql")).set("sftp.directory", json!("/nonexistent"));
    let before = files(&setup.sshd.directory);
    let outcome = must_fail(
        &setup,
        &[("entry", &["the ZIP does not contain \"other.sql\"", "dumpfile.sql"]), ("directory", &["does not exist"])],
    );
    insta::assert_snapshot!("two_problems", scrubbed(&setup, &outcome));
    assert_eq!(files(&setup.sshd.directory), before);
}

#[test]
fn a_suffix_in_the_pattern_is_a_warning_of_check_only() {
    for (pattern, doubled) in [("%Y%d%m.tgz", ".tgz.tgz"), ("%Y%d%m.tar.gz", ".tar.gz.tgz")] {
        let mut setup = setup();
        setup.set("archive.name", json!(pattern));
        let outcome = must_end_with(&setup, 0);
        let line = outcome.stdout.lines().find(|line| line.starts_with("  ! archive name")).unwrap_or_default();
        assert!(line.contains(doubled), "{}", outcome.all());
        must_show(&outcome, "→ remove the suffix from archive.name");
        let outcome = setup.run();
        outcome.exited_with(0);
        assert!(!outcome.log.contains("WARNING"), "{}", outcome.all());
    }
    let outcome = must_end_with(&setup(), 0);
    must_not_show(&outcome, "archive name");
}
