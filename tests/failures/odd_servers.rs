//! SFTP servers with fewer features than OpenSSH, or with unusual host keys and addresses.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use testkit::servers::sftp_faults::{RequestFault, StatusCode};
use testkit::servers::sftp_watch::Operation;
use testkit::sshd::generate;
use testkit::{Sshd, wait_until};

use super::bad_night::BadNight;
use super::interruptions::{signal_and_wait, start};

#[test]
fn a_server_with_only_unsafe_algorithms_is_refused_with_advice() {
    for options in [
        "HostKeyAlgorithms ssh-rsa",
        "KexAlgorithms diffie-hellman-group1-sha1",
        "Ciphers aes128-ctr\nMACs umac-64@openssh.com",
    ] {
        let bad = BadNight::with_sshd(Sshd::start_with(&["rsa"], options));
        let outcome = bad.must_fail(&["no SSH session with 127.0.0.1", "no algorithm", "Update the server"]);
        assert!(!outcome.log.contains("trying again"), "{options}: {}", outcome.all());
        assert!(!bad.sshd.log().contains("Accepted"), "{}", bad.sshd.log());
    }
}

#[test]
fn a_server_without_extensions_gets_the_archive() {
    let bad = BadNight::with_sftp(|sftp| sftp.without_extensions());
    bad.run().exited_with(0).logged("warnings 0");
    assert!(bad.is_delivered());
    bad.assert_no_upload();
    // Without extensions, the program can only guess that the disk is full.
    BadNight::with_sftp(|sftp| sftp.without_extensions().full_after(20_000)).must_fail(&["to write", "no space"]);
}

#[test]
fn an_archive_that_others_remove_first_counts_as_removed() {
    let paths = Arc::new(Mutex::new(Vec::new()));
    let expired = paths.clone();
    let bad = BadNight::with_sftp(|sftp| {
        sftp.before_removal(move || {
            for path in expired.lock().unwrap().iter() {
                fs::remove_file(path).unwrap();
            }
        })
    });
    *paths.lock().unwrap() = [20, 30].map(|age| bad.directory.join(bad.archive_aged(age))).to_vec();
    bad.run().exited_with(0).logged("warnings 0");
    bad.assert_holds_exactly(&[0, 1, 2, 3]);
}

/// Writes an Ed25519 host key to `path`, and a certificate from an unknown authority to the same folder.
fn write_certified_host_key(path: &Path) {
    let authority = path.with_file_name("authority");
    generate("ed25519", &authority, "");
    generate("ed25519", path, "");
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-h", "-I", "server", "-n", "127.0.0.1", "-s"])
        .arg(&authority)
        .arg(path.with_extension("pub"))
        .status();
    assert!(signed.unwrap().success());
}

#[test]
fn a_server_with_a_host_certificate_is_recognised_by_its_plain_key() {
    for known in ["rsa", "ed25519"] {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("certified");
        write_certified_host_key(&key);
        let options = format!("HostKey {0}\nHostCertificate {0}-cert.pub", key.display());
        let mut bad = BadNight::with_sshd(Sshd::start_with(&["rsa"], &options));
        let line = if known == "rsa" {
            bad.sshd.known_hosts_line("rsa")
        } else {
            format!("[127.0.0.1]:{} {}", bad.sshd.port(), fs::read_to_string(key.with_extension("pub")).unwrap())
        };
        fs::write(bad.path("known_hosts"), line).unwrap();
        bad.set("sftp.host_key", json!("strict"));
        bad.run().exited_with(0);
    }
}

#[test]
fn a_server_is_reached_and_recognised_by_its_ipv6_address() {
    let mut bad = BadNight::with_sshd(Sshd::start_with(&["ed25519"], "ListenAddress ::1"));
    bad.set("sftp.host", json!("::1"));
    bad.run().exited_with(0);
    let known = fs::read_to_string(bad.path("known_hosts")).unwrap();
    assert_eq!(known, bad.sshd.known_hosts_line("ed25519").replace("127.0.0.1", "::1"));
    bad.set("sftp.host_key", json!("strict"));
    bad.run().exited_with(0);
    // With hashed names, OpenSSH's default on Debian.
    let hashed = Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(bad.path("known_hosts")).status().unwrap();
    assert!(hashed.success() && fs::read_to_string(bad.path("known_hosts")).unwrap().starts_with("|1|"));
    bad.run().exited_with(0);
}

#[test]
fn a_relative_directory_is_resolved_once_and_used_absolutely() {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = requests.clone();
    let record = move |operation: Operation<'_>| {
        seen.lock().unwrap().push(operation.what.to_owned());
        RequestFault::None
    };
    let mut bad = BadNight::with_sftp(|sftp| sftp.login_folder("home").on_operation(record));
    let elsewhere = bad.listing();
    let outside = bad.directory.clone();
    bad.directory = bad.path("sftp/home/archives");
    fs::create_dir_all(&bad.directory).unwrap();
    bad.run().exited_with(0);
    assert_eq!(bad.names(), [bad.archive_aged(0)]);
    bad.directory = outside;
    assert!(bad.listing() == elsewhere, "{:?}", bad.names());
    let requests = requests.lock().unwrap();
    let relative: Vec<_> = requests
        .iter()
        .filter(|what| what.split(' ').nth(1).is_some_and(|path| path.starts_with("archives")))
        .collect();
    // Before and after it was carried out.
    assert_eq!(relative, ["realpath archives"; 2]);
}

#[test]
fn a_server_that_does_not_resolve_paths_gets_the_archive() {
    for fault in [RequestFault::Status(StatusCode::OpUnsupported), RequestFault::Failure] {
        let refuse = move |operation: Operation<'_>| {
            if operation.what.starts_with("realpath ") { fault } else { RequestFault::None }
        };
        let bad = BadNight::with_sftp(|sftp| sftp.on_operation(refuse));
        bad.run().exited_with(0).logged("warnings 0");
        assert!(bad.is_delivered());
    }
}

#[test]
fn a_missing_directory_is_reported_as_configured() {
    let mut bad = BadNight::with_sftp(|sftp| sftp.login_folder("home"));
    fs::create_dir_all(bad.path("sftp/home")).unwrap();
    bad.set("sftp.directory", json!("missing"));
    bad.must_fail(&["sftp.directory \"missing\" does not exist on the server"]);
}

#[test]
fn a_server_that_closes_and_renames_slowly_gets_ten_times_the_time_limit() {
    let mut bad = BadNight::with_sftp(|sftp| {
        sftp.slow_close(Duration::from_millis(3_500)).slow_rename(Duration::from_millis(3_500))
    });
    bad.set("sftp.timeout_seconds", json!(2)).set("retry.attempts", json!(1));
    bad.run().exited_with(0).logged("warnings 0");
    assert!(bad.is_delivered());
    let outcome = bad.call("check", &[]);
    outcome.exited_with(0);
    assert!(outcome.stdout.contains("synced to the disk and renamed"), "{}", outcome.all());
}

#[test]
fn a_signal_ends_a_run_during_a_slow_rename() {
    let bad = BadNight::with_sftp(|sftp| sftp.slow_rename(Duration::from_secs(60)));
    let run = start(&bad);
    wait_until("the rename", || bad.sftp().operations().iter().any(|done| done.starts_with("rename")));
    signal_and_wait(&bad, run, Signal::TERM).exited_with(143);
}
