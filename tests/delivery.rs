//! Deliveries to OpenSSH: the archive arrives and contains the published dump.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{Days, TimeDelta, Utc};
use serde_json::json;
use testkit::servers::{Entry, Method, SftpServer, SshKey, Zip};
use testkit::setup::{DUMP, archive_name};
use testkit::sshd::generate;
use testkit::{Setup, Sshd};

/// Extracts `archive` with GNU tar to a temporary folder.
fn extract(archive: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(folder.path()).status().unwrap();
    assert!(status.success(), "tar cannot extract {}", archive.display());
    folder
}

/// Asserts that `archive` contains the dump, byte for byte and with its modification time.
#[track_caller]
fn assert_contains_dump(archive: &Path, setup: &Setup) {
    let folder = extract(archive);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [DUMP]);
    let dump = folder.path().join(DUMP);
    assert!(fs::read(&dump).unwrap() == setup.dump, "the bytes differ");
    assert_eq!(fs::metadata(&dump).unwrap().mtime(), setup.modified.timestamp());
    assert_eq!(fs::metadata(&dump).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn a_fresh_dump_is_delivered_with_every_type_of_host_key() {
    for kind in ["ed25519", "rsa", "ecdsa"] {
        let setup = Setup::with_sshd(Sshd::start(&[kind]));
        setup.run().exited_with(0).logged(&format!("first contact: the host key {}", setup.sshd.fingerprint(kind)));
        assert_eq!(setup.sshd.names(), [setup.archive_name()], "{kind}");
        assert_contains_dump(&setup.archive(), &setup);
        assert!(setup.work_directory_is_empty());
    }
}

#[test]
fn a_second_run_keeps_an_identical_archive() {
    let setup = Setup::new();
    setup.run().exited_with(0);
    let (bytes, inode) = (fs::read(setup.archive()).unwrap(), fs::metadata(setup.archive()).unwrap().ino());
    setup.run().exited_with(0).logged("is already there, with the same bytes");
    assert_eq!(setup.sshd.names(), [setup.archive_name()]);
    assert!(fs::read(setup.archive()).unwrap() == bytes);
    assert_eq!(fs::metadata(setup.archive()).unwrap().ino(), inode, "it was not written again");
}

#[test]
fn an_archive_with_different_bytes_is_replaced() {
    let setup = Setup::new();
    fs::write(setup.archive(), "an older attempt").unwrap();
    setup.run().exited_with(1).logged("it replaced an archive with different bytes");
    let old = format!("{}.old", setup.archive_name());
    assert_eq!(setup.sshd.names(), [setup.archive_name(), old.clone()]);
    assert_eq!(fs::read_to_string(setup.sshd.directory.join(old)).unwrap(), "an older attempt");
    assert_contains_dump(&setup.archive(), &setup);
}

#[test]
fn an_interrupted_replacement_is_put_back_and_then_completed() {
    let setup = Setup::new();
    let old = setup.sshd.directory.join(format!(".{}.old", setup.archive_name()));
    fs::write(&old, "an older attempt").unwrap();
    let missing = archive_name(setup.modified.date_naive() - Days::new(2));
    fs::write(setup.sshd.directory.join(format!(".{missing}.old")), "an archive of another date").unwrap();
    setup.run().exited_with(1).logged("was put back");
    let mut expected = [setup.archive_name(), format!("{}.old", setup.archive_name()), missing];
    expected.sort();
    assert_eq!(setup.sshd.names(), expected);
    assert_contains_dump(&setup.archive(), &setup);
}

#[test]
fn a_missed_run_can_be_repeated_with_its_date() {
    let mut setup = Setup::new();
    let missed = Utc::now() - TimeDelta::days(3);
    setup.publish_dump_of(chrono::DateTime::from_timestamp(missed.timestamp(), 0).unwrap());
    setup.run().exited_with(1).logged("the dump is stale");
    assert_eq!(setup.sshd.names(), [""; 0]);
    setup.run_with(&["--date", &missed.format("%F").to_string()]).exited_with(0);
    assert_eq!(setup.sshd.names(), [setup.archive_name()]);
    assert_contains_dump(&setup.archive(), &setup);
}

#[test]
fn a_future_date_is_a_command_line_error() {
    let setup = Setup::new();
    let outcome = setup.run_with(&["--date", "2999-01-01"]);
    outcome.exited_with(2);
    assert!(outcome.stderr.contains("is in the future; give a date up to"), "{}", outcome.all());
    assert_eq!((setup.web.requests(), setup.sshd.names().len()), (0, 0));
}

#[test]
fn openssh_accepts_the_added_host_key() {
    let setup = Setup::new();
    setup.run().exited_with(0);
    assert_eq!(fs::read_to_string(setup.path("known_hosts")).unwrap(), setup.sshd.known_hosts_line("ed25519"));
    let output = Command::new("ssh")
        .args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-p"])
        .arg(setup.sshd.port().to_string())
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", setup.path("known_hosts").display()))
        .arg("-i")
        .arg(setup.sshd.user_key())
        .args(["127.0.0.1", "true"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    setup.run().exited_with(0);
    assert_eq!(fs::read_to_string(setup.path("known_hosts")).unwrap().lines().count(), 1);
}

#[test]
fn the_known_one_of_several_host_keys_is_requested() {
    for kind in ["rsa", "ecdsa", "ed25519"] {
        let mut setup = Setup::with_sshd(Sshd::start(&["ed25519", "ecdsa", "rsa"]));
        fs::write(setup.path("known_hosts"), setup.sshd.known_hosts_line(kind)).unwrap();
        setup.set("sftp.host_key", json!("strict"));
        setup.run().exited_with(0);
    }
}

#[test]
fn hashed_known_hosts_entries_match() {
    let mut setup = Setup::new();
    fs::write(setup.path("known_hosts"), setup.sshd.known_hosts_line("ed25519")).unwrap();
    let hashed = Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(setup.path("known_hosts")).status().unwrap();
    assert!(hashed.success() && fs::read_to_string(setup.path("known_hosts")).unwrap().starts_with("|1|"));
    setup.set("sftp.host_key", json!("strict"));
    setup.run().exited_with(0);
}

#[test]
fn a_pinned_key_is_found_among_several_without_known_hosts() {
    for kind in ["rsa", "ed25519"] {
        let mut setup = Setup::with_sshd(Sshd::start(&["ed25519", "ecdsa", "rsa"]));
        setup.set("sftp.host_key", json!(setup.sshd.fingerprint(kind)));
        setup.run().exited_with(0);
        assert!(!setup.path("known_hosts").exists());
    }
}

fn authorized_key(setup: &Setup, kind: &str, passphrase: &str) -> PathBuf {
    let key = setup.path(&format!("key_{kind}"));
    generate(kind, &key, passphrase);
    setup.sshd.authorize(&key);
    key
}

#[test]
fn every_type_of_private_key_logs_in_with_and_without_a_passphrase() {
    for kind in ["ed25519", "rsa", "ecdsa"] {
        for passphrase in ["", "a secret phrase"] {
            let mut setup = Setup::new();
            let key = authorized_key(&setup, kind, passphrase);
            setup.set("sftp.private_key", json!(key));
            if !passphrase.is_empty() {
                setup.set("sftp.passphrase", json!(passphrase));
            }
            setup.run().exited_with(0);
        }
    }
}

#[test]
fn a_key_of_the_agent_logs_in() {
    let mut setup = Setup::new();
    let socket = setup.path("agent.socket");
    let mut agent =
        Command::new("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(std::process::Stdio::null()).spawn().unwrap();
    while !socket.exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let added = Command::new("ssh-add").arg("-q").arg(setup.sshd.user_key()).env("SSH_AUTH_SOCK", &socket).status();
    setup.set("sftp.private_key", json!(null));
    let outcome = setup.outcome(setup.command(&[]).env("SSH_AUTH_SOCK", &socket).output().unwrap());
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(added.unwrap().success());
    outcome.exited_with(0);
}

#[test]
fn a_password_logs_in_directly_and_keyboard_interactively() {
    for interactive in [false, true] {
        let mut setup = Setup::new();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("archives")).unwrap();
        let server = SftpServer::builder(folder.path()).username("backup").host_key(SshKey::ed25519());
        let server = if interactive { server.keyboard_interactive("p4ssword") } else { server.password("p4ssword") };
        let server = server.start();
        setup.set("sftp.port", json!(server.port())).set("sftp.username", json!("backup"));
        setup.set("sftp.private_key", json!(null)).set("sftp.password", json!("p4ssword"));
        setup.set("sftp.directory", json!("archives"));
        setup.run().exited_with(0);
        assert_contains_dump(&folder.path().join("archives").join(setup.archive_name()), &setup);
    }
}

#[test]
fn every_supported_compression_method_yields_the_same_dump() {
    for method in [Method::Stored, Method::Deflated, Method::Bzip2] {
        let setup = Setup::new();
        setup.publish(&Zip::new().with(Entry::new("notes.txt", "something else")).with(setup.entry().method(method)));
        setup.run().exited_with(0);
        assert_contains_dump(&setup.archive(), &setup);
    }
}

#[test]
fn zips_of_other_tools_are_read() {
    let tools: [(&str, &[&str]); 3] = [
        ("zip", &["-q", "-X", "my_zip.zip", DUMP]),
        ("python3", &["-m", "zipfile", "-c", "my_zip.zip", DUMP]),
        ("zip", &["-q", "-fz", "my_zip.zip", DUMP]),
    ];
    for (tool, arguments) in tools {
        let setup = Setup::new();
        fs::remove_file(setup.path("web/my_zip.zip")).unwrap();
        fs::write(setup.path("web").join(DUMP), &setup.dump).unwrap();
        let status = Command::new(tool)
            .args(arguments)
            .current_dir(setup.path("web"))
            .env("TZ", "UTC")
            .status()
            .unwrap_or_else(|_| panic!("{tool} is missing: install the Debian package of that name"));
        assert!(status.success());
        setup.run().exited_with(0);
        let folder = extract(&setup.archive());
        assert!(fs::read(folder.path().join(DUMP)).unwrap() == setup.dump, "{tool}");
    }
}
