//! Untrusted host keys: the server gets no credential.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use testkit::servers::SshKey;
use testkit::servers::sftp::Builder as SftpBuilder;
use testkit::{Outcome, Sshd};

use super::bad_night::BadNight;

fn job_with_known_hosts(known_hosts: impl FnOnce(&BadNight) -> String) -> BadNight {
    let bad = BadNight::with_sftp(|sftp| sftp);
    fs::write(bad.path("known_hosts"), known_hosts(&bad)).unwrap();
    bad
}

/// Asserts that the run fails without a login and does not change known_hosts.
#[track_caller]
fn must_refuse(bad: &BadNight, words: &[&str]) {
    let known_hosts = fs::read(bad.path("known_hosts")).ok();
    let outcome = bad.must_fail(words);
    assert_eq!(bad.sftp().auth_attempts(), [], "no credential is sent");
    assert_eq!(fs::read(bad.path("known_hosts")).ok(), known_hosts);
    assert!(!outcome.log.contains("trying again"), "{}", outcome.all());
}

#[test]
fn a_changed_host_key_is_refused_with_both_fingerprints_and_the_command_that_accepts_it() {
    let old = SshKey::ed25519();
    let bad = job_with_known_hosts(|bad| old.known_hosts_line("127.0.0.1", bad.sftp().port()) + "\n");
    let pattern = format!("[127.0.0.1]:{}", bad.sftp().port());
    must_refuse(
        &bad,
        &[
            "has CHANGED",
            &old.fingerprint(),
            &bad.sftp().fingerprint(),
            "Only if the server's administrator confirms the new key",
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
fn the_suggested_command_accepts_the_new_key() {
    let old = SshKey::ed25519();
    let bad = job_with_known_hosts(|bad| old.known_hosts_line("127.0.0.1", bad.sftp().port()) + "\n");
    let outcome = bad.must_fail(&["has CHANGED"]);
    let error = outcome.stderr.lines().find(|line| line.contains("ssh-keygen")).unwrap();
    let command = &error[error.find("ssh-keygen").unwrap()..];
    let output = std::process::Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    bad.run().exited_with(0);
}

#[test]
fn an_unknown_host_is_refused_if_the_policy_is_strict() {
    let mut bad = BadNight::with_sftp(|sftp| sftp);
    bad.set("sftp.host_key", json!("strict"));
    fs::write(bad.path("known_hosts"), "").unwrap();
    must_refuse(&bad, &["is not known", "\"strict\"", &bad.sftp().fingerprint(), "echo '"]);
}

#[test]
fn a_key_other_than_the_pinned_one_is_refused() {
    let other = SshKey::ed25519().fingerprint();
    let mut bad = BadNight::with_sftp(|sftp| sftp);
    bad.set("sftp.host_key", json!(other));
    must_refuse(&bad, &["is not the pinned one", &other, &bad.sftp().fingerprint(), "change sftp.host_key"]);
}

#[test]
fn a_revoked_key_is_refused_even_if_it_is_also_known() {
    let bad = job_with_known_hosts(|bad| {
        let known = bad.sftp().known_hosts();
        format!("{known}@revoked * {}\n", bad.sftp().host_keys()[0].public_line())
    });
    must_refuse(&bad, &["is marked @revoked", "administrator"]);
    let mut bad = bad;
    let pin = bad.sftp().fingerprint();
    bad.set("sftp.host_key", json!(pin));
    must_refuse(&bad, &["is marked @revoked"]);
}

#[test]
fn a_malformed_line_about_the_host_is_fatal_and_others_are_skipped() {
    for line in [b"[127.0.0.*]:* ssh-ed25519\n".as_slice(), b"127.0.\xff.1 ssh-ed25519 AAAA\n", b"|1|AAAA|AAAA x y\n"] {
        let bad = job_with_known_hosts(|bad| bad.sftp().known_hosts());
        fs::write(bad.path("known_hosts"), [bad.sftp().known_hosts().as_bytes(), line].concat()).unwrap();
        must_refuse(
            &bad,
            &["known_hosts", "line 2 cannot be read, and may be about [127.0.0.1]:", "Correct it or remove"],
        );
    }
    let bad = job_with_known_hosts(|bad| format!("host ssh-ed25519\n{}", bad.sftp().known_hosts()));
    fs::write(bad.path("known_hosts"), [bad.sftp().known_hosts().as_bytes(), b"h\xffst ssh-ed25519 AAAA\n"].concat())
        .unwrap();
    bad.run().exited_with(0).logged("1 malformed line(s) about other hosts skipped, the first is line 2");
}

/// Names in known_hosts that match the server at localhost. The last one will be hashed.
const NAMES: [&str; 6] = [
    "[local*]:{p}",
    "[localhos?]:{p}",
    "*,!other",
    "[LOCALHOST]:{p}",
    "backup.example,[localhost]:{p}",
    "[localhost]:{p}",
];

/// Hashes the names in known_hosts, as OpenSSH does on Debian.
fn hash_names(bad: &BadNight) {
    let hashed = Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(bad.path("known_hosts")).status().unwrap();
    assert!(hashed.success() && fs::read_to_string(bad.path("known_hosts")).unwrap().starts_with("|1|"));
}

#[test]
fn a_changed_key_is_detected_under_any_name_of_the_host() {
    let old = SshKey::ed25519().public_line();
    let mut bad = BadNight::with_sftp(|sftp| sftp);
    let correct = bad.sftp().host_keys()[0].public_line();
    bad.set("sftp.host", json!("localhost"));
    for template in NAMES {
        let name = template.replace("{p}", &bad.sftp().port().to_string());
        let is_hashed = NAMES.last() == Some(&template);
        for policy in ["accept-new", "strict"] {
            bad.set("sftp.host_key", json!(policy));
            fs::write(bad.path("known_hosts"), format!("{name} {old}\n")).unwrap();
            if is_hashed {
                hash_names(&bad);
            }
            let before = bad.sftp().auth_attempts().len();
            bad.must_fail(&["has CHANGED", "known_hosts line 1 has SHA256:", &bad.sftp().fingerprint()]);
            assert_eq!(bad.sftp().auth_attempts().len(), before, "{name}: a credential was sent");
        }
        let file = format!("{name} {correct}\n");
        fs::write(bad.path("known_hosts"), &file).unwrap();
        if is_hashed {
            hash_names(&bad);
        }
        bad.call("list", &[]).exited_with(0);
        if !is_hashed {
            assert_eq!(fs::read_to_string(bad.path("known_hosts")).unwrap(), file);
        }
    }
}

/// Runs the program in a mount namespace in which /etc/ssh contains only `known_hosts`.
fn run_with_system_known_hosts(bad: &BadNight, known_hosts: &str) -> Outcome {
    fs::write(bad.path("system"), known_hosts).unwrap();
    let program = bad.command();
    let script = "mount -t tmpfs tmpfs /etc/ssh && cp \"$0\" /etc/ssh/ssh_known_hosts && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(bad.path("system"));
    command.arg(program.get_program()).args(program.get_args()).env("TZ", "UTC").env_remove("SSH_AUTH_SOCK");
    bad.outcome(command.output().unwrap())
}

#[test]
fn the_systems_known_hosts_is_read_and_never_written() {
    assert!(rustix::process::geteuid().is_root(), "this test mounts a file system: run the tests as root");
    let mut bad = BadNight::with_sftp(|sftp| sftp);
    let (correct, old) = (bad.sftp().known_hosts(), SshKey::ed25519().known_hosts_line("127.0.0.1", bad.sftp().port()));
    let outcome = run_with_system_known_hosts(&bad, &(old + "\n"));
    outcome.exited_with(4).logged("has CHANGED: /etc/ssh/ssh_known_hosts line 1 has SHA256:");
    let revoked = format!("{correct}@revoked * {}\n", bad.sftp().host_keys()[0].public_line());
    run_with_system_known_hosts(&bad, &revoked)
        .exited_with(4)
        .logged("is marked @revoked in /etc/ssh/ssh_known_hosts line 2");
    assert_eq!(bad.sftp().auth_attempts(), [], "no credential is sent");
    assert!(!bad.path("known_hosts").exists());

    fs::write(bad.path("known_hosts"), "").unwrap();
    bad.set("sftp.host_key", json!("strict"));
    run_with_system_known_hosts(&bad, &correct).exited_with(0);
    assert_eq!(fs::read_to_string(bad.path("known_hosts")).unwrap(), "");
}

#[test]
fn a_host_known_only_by_an_authority_is_refused_with_the_reason() {
    let bad = job_with_known_hosts(|bad| format!("@cert-authority * {}\n", bad.sftp().host_keys()[0].public_line()));
    must_refuse(&bad, &["known_hosts line 1 has a @cert-authority for it, but host certificates are not supported"]);
}

#[test]
fn a_first_key_is_not_trusted_if_known_hosts_cannot_be_written() {
    let mut bad = BadNight::with_sftp(|sftp| sftp);
    // Not even root can create a file in /proc.
    let known_hosts = Path::new("/proc/known_hosts");
    bad.set("sftp.known_hosts", json!(known_hosts));
    must_refuse(&bad, &["/proc/known_hosts", "cannot be added to it", "Make it writable"]);
}

#[test]
fn a_changed_host_key_of_another_type_is_reported_in_the_same_way() {
    let old = SshKey::ecdsa();
    let bad = job_with_known_hosts(|bad| old.known_hosts_line("127.0.0.1", bad.sftp().port()) + "\n");
    must_refuse(&bad, &["has CHANGED", &old.fingerprint(), &bad.sftp().fingerprint(), "ssh-keygen -R"]);
}

#[test]
fn a_known_hosts_that_is_a_pipe_does_not_block_the_run() {
    let mut bad = BadNight::new();
    let pipe = bad.path("known_hosts");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    for policy in ["accept-new", "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        bad.set("sftp.host_key", json!(policy));
        let outcome = bad.run();
        assert!([3, 4].contains(&outcome.code) && outcome.stderr.contains("not a regular file"), "{}", outcome.all());
    }
}

#[test]
fn the_pinned_key_is_found_with_as_few_handshakes_as_possible() {
    let keys = || [SshKey::ed25519(), SshKey::ecdsa(), SshKey::rsa()];
    let connections = |served: &[SshKey], pin: &SshKey, code| {
        let mut bad = BadNight::with_sftp(|sftp| served.iter().cloned().fold(sftp, SftpBuilder::host_key));
        bad.set("sftp.host_key", json!(pin.fingerprint()));
        let outcome = bad.call("list", &[]);
        outcome.exited_with(code);
        if code != 0 {
            let all = outcome.all();
            assert!(all.contains("is not the pinned one") && all.contains(&pin.fingerprint()), "{all}");
            assert!(served.iter().any(|key| all.contains(&key.fingerprint())), "{all}");
            assert_eq!(bad.sftp().auth_attempts(), [], "no credential is sent");
        }
        bad.sftp().connections()
    };
    for key in keys() {
        assert_eq!(connections(std::slice::from_ref(&key), &key, 0), 1);
        // The second handshake shows that the server has no other key.
        assert_eq!(connections(&[key], &SshKey::ed25519(), 4), 2);
    }
    let served = keys();
    for (number, key) in served.iter().enumerate() {
        assert_eq!(connections(&served, key, 0), number as u64 + 1);
    }
    assert_eq!(connections(&served, &SshKey::rsa(), 4), 4);
}

#[test]
fn openssh_with_several_keys_is_refused_if_none_is_pinned() {
    let mut bad = BadNight::with_sshd(Sshd::start(&["rsa", "ecdsa", "ed25519"]));
    bad.set("sftp.host_key", json!(SshKey::rsa().fingerprint()));
    bad.must_fail(&["is not the pinned one"]);
    let log = bad.sshd.log();
    assert!(!log.contains("Accepted") && !log.contains("Failed") && !log.contains("publickey"), "{log}");
}
