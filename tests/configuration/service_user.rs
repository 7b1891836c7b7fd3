//! The trust in files if the job runs as a service's user, and in this machine's known_hosts.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::fixture::PRIVATE_KEY;
use crate::trust::{OTHER_USER, mode, owner};

/// Runs `check` as a user without an account, in `group` only. All servers refuse the connection.
fn check_as_service(folder: &Path, group: u32) -> (Option<i32>, String) {
    let copy = folder.join("program");
    fs::copy(testkit::program(), &copy).unwrap();
    let mut check = Command::new(copy);
    check.args(["check", "--config"]).arg(folder.join("etc/config.json")).env("HOME", folder.join("home"));
    let output = check.env("TZ", "UTC").uid(OTHER_USER).gid(group).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// A folder that root has set up for a service's user: root owns everything, and the configuration has the service's group.
fn service() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    mode(folder.path(), 0o755);
    for name in ["etc", "home", "log"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    owner(&folder.path().join("log"), OTHER_USER);
    let value = json!({
        "source": {"url": "https://127.0.0.1:1/dump.zip", "dump": "dump.sql"},
        "sftp": {
            "host": "127.0.0.1", "port": 1, "username": "backup", "password": "sftp-secret", "directory": "in",
            "passphrase": {"file": "passphrase"}, "private_key": "key",
        },
        "log": {"file": folder.path().join("log/log.log")},
    });
    for (name, content) in [("config.json", value.to_string().as_str()), ("passphrase", "x"), ("key", PRIVATE_KEY)] {
        let path = folder.path().join("etc").join(name);
        fs::write(&path, content).unwrap();
        mode(&path, 0o640);
        chown(&path, None, Some(OTHER_USER)).unwrap();
    }
    folder
}

#[test]
fn a_service_user_trusts_roots_files_with_its_own_group() {
    let folder = service();
    let (code, reported) = check_as_service(folder.path(), OTHER_USER);
    assert_eq!(code, Some(4), "only the servers are missing: {reported}");

    let etc = folder.path().join("etc");
    mode(&etc.join("key"), 0o644);
    let (code, reported) = check_as_service(folder.path(), OTHER_USER);
    assert_eq!(code, Some(3), "{reported}");
    assert!(
        reported.contains("sftp.private_key") && reported.contains(&format!("chmod 640 {}/key", etc.display())),
        "{reported}"
    );
    mode(&etc.join("key"), 0o640);

    // This process is not in root's group.
    chown(etc.join("key"), None, Some(0)).unwrap();
    mode(&etc.join("key"), 0o644);
    let (_, reported) = check_as_service(folder.path(), OTHER_USER);
    assert!(reported.contains("chown 54321 ") && reported.contains("chmod 600"), "{reported}");
}

#[test]
fn a_service_user_refuses_files_of_a_third_user() {
    let folder = service();
    owner(&folder.path().join("etc/passphrase"), OTHER_USER + 1);
    let (code, reported) = check_as_service(folder.path(), OTHER_USER);
    assert_eq!(code, Some(3), "{reported}");
    assert!(reported.contains("sftp.passphrase") && reported.contains("belongs to user 54322"), "{reported}");

    let folder = service();
    owner(&folder.path().join("etc"), OTHER_USER + 1);
    let (code, reported) = check_as_service(folder.path(), OTHER_USER);
    assert_eq!(code, Some(3), "{reported}");
    assert!(reported.contains(&format!("chown root {}/etc", folder.path().display())), "{reported}");
}

#[test]
fn the_machines_known_hosts_are_judged_too() {
    let folder = service();
    let config = folder.path().join("etc/config.json");
    let script = "mount -t tmpfs -o mode=0755 tmpfs /etc/ssh && touch /etc/ssh/ssh_known_hosts && \
                  chmod \"$1\" /etc/ssh/ssh_known_hosts && exec \"$2\" check --config \"$3\"";
    for (bits, code) in [("0644", 4), ("0666", 3)] {
        let mut check = Command::new("unshare");
        check.args(["-m", "sh", "-c", script, "sh", bits]).arg(testkit::program()).arg(&config);
        owner(&folder.path().join("log"), 0);
        for name in ["config.json", "passphrase", "key"] {
            mode(&folder.path().join("etc").join(name), 0o600);
        }
        let output = check.env("HOME", folder.path().join("home")).output().unwrap();
        let reported = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{reported}");
        assert_eq!(
            reported.contains("sftp.known_hosts: /etc/ssh/ssh_known_hosts can be written"),
            code == 3,
            "{reported}"
        );
    }
}
