//! Deliveries to OpenSSH: the archive arrives and contains the published dump.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{Days, TimeDelta, Utc};
use serde_json::json;
use testkit::night::{DUMP, archive_name};
use testkit::servers::{Entry, Method, SftpServer, SshKey, Zip};
use testkit::sshd::generate;
use testkit::{Night, Sshd};

/// Extracts `archive` with GNU tar to a temporary folder.
fn extract(archive: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(folder.path()).status().unwrap();
    assert!(status.success(), "tar cannot extract {}", archive.display());
    folder
}

/// Asserts that `archive` contains the dump, byte for byte and with its modification time.
#[track_caller]
fn assert_contains_dump(archive: &Path, night: &Night) {
    let folder = extract(archive);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [DUMP]);
    let dump = folder.path().join(DUMP);
    assert!(fs::read(&dump).unwrap() == night.dump, "the bytes differ");
    assert_eq!(fs::metadata(&dump).unwrap().mtime(), night.modified.timestamp());
    assert_eq!(fs::metadata(&dump).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn a_fresh_dump_is_delivered_with_every_type_of_host_key() {
    for kind in ["ed25519", "rsa", "ecdsa"] {
        let night = Night::with_sshd(Sshd::start(&[kind]));
        night.run().exited_with(0).logged(&format!("first contact: the host key {}", night.sshd.fingerprint(kind)));
        assert_eq!(night.sshd.names(), [night.archive_name()], "{kind}");
        assert_contains_dump(&night.archive(), &night);
        assert!(night.work_directory_is_empty());
    }
}

#[test]
fn a_second_run_keeps_an_identical_archive() {
    let night = Night::new();
    night.run().exited_with(0);
    let (bytes, inode) = (fs::read(night.archive()).unwrap(), fs::metadata(night.archive()).unwrap().ino());
    night.run().exited_with(0).logged("is already there, with the same bytes");
    assert_eq!(night.sshd.names(), [night.archive_name()]);
    assert!(fs::read(night.archive()).unwrap() == bytes);
    assert_eq!(fs::metadata(night.archive()).unwrap().ino(), inode, "it was not written again");
}

#[test]
fn an_archive_with_different_bytes_is_replaced() {
    let night = Night::new();
    fs::write(night.archive(), "an older attempt").unwrap();
    night.run().exited_with(1).logged("it replaced an archive with different bytes");
    let old = format!("{}.old", night.archive_name());
    assert_eq!(night.sshd.names(), [night.archive_name(), old.clone()]);
    assert_eq!(fs::read_to_string(night.sshd.directory.join(old)).unwrap(), "an older attempt");
    assert_contains_dump(&night.archive(), &night);
}

#[test]
fn an_interrupted_replacement_is_put_back_and_then_completed() {
    let night = Night::new();
    let old = night.sshd.directory.join(format!(".{}.old", night.archive_name()));
    fs::write(&old, "an older attempt").unwrap();
    let missing = archive_name(night.modified.date_naive() - Days::new(2));
    fs::write(night.sshd.directory.join(format!(".{missing}.old")), "an archive of another date").unwrap();
    night.run().exited_with(1).logged("was put back");
    let mut expected = [night.archive_name(), format!("{}.old", night.archive_name()), missing];
    expected.sort();
    assert_eq!(night.sshd.names(), expected);
    assert_contains_dump(&night.archive(), &night);
}

#[test]
fn a_missed_run_can_be_repeated_with_its_date() {
    let mut night = Night::new();
    let missed = Utc::now() - TimeDelta::days(3);
    night.publish_dump_of(chrono::DateTime::from_timestamp(missed.timestamp(), 0).unwrap());
    night.run().exited_with(1).logged("the dump is stale");
    assert_eq!(night.sshd.names(), [""; 0]);
    night.run_with(&["--date", &missed.format("%F").to_string()]).exited_with(0);
    assert_eq!(night.sshd.names(), [night.archive_name()]);
    assert_contains_dump(&night.archive(), &night);
}

#[test]
fn a_future_date_is_a_command_line_error() {
    let night = Night::new();
    let outcome = night.run_with(&["--date", "2999-01-01"]);
    outcome.exited_with(2);
    assert!(outcome.stderr.contains("is in the future; give a date up to"), "{}", outcome.all());
    assert_eq!((night.web.requests(), night.sshd.names().len()), (0, 0));
}

#[test]
fn openssh_accepts_the_added_host_key() {
    let night = Night::new();
    night.run().exited_with(0);
    assert_eq!(fs::read_to_string(night.path("known_hosts")).unwrap(), night.sshd.known_hosts_line("ed25519"));
    let output = Command::new("ssh")
        .args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-p"])
        .arg(night.sshd.port().to_string())
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", night.path("known_hosts").display()))
        .arg("-i")
        .arg(night.sshd.user_key())
        .args(["127.0.0.1", "true"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    night.run().exited_with(0);
    assert_eq!(fs::read_to_string(night.path("known_hosts")).unwrap().lines().count(), 1);
}

#[test]
fn the_known_one_of_several_host_keys_is_requested() {
    for kind in ["rsa", "ecdsa", "ed25519"] {
        let mut night = Night::with_sshd(Sshd::start(&["ed25519", "ecdsa", "rsa"]));
        fs::write(night.path("known_hosts"), night.sshd.known_hosts_line(kind)).unwrap();
        night.set("sftp.host_key", json!("strict"));
        night.run().exited_with(0);
    }
}

#[test]
fn hashed_known_hosts_entries_match() {
    let mut night = Night::new();
    fs::write(night.path("known_hosts"), night.sshd.known_hosts_line("ed25519")).unwrap();
    let hashed = Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(night.path("known_hosts")).status().unwrap();
    assert!(hashed.success() && fs::read_to_string(night.path("known_hosts")).unwrap().starts_with("|1|"));
    night.set("sftp.host_key", json!("strict"));
    night.run().exited_with(0);
}

#[test]
fn a_pinned_key_is_found_among_several_without_known_hosts() {
    for kind in ["rsa", "ed25519"] {
        let mut night = Night::with_sshd(Sshd::start(&["ed25519", "ecdsa", "rsa"]));
        night.set("sftp.host_key", json!(night.sshd.fingerprint(kind)));
        night.run().exited_with(0);
        assert!(!night.path("known_hosts").exists());
    }
}

fn authorized_key(night: &Night, kind: &str, passphrase: &str) -> PathBuf {
    let key = night.path(&format!("key_{kind}"));
    generate(kind, &key, passphrase);
    night.sshd.authorize(&key);
    key
}

#[test]
fn every_type_of_private_key_logs_in_with_and_without_a_passphrase() {
    for kind in ["ed25519", "rsa", "ecdsa"] {
        for passphrase in ["", "a secret phrase"] {
            let mut night = Night::new();
            let key = authorized_key(&night, kind, passphrase);
            night.set("sftp.private_key", json!(key));
            if !passphrase.is_empty() {
                night.set("sftp.passphrase", json!(passphrase));
            }
            night.run().exited_with(0);
        }
    }
}

#[test]
fn a_key_of_the_agent_logs_in() {
    let mut night = Night::new();
    let socket = night.path("agent.socket");
    let mut agent =
        Command::new("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(std::process::Stdio::null()).spawn().unwrap();
    while !socket.exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let added = Command::new("ssh-add").arg("-q").arg(night.sshd.user_key()).env("SSH_AUTH_SOCK", &socket).status();
    night.set("sftp.private_key", json!(null));
    let outcome = night.outcome(night.command(&[]).env("SSH_AUTH_SOCK", &socket).output().unwrap());
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(added.unwrap().success());
    outcome.exited_with(0);
}

#[test]
fn a_password_logs_in_directly_and_keyboard_interactively() {
    for interactive in [false, true] {
        let mut night = Night::new();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("archives")).unwrap();
        let server = SftpServer::builder(folder.path()).username("backup").host_key(SshKey::ed25519());
        let server = if interactive { server.keyboard_interactive("p4ssword") } else { server.password("p4ssword") };
        let server = server.start();
        night.set("sftp.port", json!(server.port())).set("sftp.username", json!("backup"));
        night.set("sftp.private_key", json!(null)).set("sftp.password", json!("p4ssword"));
        night.set("sftp.directory", json!("archives"));
        night.run().exited_with(0);
        assert_contains_dump(&folder.path().join("archives").join(night.archive_name()), &night);
    }
}

#[test]
fn every_supported_compression_method_yields_the_same_dump() {
    for method in [Method::Stored, Method::Deflated, Method::Bzip2] {
        let night = Night::new();
        night.publish(&Zip::new().with(Entry::new("notes.txt", "something else")).with(night.entry().method(method)));
        night.run().exited_with(0);
        assert_contains_dump(&night.archive(), &night);
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
        let night = Night::new();
        fs::remove_file(night.path("web/my_zip.zip")).unwrap();
        fs::write(night.path("web").join(DUMP), &night.dump).unwrap();
        let status = Command::new(tool)
            .args(arguments)
            .current_dir(night.path("web"))
            .env("TZ", "UTC")
            .status()
            .unwrap_or_else(|_| panic!("{tool} is missing: install the Debian package of that name"));
        assert!(status.success());
        night.run().exited_with(0);
        let folder = extract(&night.archive());
        assert!(fs::read(folder.path().join(DUMP)).unwrap() == night.dump, "{tool}");
    }
}
