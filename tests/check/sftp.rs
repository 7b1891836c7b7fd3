//! Problems of the SFTP server.

use std::fs;

use serde_json::json;
use testkit::servers::listener::closed_address;
use testkit::servers::sftp::Builder;
use testkit::servers::zips::noise;
use testkit::servers::{Entry, SftpServer, SshKey, Zip};
use testkit::setup::{DUMP, archive_name};
use testkit::sshd::generate;
use testkit::{Setup, SmallDisk, Sshd};

use super::{files, must_end_with, must_fail, must_not_show, must_show, prepare, scrubbed, setup};

/// Uses the embedded server with `faults`; its host key is known.
fn on_embedded(faults: impl FnOnce(Builder) -> Builder) -> (Setup, SftpServer) {
    let mut setup = Setup::new();
    prepare(&mut setup);
    let server = setup.serve_sftp(faults);
    fs::write(setup.path("known_hosts"), server.known_hosts()).unwrap();
    (setup, server)
}

#[test]
fn a_server_that_is_down_or_unknown_is_reported() {
    let mut setup = setup();
    let closed_port = closed_address().port();
    setup.set("sftp.port", json!(closed_port));
    must_fail(&setup, &[("connection", &[&format!("no connection to 127.0.0.1:{closed_port}"), "sftp.port"])]);
    setup.set("sftp.host", json!("no-such-host.invalid"));
    must_fail(&setup, &[("name", &["the name no-such-host.invalid cannot be resolved", "sftp.host"])]);
}

#[test]
fn a_changed_host_key_is_reported_with_both_fingerprints_and_no_login_is_tried() {
    let old = SshKey::ed25519();
    let (setup, server) = on_embedded(|sftp| sftp);
    let line = old.known_hosts_line("127.0.0.1", server.port()) + "\n";
    fs::write(setup.path("known_hosts"), &line).unwrap();
    let words = ["has CHANGED", &old.fingerprint(), &server.fingerprint(), "ssh-keygen -R"];
    must_fail(&setup, &[("host key", &words)]);
    assert_eq!(server.auth_attempts(), []);
    assert_eq!(fs::read_to_string(setup.path("known_hosts")).unwrap(), line);

    let setup = self::setup();
    fs::write(setup.path("known_hosts"), old.known_hosts_line("127.0.0.1", setup.sshd.port()) + "\n").unwrap();
    must_fail(&setup, &[("host key", &["has CHANGED", &setup.sshd.fingerprint("ed25519")])]);
}

#[test]
fn a_pinned_host_key_is_reported_as_pinned() {
    let mut setup = setup();
    let fingerprint = setup.sshd.fingerprint("ed25519");
    fs::remove_file(setup.path("known_hosts")).unwrap();
    setup.set("sftp.host_key", json!(fingerprint));
    let outcome = must_end_with(&setup, 0);
    must_show(&outcome, &format!("ssh-ed25519 {fingerprint}, pinned by sftp.host_key\n"));
}

#[test]
fn a_login_with_an_agent_is_a_warning_because_cron_has_none() {
    let mut setup = setup();
    let socket = setup.path("agent");
    let key = setup.sshd.user_key();
    setup.set("sftp.private_key", json!(null));
    let check = setup.command_of("check", &[]);
    let words: Vec<&str> =
        std::iter::once(check.get_program()).chain(check.get_args()).map(|word| word.to_str().unwrap()).collect();
    let script = format!("ssh-add -q '{}' && exec '{}'", key.display(), words.join("' '"));
    let mut agent = std::process::Command::new("ssh-agent");
    let output = agent.arg("-a").arg(socket).args(["sh", "-c", &script]).env("TZ", "UTC").output().unwrap();
    let outcome = setup.outcome(output);
    outcome.exited_with(0);
    must_show(&outcome, ", with a key of the running agent\n");
    must_show(&outcome, "→ set sftp.private_key if cron starts the runs: it has no agent");
}

#[test]
fn a_new_host_key_that_cannot_be_stored_is_a_problem() {
    let mut setup = setup();
    setup.set("sftp.known_hosts", json!("/proc/known_hosts"));
    must_fail(&setup, &[("host key", &["known_hosts (/proc/known_hosts) cannot be written"])]);
    setup.set("sftp.known_hosts", json!("new/ssh/known_hosts"));
    must_end_with(&setup, 0);
    assert!(!setup.path("new").exists());
}

