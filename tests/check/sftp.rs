//! Problems of the SFTP server.

use std::fs;

use serde_json::json;
use testkit::night::{DUMP, archive_name};
use testkit::servers::listener::closed_address;
use testkit::servers::sftp::Builder;
use testkit::servers::zips::noise;
use testkit::servers::{Entry, SftpServer, SshKey, Zip};
use testkit::sshd::generate;
use testkit::{Night, SmallDisk, Sshd};

use super::{files, must_end_with, must_fail, must_not_show, must_show, night, prepare, scrubbed};

/// Uses the embedded server with `faults`; its host key is known.
fn on_embedded(faults: impl FnOnce(Builder) -> Builder) -> (Night, SftpServer) {
    let mut night = Night::new();
    prepare(&mut night);
    let server = night.serve_sftp(faults);
    fs::write(night.path("known_hosts"), server.known_hosts()).unwrap();
    (night, server)
}

#[test]
fn a_server_that_is_down_or_unknown_is_reported() {
    let mut night = night();
    let closed_port = closed_address().port();
    night.set("sftp.port", json!(closed_port));
    must_fail(&night, &[("connection", &[&format!("no connection to 127.0.0.1:{closed_port}"), "sftp.port"])]);
    night.set("sftp.host", json!("no-such-host.invalid"));
    must_fail(&night, &[("name", &["the name no-such-host.invalid cannot be resolved", "sftp.host"])]);
}

#[test]
fn a_changed_host_key_is_reported_with_both_fingerprints_and_no_login_is_tried() {
    let old = SshKey::ed25519();
    let (night, server) = on_embedded(|sftp| sftp);
    let line = old.known_hosts_line("127.0.0.1", server.port()) + "\n";
    fs::write(night.path("known_hosts"), &line).unwrap();
    let words = ["has CHANGED", &old.fingerprint(), &server.fingerprint(), "ssh-keygen -R"];
    must_fail(&night, &[("host key", &words)]);
    assert_eq!(server.auth_attempts(), []);
    assert_eq!(fs::read_to_string(night.path("known_hosts")).unwrap(), line);

    let night = self::night();
    fs::write(night.path("known_hosts"), old.known_hosts_line("127.0.0.1", night.sshd.port()) + "\n").unwrap();
    must_fail(&night, &[("host key", &["has CHANGED", &night.sshd.fingerprint("ed25519")])]);
}

#[test]
fn a_pinned_host_key_is_reported_as_pinned() {
    let mut night = night();
    let fingerprint = night.sshd.fingerprint("ed25519");
    fs::remove_file(night.path("known_hosts")).unwrap();
    night.set("sftp.host_key", json!(fingerprint));
    let outcome = must_end_with(&night, 0);
    must_show(&outcome, &format!("ssh-ed25519 {fingerprint}, pinned by sftp.host_key\n"));
}

#[test]
fn a_login_with_an_agent_is_a_warning_because_cron_has_none() {
    let mut night = night();
    let socket = night.path("agent");
    let key = night.sshd.user_key();
    night.set("sftp.private_key", json!(null));
    let check = night.command_of("check", &[]);
    let words: Vec<&str> =
        std::iter::once(check.get_program()).chain(check.get_args()).map(|word| word.to_str().unwrap()).collect();
    let script = format!("ssh-add -q '{}' && exec '{}'", key.display(), words.join("' '"));
    let mut agent = std::process::Command::new("ssh-agent");
    let output = agent.arg("-a").arg(socket).args(["sh", "-c", &script]).env("TZ", "UTC").output().unwrap();
    let outcome = night.outcome(output);
    outcome.exited_with(0);
    must_show(&outcome, ", with a key of the running agent\n");
    must_show(&outcome, "→ set sftp.private_key if cron starts the runs: it has no agent");
}

#[test]
fn a_new_host_key_that_cannot_be_stored_is_a_problem() {
    let mut night = night();
    night.set("sftp.known_hosts", json!("/proc/known_hosts"));
    must_fail(&night, &[("host key", &["known_hosts (/proc/known_hosts) cannot be written"])]);
    night.set("sftp.known_hosts", json!("new/ssh/known_hosts"));
    must_end_with(&night, 0);
    assert!(!night.path("new").exists());
}

#[test]
fn a_refused_login_is_tried_once_and_reported_after_the_host_key() {
    let (mut night, server) = on_embedded(|sftp| sftp);
    night.set("sftp.password", json!("wr0ng-password"));
    let outcome = must_fail(&night, &[("login", &["sftp.password was refused; it was tried once"])]);
    must_show(&outcome, "  ✓ host key ");
    assert!(!outcome.all().contains("wr0ng-password"));
    assert_eq!(server.auth_attempts().len(), 1);

    let mut night = self::night();
    let key = night.path("stranger");
    generate("ed25519", &key, "");
    night.set("sftp.private_key", json!(key));
    let outcome = must_fail(&night, &[("login", &["stranger was refused", "authorized_keys"])]);
    insta::assert_snapshot!("refused_key", scrubbed(&night, &outcome));
}

#[test]
fn a_missing_folder_is_reported_after_the_login_and_not_created() {
    Night::on_each_server(|night| {
        prepare(night);
        night.set("sftp.directory", json!("TSE-INFORX"));
        let outcome =
            must_fail(night, &[("directory", &["\"TSE-INFORX\" does not exist on the server. Create it there"])]);
        must_show(&outcome, "  ✓ login ");
        assert!(!night.sshd.directory.join("TSE-INFORX").exists());
    });
}

