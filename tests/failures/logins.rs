//! SFTP servers that refuse the login, cannot be reached, or do not speak SFTP.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::json;
use testkit::Sshd;
use testkit::servers::listener::closed_address;
use testkit::sshd::generate;

use super::bad_night::{BadNight, PASSWORD};

#[test]
fn a_wrong_password_is_tried_once() {
    for interactive in [false, true] {
        let mut bad = BadNight::with_sftp(|sftp| if interactive { sftp.keyboard_interactive("x") } else { sftp });
        bad.set("sftp.password", json!("wr0ng-password"));
        let outcome =
            bad.must_fail(&["refused the login of \"backup\"", "sftp.password was refused; it was tried once"]);
        let attempts = bad.sftp().auth_attempts();
        assert_eq!(attempts.len(), 1, "{attempts:?}");
        assert_eq!((attempts[0].method, attempts[0].accepted), ("password", false));
        assert!(!outcome.all().contains("wr0ng-password"));
    }
}

#[test]
fn a_server_that_disconnects_on_a_wrong_password_gets_it_once() {
    let mut bad = BadNight::with_sshd(Sshd::start_with(&["ed25519"], "MaxAuthTries 1\nPasswordAuthentication yes"));
    bad.set("sftp.private_key", json!(null)).set("sftp.password", json!("wr0ng-password"));
    bad.set("retry.attempts", json!(3));
    let outcome =
        bad.must_fail(&["refused the login of", "sftp.password was offered, and the connection ended", "tried once"]);
    assert_eq!(bad.sshd.log().matches("Failed password").count(), 1, "{}", bad.sshd.log());
    assert!(!outcome.log.contains("trying again"), "{}", outcome.all());

    for interactive in [false, true] {
        let mut bad = BadNight::with_sftp(|sftp| {
            let sftp = if interactive { sftp.keyboard_interactive(PASSWORD) } else { sftp };
            sftp.disconnect_at_password(1..9)
        });
        bad.set("retry.attempts", json!(3));
        bad.must_fail(&["sftp.password was offered, and the connection ended, which counts as refused"]);
        assert_eq!(bad.sftp().auth_attempts().len(), 1, "{:?}", bad.sftp().auth_attempts());
        assert_eq!(bad.sftp().connections(), 1, "not even for the reports");
    }
}

#[test]
fn a_disconnect_at_login_after_an_accepted_password_is_retried() {
    // The second connection is opened in advance.
    let bad = BadNight::with_sftp(|sftp| sftp.disconnect_at_password(2..4));
    bad.run().exited_with(0).logged("trying again").logged("broke while logging in");
    assert!(bad.is_delivered());
}

#[test]
fn a_key_refused_by_openssh_is_offered_once() {
    let mut bad = BadNight::new();
    let key = bad.path("other_key");
    generate("ed25519", &key, "");
    bad.set("sftp.private_key", json!(key));
    let outcome = bad.must_fail(&["refused the login of", "other_key was refused", "authorized_keys"]);
    assert!(!outcome.log.contains("trying again"), "{}", outcome.all());
}

#[test]
fn a_wrong_passphrase_is_distinguished_from_a_refused_key() {
    let missing = ["cannot log in to 127.0.0.1", "locked) is encrypted, and sftp.passphrase is not set. Set it"];
    let wrong =
        ["cannot log in to 127.0.0.1", "locked) is encrypted, and sftp.passphrase is not its passphrase. Correct it"];
    for (passphrase, words) in [(json!("wr0ng-phrase"), wrong), (json!(null), missing)] {
        for kind in ["ed25519", "rsa"] {
            let mut bad = BadNight::new();
            let key = bad.path("locked");
            generate(kind, &key, "the right phrase");
            if kind == "rsa" {
                let mut change = Command::new("ssh-keygen");
                change.args(["-q", "-p", "-m", "PEM", "-P", "the right phrase", "-N", "the right phrase", "-f"]);
                assert!(change.arg(&key).status().unwrap().success());
            }
            bad.sshd.authorize(&key);
            bad.set("sftp.private_key", json!(key)).set("sftp.passphrase", passphrase.clone());
            let outcome = bad.must_fail(&words);
            assert!(!outcome.all().contains("wr0ng-phrase") && !outcome.all().contains("refused"), "{}", outcome.all());
            assert!(!bad.sshd.log().contains("Accepted"), "{}", bad.sshd.log());
        }
    }
}