#[test]
fn a_refused_login_is_tried_once_and_reported_after_the_host_key() {
    let (mut setup, server) = on_embedded(|sftp| sftp);
    setup.set("sftp.password", json!("wr0ng-password"));
    let outcome = must_fail(&setup, &[("login", &["sftp.password was refused; it was tried once"])]);
    must_show(&outcome, "  ✓ host key ");
    assert!(!outcome.all().contains("wr0ng-password"));
    assert_eq!(server.auth_attempts().len(), 1);

    let mut setup = self::setup();
    let key = setup.path("stranger");
    generate("ed25519", &key, "");
    setup.set("sftp.private_key", json!(key));
    let outcome = must_fail(&setup, &[("login", &["stranger was refused", "authorized_keys"])]);
    insta::assert_snapshot!("refused_key", scrubbed(&setup, &outcome));
}

#[test]
fn a_missing_folder_is_reported_after_the_login_and_not_created() {
    Setup::on_each_server(|setup| {
        prepare(setup);
        setup.set("sftp.directory", json!("TSE-INFORX"));
        let outcome =
            must_fail(setup, &[("directory", &["\"TSE-INFORX\" does not exist on the server. Create it there"])]);
        must_show(&outcome, "  ✓ login ");
        assert!(!setup.sshd.directory.join("TSE-INFORX").exists());
    });
}

#[test]
fn a_folder_without_write_permission_is_reported() {
    let mut setup = Setup::with_sshd(Sshd::start_with(&["ed25519"], "ForceCommand internal-sftp -R"));
    prepare(&mut setup);
    let outcome = must_fail(
        &setup,
        &[(
            "writing",
            &[&format!("refused to create \"{}\"", setup.part_of("19700101.tgz")), "Check the permissions of"],
        )],
    );
    must_show(&outcome, "  ✓ space ");

    Setup::on_each_server(|setup| {
        prepare(setup);
        let _disk = SmallDisk::over(&setup.sshd.directory, "ro");
        must_fail(setup, &[("writing", &[&format!("refused to create \"{}\"", setup.part_of("19700101.tgz"))])]);
    });

    let (mut setup, _server) = on_embedded(|sftp| sftp.without_dotfiles());
    must_fail(&setup, &[("writing", &["set sftp.temporary_prefix"])]);
    setup.set("sftp.temporary_prefix", json!("tmp-"));
    must_end_with(&setup, 0);
}

#[test]
fn a_full_disk_is_reported_with_both_sizes() {
    let setup = setup();
    setup.publish(&Zip::new().with(Entry::new(DUMP, noise(2_000_000)).extended_time(setup.modified)));
    let _disk = SmallDisk::over(&setup.sshd.directory, "size=1m");
    let outcome = must_fail(&setup, &[("space", &[" free, the archive needs about 1.91 MiB"])]);
    must_show(&outcome, "→ free space on the server, or raise its quota");
    fs::write(setup.sshd.directory.join("other-file"), vec![1; 2_000_000]).unwrap_err();
    must_fail(&setup, &[("writing", &["no space for "]), ("space", &["0 B free"])]);
    assert_eq!(setup.sshd.names(), ["other-file"]);

    let (setup, _server) = on_embedded(|sftp| sftp.full_after(0));
    must_fail(
        &setup,
        &[("writing", &[&format!("refused to write \"{}\"", setup.part_of("19700101.tgz")), "no space, a quota"])],
    );
    assert!(setup.sshd.names().is_empty(), "{:?}", setup.sshd.names());
}

#[test]
fn a_server_that_refuses_removal_is_a_warning_with_the_name_of_the_remaining_file() {
    let (setup, _server) = on_embedded(|sftp| sftp.without_removal());
    let outcome = must_end_with(&setup, 0);
    must_show(
        &outcome,
        &format!(
            "! removing        the small file {} could not be removed: the server refused to remove",
            setup.part_of("19700201.tgz")
        ),
    );
    assert_eq!(setup.sshd.names(), [setup.part_of("19700201.tgz")]);
    // The next check uses that file, but no other.
    fs::write(setup.sshd.directory.join(setup.part_of("19700301.tgz")), "other").unwrap();
    must_end_with(&setup, 0);
    assert_eq!(setup.sshd.names().len(), 2);
    assert_eq!(fs::read(setup.sshd.directory.join(setup.part_of("19700301.tgz"))).unwrap(), b"other");
}