#[test]
fn a_folder_without_write_permission_is_reported() {
    let mut night = Night::with_sshd(Sshd::start_with(&["ed25519"], "ForceCommand internal-sftp -R"));
    prepare(&mut night);
    let outcome = must_fail(
        &night,
        &[(
            "writing",
            &[&format!("refused to create \"{}\"", night.part_of("19700101.tgz")), "Check the permissions of"],
        )],
    );
    must_show(&outcome, "  ✓ space ");

    Night::on_each_server(|night| {
        prepare(night);
        let _disk = SmallDisk::over(&night.sshd.directory, "ro");
        must_fail(night, &[("writing", &[&format!("refused to create \"{}\"", night.part_of("19700101.tgz"))])]);
    });

    let (mut night, _server) = on_embedded(|sftp| sftp.without_dotfiles());
    must_fail(&night, &[("writing", &["set sftp.temporary_prefix"])]);
    night.set("sftp.temporary_prefix", json!("tmp-"));
    must_end_with(&night, 0);
}

#[test]
fn a_full_disk_is_reported_with_both_sizes() {
    let night = night();
    night.publish(&Zip::new().with(Entry::new(DUMP, noise(2_000_000)).extended_time(night.modified)));
    let _disk = SmallDisk::over(&night.sshd.directory, "size=1m");
    let outcome = must_fail(&night, &[("space", &[" free, the archive needs about 1.91 MiB"])]);
    must_show(&outcome, "→ free space on the server, or raise its quota");
    fs::write(night.sshd.directory.join("other-file"), vec![1; 2_000_000]).unwrap_err();
    must_fail(&night, &[("writing", &["no space for "]), ("space", &["0 B free"])]);
    assert_eq!(night.sshd.names(), ["other-file"]);

    let (night, _server) = on_embedded(|sftp| sftp.full_after(0));
    must_fail(
        &night,
        &[("writing", &[&format!("refused to write \"{}\"", night.part_of("19700101.tgz")), "no space, a quota"])],
    );
    assert!(night.sshd.names().is_empty(), "{:?}", night.sshd.names());
}

#[test]
fn a_server_that_refuses_removal_is_a_warning_with_the_name_of_the_remaining_file() {
    let (night, _server) = on_embedded(|sftp| sftp.without_removal());
    let outcome = must_end_with(&night, 0);
    must_show(
        &outcome,
        &format!(
            "! removing        the small file {} could not be removed: the server refused to remove",
            night.part_of("19700201.tgz")
        ),
    );
    assert_eq!(night.sshd.names(), [night.part_of("19700201.tgz")]);
    // A check never uses an existing name.
    must_end_with(&night, 0);
    assert_eq!(night.sshd.names().len(), 2);
}

#[test]
fn the_file_of_a_killed_check_is_reported_as_a_leftover_and_removed_by_the_next_run() {
    Night::on_each_server(|night| {
        prepare(night);
        fs::write(night.sshd.directory.join(night.part_of("19700101.tgz")), "left").unwrap();
        let before = files(&night.sshd.directory);
        let outcome = must_end_with(night, 0);
        must_show(&outcome, ", 1 leftover");
        assert_eq!(files(&night.sshd.directory), before);
        night.run().exited_with(0);
        assert_eq!(night.sshd.names(), [night.archive_name()]);
    });
}

#[test]
fn names_that_hold_removal_back_are_reported() {
    let night = night();
    fs::write(night.sshd.directory.join("20261123.tgz"), "month before day").unwrap();
    let outcome = must_end_with(&night, 0);
    must_show(&outcome, "! removal         would be held back: \"20261123.tgz\" fits archive.name only with");
}

#[test]
fn archives_of_another_pattern_are_reported_with_that_pattern_and_the_consequences() {
    let mut night = night();
    for day in 13..=25 {
        fs::write(night.sshd.directory.join(format!("2026-{day}-11.tgz")), "an archive").unwrap();
    }
    fs::write(night.sshd.directory.join("20262611-keep.tgz"), "kept forever").unwrap();
    let outcome = must_end_with(&night, 0);
    for words in [
        "! archive names   archive.name seems to have been changed: 13 files named after another pattern (\"%Y-%d-%m\"), such",
        ": retention neither counts nor removes them, and list, verify and restore do not find them",
        "→ if another job delivers here, leave its files alone; else set archive.name to \"%Y-%d-%m\" again, or rename",
    ] {
        must_show(&outcome, words);
    }
    night.set("archive.name", json!("%Y-%d-%m"));
    let outcome = must_end_with(&night, 0);
    must_not_show(&outcome, "archive names");
}

#[test]
fn a_renamed_dump_is_reported_with_its_name_in_the_newest_archive() {
    Night::on_each_server(|night| {
        prepare(night);
        night.run().exited_with(0);
        let outcome = must_end_with(night, 0);
        must_not_show(&outcome, "dump name");
        night.set("source.dump", json!("data/new name.sql"));
        night.publish(&Zip::new().with(Entry::new("data/new name.sql", noise(1000)).extended_time(night.modified)));
        // Today's archive seems to be another job's.
        assert!(must_end_with(night, 4).stdout.contains("✗ archive         \"20"));
        let yesterday = archive_name(night.modified.date_naive() - chrono::Days::new(1));
        fs::rename(night.archive(), night.sshd.directory.join(&yesterday)).unwrap();
        let outcome = must_end_with(night, 0);
        let difference = format!("{yesterday}, the newest archive, contains \"dumpfile.sql\", but source.dump names");
        for words in
            [&difference, "\"new name.sql\"", "restore and verify read the older archives with --dump dumpfile.sql"]
        {
            must_show(&outcome, words);
        }
        // `verify` reports archives whose beginning cannot be read.
        fs::write(night.archive(), "damaged").unwrap();
        assert!(!must_end_with(night, 0).stdout.contains("dump name"));
    });
}