#[test]
fn a_key_file_without_a_usable_key_is_reported_as_such() {
    for (content, words) in [
        (&b"just a text"[..], "is not a private key. Use a key"),
        (b"\xff\xfe", "is not a private key. Use a key"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "is not a private key"),
        (
            b"-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n",
            "is of a type that is not supported",
        ),
    ] {
        let mut bad = BadNight::new();
        let key = bad.path("no-key");
        fs::write(&key, content).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        bad.set("sftp.private_key", json!(key));
        let outcome = bad.must_fail(&["cannot log in to 127.0.0.1", words]);
        assert!(!outcome.all().contains("refused"), "{}", outcome.all());
    }
}

#[test]
fn a_key_that_the_server_does_not_trust_is_reported_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("open");
    let bad = BadNight::with_sshd(Sshd::start_with(
        &["ed25519"],
        &format!("StrictModes yes\nAuthorizedKeysFile {}", keys.display()),
    ));
    fs::copy(bad.sshd.user_key().with_extension("pub"), &keys).unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o666)).unwrap();
    bad.must_fail(&["refused the login of", "must belong to the user or root and be writable by nobody else"]);
    let bad = BadNight::with_sshd(Sshd::start_with(&["ed25519"], "AllowUsers nobody"));
    bad.must_fail(&["refused the login of", "the account must not be locked"]);
}

#[test]
fn a_session_that_ends_before_sftp_begins_is_reported_with_possible_causes() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let chroot = format!("ChrootDirectory {}", folder.path().display());
    for options in [&chroot, "ForceCommand /bin/false", "ForceCommand /no/such/sftp-server"] {
        let bad = BadNight::with_sshd(Sshd::start_with(&["ed25519"], options));
        let outcome =
            bad.must_fail(&["accepted the login of", "ended the session before SFTP began", "ChrootDirectory that"]);
        assert!(!outcome.all().contains("offers no SFTP") && !outcome.all().contains("Timeout"), "{}", outcome.all());
    }
    let bad = BadNight::with_sshd(Sshd::start_with(&["ed25519"], "ForceCommand /usr/sbin/nologin"));
    bad.must_fail(&[
        "accepted the login of",
        "did not answer with SFTP. Make sure that neither a login shell such as nologin",
    ]);
}

#[test]
fn a_missing_directory_is_not_created() {
    let mut bad = BadNight::new();
    let missing = bad.directory.join("TSE-INFORX");
    bad.set("sftp.directory", json!(missing));
    let outcome =
        bad.must_fail(&["TSE-INFORX", "does not exist on the server. Create it there, or correct the configuration"]);
    // The key is now in known_hosts, so later runs would not report it.
    outcome.logged("first contact: the host key SHA256:");
    assert!(outcome.stderr.contains("could not be listed (sftp.directory \""), "{}", outcome.all());
    assert!(!outcome.all().contains("connecting to the SFTP server failed"), "{}", outcome.all());
}

#[test]
fn a_file_as_directory_is_refused() {
    let mut bad = BadNight::new();
    let file = bad.directory.join(bad.archive_aged(1));
    bad.set("sftp.directory", json!(file));
    bad.must_fail(&["sftp.directory", "is not a folder on the server"]);
}

#[test]
fn a_server_without_sftp_is_reported_as_such() {
    let bad = BadNight::with_sftp(|sftp| sftp.without_sftp());
    bad.must_fail(&["accepted the login of", "offers no SFTP to that user. Enable the sftp subsystem"]);
}

#[test]
fn a_refused_connection_is_retried_and_then_reported() {
    let mut bad = BadNight::new();
    let free = closed_address().port();
    bad.set("sftp.port", json!(free));
    bad.must_fail(&[&format!("no connection to 127.0.0.1:{free}"), "sftp.port"]).logged("trying again");
}

#[test]
fn an_unknown_host_name_is_reported() {
    let mut bad = BadNight::new();
    bad.set("sftp.host", json!("no-such-host.invalid"));
    bad.must_fail(&["the name no-such-host.invalid cannot be resolved", "sftp.host"])
        .logged("trying again")
        .logged("(2 of 2)");
}

#[test]
fn a_server_that_does_not_speak_ssh_is_reported_as_such() {
    let mut bad = BadNight::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    bad.set("sftp.port", json!(listener.local_addr().unwrap().port()));
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        }
    });
    bad.must_fail(&["no SSH session with 127.0.0.1", "Check that sftp.host and sftp.port point to an SSH server"]);
}

#[test]
fn a_silent_server_fails_the_run_in_time() {
    let mut bad = BadNight::new();
    // The operating system accepts the connection, but no program replies.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    bad.set("sftp.port", json!(listener.local_addr().unwrap().port())).set("sftp.timeout_seconds", json!(1));
    let started = Instant::now();
    bad.must_fail(&["no SSH session with 127.0.0.1", "an SSH server that answers"]).logged("(2 of 2)");
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}