#[test]
fn the_file_of_a_killed_check_is_reported_as_a_leftover_and_removed_by_the_next_run() {
    Setup::on_each_server(|setup| {
        prepare(setup);
        fs::write(setup.sshd.directory.join(setup.part_of("19700101.tgz")), "left").unwrap();
        let before = files(&setup.sshd.directory);
        let outcome = must_end_with(setup, 0);
        must_show(&outcome, ", 1 leftover");
        assert_eq!(files(&setup.sshd.directory), before);
        setup.run().exited_with(0);
        assert_eq!(setup.sshd.names(), [setup.archive_name()]);
    });
}

#[test]
fn names_that_hold_removal_back_are_reported() {
    let setup = setup();
    fs::write(setup.sshd.directory.join("20261123.tgz"), "month before day").unwrap();
    let outcome = must_end_with(&setup, 0);
    must_show(&outcome, "! removal         would be held back: \"20261123.tgz\" fits archive.name only with");
}

#[test]
fn archives_of_another_pattern_are_reported_with_that_pattern_and_the_consequences() {
    let mut setup = setup();
    for day in 13..=25 {
        fs::write(setup.sshd.directory.join(format!("2026-{day}-11.tgz")), "an archive").unwrap();
    }
    fs::write(setup.sshd.directory.join("20262611-keep.tgz"), "kept forever").unwrap();
    let outcome = must_end_with(&setup, 0);
    for words in [
        "! archive names   archive.name seems to have been changed: 13 files named after another pattern (\"%Y-%d-%m\"), such",
        ": retention neither counts nor removes them, and list, verify and restore do not find them",
        "→ if another job delivers here, leave its files alone; else set archive.name to \"%Y-%d-%m\" again, or rename",
    ] {
        must_show(&outcome, words);
    }
    setup.set("archive.name", json!("%Y-%d-%m"));
    let outcome = must_end_with(&setup, 0);
    must_not_show(&outcome, "archive names");
}

#[test]
fn a_renamed_dump_is_reported_with_its_name_in_the_newest_archive() {
    Setup::on_each_server(|setup| {
        prepare(setup);
        setup.run().exited_with(0);
        let outcome = must_end_with(setup, 0);
        must_not_show(&outcome, "dump name");
        setup.set("source.dump", json!("data/new name.sql"));
        setup.publish(&Zip::new().with(Entry::new("data/new name.sql", noise(1000)).extended_time(setup.modified)));
        // Today's archive seems to be another job's.
        assert!(must_end_with(setup, 4).stdout.contains("✗ archive         \"20"));
        let yesterday = archive_name(setup.modified.date_naive() - chrono::Days::new(1));
        fs::rename(setup.archive(), setup.sshd.directory.join(&yesterday)).unwrap();
        let outcome = must_end_with(setup, 0);
        let difference = format!("{yesterday}, the newest archive, contains \"dumpfile.sql\", but source.dump names");
        for words in
            [&difference, "\"new name.sql\"", "restore and verify read the older archives with --dump dumpfile.sql"]
        {
            must_show(&outcome, words);
        }
        // `verify` reports archives whose beginning cannot be read.
        fs::write(setup.archive(), "damaged").unwrap();
        assert!(!must_end_with(setup, 0).stdout.contains("dump name"));
    });
}

#[test]
fn a_server_for_one_writer_is_found_by_a_probe_that_leaves_nothing() {
    type Trait = fn(Builder) -> Builder;
    let services: [Trait; 3] = [Builder::one_writer, Builder::writes_in_order, Builder::visible_at_close];
    for service in services {
        let (mut setup, server) = on_embedded(service);
        let outcome = setup.call("check", &[]);
        let advice = "as the server lets only one write a file; sftp.connections: 1";
        assert!(outcome.stdout.contains(advice), "{}", outcome.all());
        assert!(server.operations().iter().any(|operation| operation.starts_with("remove")));
        assert!(setup.sshd.names().is_empty(), "{:?}", setup.sshd.names());
        setup.set("sftp.connections", json!(1));
        let outcome = setup.call("check", &[]);
        assert!(!outcome.stdout.contains("lets only one"), "{}", outcome.all());
    }
    let (setup, server) = on_embedded(|sftp| sftp.one_writer().banner("SSH-2.0-AWS_SFTP_1.1"));
    let outcome = setup.call("check", &[]);
    let known = "will use 1 connection, as services of this kind let only one write a file";
    assert!(outcome.stdout.contains(known), "{}", outcome.all());
    let created = server.operations().iter().filter(|operation| operation.starts_with("open-to-write")).count();
    assert_eq!(created, 1, "nothing is probed: {:?}", server.operations());
}
