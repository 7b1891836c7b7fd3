//! The SFTP server is not the one that is known: no credential reaches it.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::bad_night::BadNight;
use super::support::Sshd;
use super::support::servers::SshKey;

/// A night against the embedded server, with this known_hosts.
fn night_that_knows(known_hosts: impl FnOnce(&BadNight) -> String) -> BadNight {
    let bad = BadNight::with_sftp(|sftp| sftp);
    fs::write(bad.path("known_hosts"), known_hosts(&bad)).unwrap();
    bad
}

/// The night must fail without a login, and known_hosts must stay as it is.
#[track_caller]
fn must_refuse(bad: &BadNight, words: &[&str]) {
    let known_hosts = fs::read(bad.path("known_hosts")).ok();
    let ran = bad.must_fail(words);
    assert_eq!(bad.sftp().auth_attempts(), [], "no credential is sent");
    assert_eq!(fs::read(bad.path("known_hosts")).ok(), known_hosts);
    assert!(!ran.log.contains("trying again"), "{}", ran.all());
}

#[test]
fn a_changed_host_key_is_refused_with_both_fingerprints_and_the_command_that_accepts_it() {
    let old = SshKey::ed25519();
    let bad = night_that_knows(|bad| old.known_hosts_line("127.0.0.1", bad.sftp().port()) + "\n");
    let pattern = format!("[127.0.0.1]:{}", bad.sftp().port());
    must_refuse(
        &bad,
        &[
            "has CHANGED",
            &old.fingerprint(),
            &bad.sftp().fingerprint(),
            "Only if its administrator confirms the new key",
            &format!("ssh-keygen -R '{pattern}' -f"),
        ],
    );
}

#[test]
fn openssh_with_a_changed_host_key_gets_no_login() {
    let bad = BadNight::with_sshd(Sshd::start(&["ed25519"]));
    let old = SshKey::ed25519();
    fs::write(bad.path("known_hosts"), old.known_hosts_line("127.0.0.1", bad.sshd.port()) + "\n").unwrap();
    bad.must_fail(&["has CHANGED", &old.fingerprint(), &bad.sshd.fingerprint("ed25519")]);
    let log = bad.sshd.log();
    assert!(!log.contains("Accepted") && !log.contains("Failed") && !log.contains("publickey"), "{log}");
}

#[test]
fn the_command_that_the_refusal_names_accepts_the_new_key() {
    let old = SshKey::ed25519();
    let bad = night_that_knows(|bad| old.known_hosts_line("127.0.0.1", bad.sftp().port()) + "\n");
    let ran = bad.must_fail(&["has CHANGED"]);
    let error = ran.stderr.lines().find(|line| line.contains("has CHANGED")).unwrap();
    let command = &error[error.find("ssh-keygen").unwrap()..];
    let done = std::process::Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
    bad.run().ended_with(0);
}

#[test]
fn an_unknown_host_is_refused_where_the_policy_is_strict() {
    let mut bad = BadNight::with_sftp(|sftp| sftp);
    bad.set("sftp.host_key", json!("strict"));
    fs::write(bad.path("known_hosts"), "").unwrap();
    must_refuse(&bad, &["is not known", "\"strict\"", &bad.sftp().fingerprint(), "echo '"]);
}

#[test]
fn another_key_than_the_pinned_one_is_refused() {
    let other = SshKey::ed25519().fingerprint();
    let mut bad = BadNight::with_sftp(|sftp| sftp);
    bad.set("sftp.host_key", json!(other));
    must_refuse(&bad, &["is not the pinned one", &other, &bad.sftp().fingerprint(), "change sftp.host_key"]);
}

#[test]
fn a_revoked_key_is_refused_even_if_it_is_also_known() {
    let bad = night_that_knows(|bad| {
        let known = bad.sftp().known_hosts();
        format!("{known}@revoked * {}\n", bad.sftp().host_keys()[0].public_line())
    });
    must_refuse(&bad, &["is marked @revoked", "administrator"]);
}

#[test]
fn a_known_hosts_that_cannot_be_read_to_its_end_is_not_used() {
    for line in [b"host ssh-ed25519\n".as_slice(), b"h\xffst ssh-ed25519 AAAA\n"] {
        let bad = night_that_knows(|bad| bad.sftp().known_hosts());
        fs::write(bad.path("known_hosts"), [bad.sftp().known_hosts().as_bytes(), line].concat()).unwrap();
        must_refuse(&bad, &["known_hosts", "line 2 cannot be read. Correct it or remove it"]);
    }
}

#[test]
fn a_known_hosts_that_cannot_be_written_keeps_a_first_key_from_being_trusted() {
    let mut bad = BadNight::with_sftp(|sftp| sftp);
    // Not even root can make a file here.
    let known_hosts = Path::new("/proc/known_hosts");
    bad.set("sftp.known_hosts", json!(known_hosts));
    must_refuse(&bad, &["/proc/known_hosts", "cannot be added to it", "Make it writable"]);
}

#[test]
fn a_changed_host_key_of_another_type_is_told_in_the_same_words() {
    let old = SshKey::ecdsa();
    let bad = night_that_knows(|bad| old.known_hosts_line("127.0.0.1", bad.sftp().port()) + "\n");
    must_refuse(&bad, &["has CHANGED", &old.fingerprint(), &bad.sftp().fingerprint(), "ssh-keygen -R"]);
}
