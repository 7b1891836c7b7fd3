//! The SFTP server does not let us in, or is none.

use std::io::Write as _;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::bad_night::BadNight;
use super::support::Sshd;
use super::support::sshd::generate;

#[test]
fn a_wrong_password_is_tried_once() {
    for interactive in [false, true] {
        let mut bad = BadNight::with_sftp(|sftp| if interactive { sftp.keyboard_interactive("x") } else { sftp });
        bad.set("sftp.password", json!("wr0ng-password"));
        let ran = bad.must_fail(&["refused the login of \"backup\"", "sftp.password was refused; it was tried once"]);
        let attempts = bad.sftp().auth_attempts();
        assert_eq!(attempts.len(), 1, "{attempts:?}");
        assert_eq!((attempts[0].method, attempts[0].accepted), ("password", false));
        assert!(!ran.all().contains("wr0ng-password"));
    }
}

#[test]
fn openssh_refuses_a_key_that_it_does_not_know_once() {
    let mut bad = BadNight::new();
    let key = bad.path("stranger");
    generate("ed25519", &key, "");
    bad.set("sftp.private_key", json!(key));
    let ran = bad.must_fail(&["refused the login of", "stranger was refused", "authorized_keys"]);
    assert!(!ran.log.contains("trying again"), "{}", ran.all());
}

#[test]
fn a_wrong_passphrase_is_told_apart_from_a_refused_key() {
    for passphrase in [json!("wr0ng-phrase"), json!(null)] {
        let mut bad = BadNight::new();
        let key = bad.path("locked");
        generate("ed25519", &key, "the right phrase");
        bad.sshd.authorize(&key);
        bad.set("sftp.private_key", json!(key)).set("sftp.passphrase", passphrase);
        let ran = bad.must_fail(&["locked) cannot be used", "sftp.passphrase"]);
        assert!(!ran.all().contains("wr0ng-phrase"));
        assert!(!bad.sshd.log().contains("Accepted"), "{}", bad.sshd.log());
    }
}

#[test]
fn a_missing_directory_is_not_made() {
    let mut bad = BadNight::new();
    let missing = bad.directory.join("TSE-INFORX");
    bad.set("sftp.directory", json!(missing));
    bad.must_fail(&["TSE-INFORX", "does not exist on the server. Create it there, or correct the configuration"]);
}

#[test]
fn a_file_is_no_directory() {
    let mut bad = BadNight::new();
    let file = bad.directory.join(bad.archive_of(1));
    bad.set("sftp.directory", json!(file));
    bad.must_fail(&["sftp.directory", "is not a folder on the server"]);
}

#[test]
fn a_server_without_sftp_says_so() {
    BadNight::with_sftp(|sftp| sftp.without_sftp()).must_fail(&["offers no SFTP. Enable its sftp subsystem"]);
    let bad = BadNight::with_sshd(Sshd::start_with(&["ed25519"], "ForceCommand /bin/false"));
    bad.must_fail(&["offers no SFTP. Enable its sftp subsystem"]);
}

#[test]
fn no_connection_is_tried_again_and_then_told() {
    let mut bad = BadNight::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    bad.set("sftp.port", json!(free));
    bad.must_fail(&[&format!("no connection to 127.0.0.1:{free}"), "sftp.port"]).told("trying again");
}

#[test]
fn an_unknown_name_is_told() {
    let mut bad = BadNight::new();
    bad.set("sftp.host", json!("no-such-host.invalid"));
    bad.must_fail(&["the name no-such-host.invalid cannot be resolved", "sftp.host"])
        .told("trying again")
        .told("(2 of 2)");
}

#[test]
fn what_does_not_speak_ssh_is_told_as_such() {
    let mut bad = BadNight::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    bad.set("sftp.port", json!(listener.local_addr().unwrap().port()));
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        }
    });
    bad.must_fail(&["no SSH session with 127.0.0.1", "Check that sftp.host and sftp.port are those of an SSH server"]);
}

#[test]
fn a_silent_server_is_given_up_in_time() {
    let mut bad = BadNight::new();
    // The system takes the connection; nobody answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    bad.set("sftp.port", json!(listener.local_addr().unwrap().port())).set("sftp.timeout_seconds", json!(1));
    let begun = Instant::now();
    bad.must_fail(&["no SSH session with 127.0.0.1", "an SSH server that answers"]).told("(2 of 2)");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}
