//! known_hosts is interpreted as by OpenSSH: the same lines match, and the same servers are accepted. The table shows where
//! and why this program is stricter.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use proptest::prelude::*;
use scripting_system::rules::known_hosts::{HostName, Line, parse};
use serde_json::json;
use sha1::Sha1;
use testkit::{Setup, Sshd};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA2uJxnKE9KA8ZJYtEeXrI9zL5gN1oQ9DXaHrzWyxKPx";

/// Hosts to look up, also used to generate lines.
const HOSTS: [(&str, u16); 12] = [
    ("backup.example.org", 22),
    ("backup.example.org", 2222),
    ("backup", 22),
    ("b", 22),
    ("localhost", 2222),
    ("127.0.0.1", 22),
    ("127.0.0.1", 40022),
    ("192.0.2.77", 22),
    ("::1", 22),
    ("::1", 2222),
    ("2001:db8::7", 23),
    ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaab", 22),
];

/// `name` as `HashKnownHosts` writes it.
fn hashed(name: &str, salt: [u8; 20]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(&salt).unwrap();
    mac.update(name.as_bytes());
    format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(mac.finalize().into_bytes()))
}

fn pick<'a, T: ?Sized>(random: &mut fastrand::Rng, choices: &[&'a T]) -> &'a T {
    choices[random.usize(..choices.len())]
}

/// A name that matches or nearly matches one of the hosts.
fn name(random: &mut fastrand::Rng) -> String {
    let (host, port) = HOSTS[random.usize(..HOSTS.len())];
    match random.u8(..4) {
        0 => host.to_owned(),
        1 => format!("[{host}]:{}", random.choice([22, 23, 2222, 40022]).unwrap()),
        _ => HostName::new(host, port).pattern(),
    }
}

/// A pattern that matches or nearly matches one of the hosts.
fn pattern(random: &mut fastrand::Rng) -> String {
    let mut pattern: Vec<char> = name(random).chars().collect();
    for _ in 0..random.usize(..4) {
        if pattern.is_empty() {
            break;
        }
        let at = random.usize(..pattern.len());
        match random.u8(..8) {
            0 => pattern[at] = '?',
            1 => pattern.insert(at, '*'),
            2 => pattern.truncate(at),
            3 => pattern.extend(['*', '?'].iter().take(random.usize(1..=2))),
            4 => drop(pattern.splice(at.., ['*'])),
            5 => drop(pattern.splice(..at, ['*'])),
            6 => pattern[at] = pattern[at].to_ascii_uppercase(),
            _ => drop(pattern.remove(at)),
        }
    }
    let negated = if random.u8(..6) == 0 { "!" } else { "" };
    negated.chars().chain(pattern).collect()
}

fn generated_line(random: &mut fastrand::Rng) -> String {
    let names = match random.u8(..10) {
        0 | 1 => {
            let name = name(random);
            hashed(&name, std::array::from_fn(|_| random.u8(..)))
        }
        2 => pick(random, &["*", "!*", "*,!b", ",", "!", "?", "[*]:*", "*:*", "|", "#", "@", "[::1]:*,"]).to_owned(),
        count => (2..count.max(4)).map(|_| pattern(random)).collect::<Vec<_>>().join(pick(random, &[",", ",", ",,"])),
    };
    let space = pick(random, &[" ", " ", "\t", "  "]);
    let marker = if random.u8(..8) == 0 { pick(random, &["@revoked ", "@cert-authority "]) } else { "" };
    let before = pick(random, &["", "", "", " ", "\t"]);
    format!("{before}{marker}{names}{space}{KEY}{}", pick(random, &["", " comment", "\r", " # *"]))
}

/// The line numbers in `file` that `ssh-keygen -F` finds for `pattern`.
fn found_by_openssh(file: &Path, pattern: &str) -> BTreeSet<usize> {
    let output = Command::new("ssh-keygen").args(["-F", pattern, "-f"]).arg(file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text.lines().filter_map(|line| line.strip_prefix("# Host ")?.split_once(" found: line "));
    found.map(|(_, number)| number.split(' ').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn the_same_lines_match_a_host_as_in_ssh_keygen() {
    let mut random = fastrand::Rng::with_seed(35_739);
    let lines: Vec<String> = (0..10_000).map(|_| generated_line(&mut random)).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known_hosts");
    fs::write(&file, lines.join("\n") + "\n").unwrap();
    let mut matches = 0;
    for (host, port) in HOSTS {
        let name = HostName::new(&host.to_uppercase(), port);
        let expected = found_by_openssh(&file, &name.pattern());
        for (number, line) in (1..).zip(&lines) {
            let is_found = expected.contains(&number);
            matches += usize::from(is_found);
            let parsed = parse(line.as_bytes(), &name);
            let agrees = match &parsed {
                Line::Key(entry) => is_found != entry.lacks_port,
                Line::Unrelated => !is_found,
                // The program refuses such a file, so that no line is overlooked.
                Line::Malformed { may_match } => *may_match,
            };
            assert!(agrees, "{host} port {port}, found by ssh-keygen: {is_found}, here: {parsed:?}\n{line}");
        }
    }
    let malformed =
        lines.iter().filter(|line| matches!(parse(line.as_bytes(), &HostName::new("x", 22)), Line::Malformed { .. }));
    assert!(malformed.count() < 400, "most lines must be well-formed");
    assert!(matches > 10_000, "too few matches: {matches}");
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Expected {
    Accept,
    Refuse,
    /// OpenSSH accepts the server, this program refuses it.
    Stricter,
}
use Expected::{Accept, Refuse, Stricter};

/// Files of known_hosts for 127.0.0.1 on port `{p}`: `{k}` is the server's Ed25519 key, `{r}` its RSA key, `{o}` another
/// key; `{h:NAME}` is the hashed name.
const FILES: &[(&str, Expected)] = &[
    ("", Refuse),
    ("# [127.0.0.1]:{p} {k}\n", Refuse),
    ("[127.0.0.1]:{p} {k}\n", Accept),
    ("[127.0.0.1]:{p} {r}\n", Accept),
    ("[127.0.0.1]:{p} {k}", Accept),
    ("[127.0.0.1]:{p} {k}\r\n", Accept),
    ("  \t[127.0.0.1]:{p}\t{k} comment\n", Accept),
    ("[127.0.0.1]:{p} {o}\n", Refuse),
    ("[127.0.0.1]:{p} {o}\n[127.0.0.1]:{p} {k}\n", Accept),
    ("[127.0.0.1]:{p} {k}\n[127.0.0.1]:{p} {o}\n", Accept),
    ("[127.0.0.*]:{p} {k}\n", Accept),
    ("[127.0.0.*]:{p} {o}\n", Refuse),
    ("[127.0.0.?]:{p} {k}\n", Accept),
    ("[127.0.0.??]:{p} {k}\n", Refuse),
    ("[127.*]:* {k}\n", Accept),
    ("*:{p} {k}\n", Accept),
    ("* {k}\n", Accept),
    ("* {o}\n", Refuse),
    ("[*]:*,![127.0.0.1]:{p} {k}\n", Refuse),
    ("![127.0.0.1]:*,[*]:{p} {k}\n", Refuse),
    ("*,!*.0.0.1* {k}\n", Refuse),
    // The name without its port is not negated.
    ("*,![127.0.0.1]:{p} {k}\n", Accept),
    ("!127.0.0.2,[127.0.0.1]:{p} {k}\n", Accept),
    ("!* {k}\n", Refuse),
    ("backup.example,[127.0.0.1]:{p},[::1]:{p} {k}\n", Accept),
    ("backup.example,,[127.0.0.1]:{p} {k}\n", Accept),
    ("backup.example, [127.0.0.1]:{p} {k}\n", Refuse),
    // An entry without port accepts a key but does not bind the server to it.
    ("127.0.0.1 {k}\n", Accept),
    ("127.0.0.* {k}\n", Accept),
    ("127.0.0.1 {o}\n", Refuse),
    ("127.0.0.1 {k}\n[127.0.0.1]:{p} {o}\n", Refuse),
    ("127.0.0.1 {o}\n[127.0.0.1]:{p} {k}\n", Accept),
    ("[127.0.0.1]:22 {k}\n", Refuse),
    ("{h:[127.0.0.1]:{p}} {k}\n", Accept),
    ("{h:[127.0.0.1]:{p}} {o}\n", Refuse),
    ("{h:127.0.0.1} {k}\n", Accept),
    ("{h:127.0.0.2} {k}\n", Refuse),
    ("{h:[127.0.0.*]:{p}} {k}\n", Refuse),
    ("@revoked * {k}\n[127.0.0.1]:{p} {k}\n", Refuse),
    ("[127.0.0.1]:{p} {k}\n@revoked [127.0.0.1]:{p} {k}\n", Refuse),
    ("@revoked {h:[127.0.0.1]:{p}} {k}\n[127.0.0.1]:{p} {k}\n", Refuse),
    ("@revoked backup.example {k}\n[127.0.0.1]:{p} {k}\n", Accept),
    ("@revoked * {o}\n[127.0.0.1]:{p} {k}\n", Accept),
    ("@revoked * {k}\n[127.0.0.1]:{p} {r}\n", Accept),
    ("@cert-authority * {k}\n", Refuse),
    ("@cert-authority * {o}\n[127.0.0.1]:{p} {k}\n", Accept),
    // Malformed lines about other hosts.
    ("backup.example ssh-ed25519\n[127.0.0.1]:{p} {k}\n", Accept),
    ("backup.example ssh-ed25519 AAAA\n[127.0.0.1]:{p} {k}\n", Accept),
    ("backup.ex\u{0}ample {k}\n[127.0.0.1]:{p} {k}\n", Accept),
    ("[127.0.0.1]:{p} {k}\n<<<<<<< HEAD\n", Accept),
    // A malformed line that may be about this host may revoke the key or name another one.
    ("[127.0.0.1]:{p} ssh-ed25519\n[127.0.0.1]:{p} {k}\n", Stricter),
    ("[127.0.0.1]:{p} {k}\n[127.0.0.*]:{p} ssh-ed25519 AAAA\n", Stricter),
    ("127.0.0.1\n[127.0.0.1]:{p} {k}\n", Stricter),
    ("[127.0.0.1]:{p} {k}\n127.\u{1}.0.1 {o}\n", Stricter),
    ("[127.0.0.1]:{p} {k}\n[127.0.0.1]:{p} 2048 35 1234567\n", Stricter),
    // The stated type is not the key's type.
    ("[127.0.0.1]:{p} {k}\n[127.0.0.1]:{p} ssh-rsa {K}\n", Stricter),
    // A malformed hash may be about any host.
    ("|1|AAAA|BBBB {k}\n[127.0.0.1]:{p} {k}\n", Stricter),
    ("|2|AAAA|BBBB {k}\n[127.0.0.1]:{p} {k}\n", Stricter),
    ("{h:backup.example}x {k}\n[127.0.0.1]:{p} {k}\n", Stricter),
    // So may a line with an incomplete marker.
    ("@revoke * {k}\n[127.0.0.1]:{p} {k}\n", Stricter),
    ("@revoked {k}\n[127.0.0.1]:{p} {k}\n", Stricter),
    ("@revoked\n[127.0.0.1]:{p} {k}\n", Stricter),
    ("@revoked @revoked * {k}\n[127.0.0.1]:{p} {k}\n", Stricter),
    // Revoked for the host, whatever its port.
    ("@revoked 127.0.0.1 {k}\n[127.0.0.1]:{p} {k}\n", Stricter),
];

fn fill_in(template: &str, sshd: &Sshd) -> String {
    let port = sshd.port().to_string();
    let mut text = template.replace("{p}", &port).replace("{k}", &sshd.host_key("ed25519"));
    text = text.replace("{r}", &sshd.host_key("rsa")).replace("{o}", KEY);
    text = text.replace("{K}", sshd.host_key("ed25519").split_once(' ').unwrap().1);
    while let Some((before, rest)) = text.split_once("{h:") {
        let (name, after) = rest.split_once('}').unwrap();
        text = format!("{before}{}{after}", hashed(name, [7; 20]));
    }
    text
}

fn openssh_accepts(sshd: &Sshd, host: &str, known_hosts: &Path) -> bool {
    let mut command = Command::new("ssh");
    for option in [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "GlobalKnownHostsFile=/dev/null",
        "IdentitiesOnly=yes",
        &format!("UserKnownHostsFile={}", known_hosts.display()),
    ] {
        command.args(["-o", option]);
    }
    command.args(["-F", "/dev/null", "-p", &sshd.port().to_string(), "-i"]).arg(sshd.user_key()).args([host, "exit 0"]);
    command.stdin(Stdio::null()).output().expect("ssh is missing: install openssh-client").status.success()
}

#[test]
fn servers_are_accepted_as_by_ssh() {
    let mut setup = Setup::with_sshd(Sshd::start(&["ed25519", "rsa"]));
    setup.set("sftp.host_key", json!("strict"));
    let file = setup.path("known_hosts");
    let mut wrong = String::new();
    for (template, expected) in FILES {
        fs::write(&file, fill_in(template, &setup.sshd)).unwrap();
        let ssh = openssh_accepts(&setup.sshd, "127.0.0.1", &file);
        let outcome = setup.call("list", &[]);
        assert!([0, 4].contains(&outcome.code), "{template:?}: {}", outcome.all());
        let actual = match (ssh, outcome.code == 0) {
            (true, true) => Accept,
            (false, false) => Refuse,
            (true, false) => Stricter,
            (false, true) => panic!("{template:?} is accepted here, but not by ssh"),
        };
        if actual != *expected {
            writeln!(wrong, "{template:?} expected {expected:?}, got {actual:?}: {}", outcome.stderr).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(FILES.iter().filter(|(_, expected)| *expected != Stricter).count() >= 40);
}

#[test]
fn host_names_are_compared_in_lower_case_as_in_ssh() {
    let mut setup = Setup::with_sshd(Sshd::start(&["ed25519", "rsa"]));
    setup.set("sftp.host_key", json!("strict"));
    let file = setup.path("known_hosts");
    for (host, name, is_known) in [
        ("LocalHost", "[localhost]:{p} {k}", true),
        ("localhost", "[LOCALHOST]:{p} {k}", true),
        ("localhost", "[LOCAL*]:{p} {k}", true),
        ("LOCALHOST", "{h:[localhost]:{p}} {k}", true),
        // Hashes are made of the name in lower case.
        ("localhost", "{h:[LOCALHOST]:{p}} {k}", false),
        ("localhost", "[LOCALHOST]:{p} {o}", false),
        ("localhost", "[127.0.0.1]:{p} {k}", false),
    ] {
        fs::write(&file, fill_in(name, &setup.sshd) + "\n").unwrap();
        setup.set("sftp.host", json!(host));
        assert_eq!(openssh_accepts(&setup.sshd, host, &file), is_known, "ssh, {host}, {name}");
        setup.call("list", &[]).exited_with(if is_known { 0 } else { 4 });
    }
}

proptest! {
    #[test]
    fn any_line_is_parsed_without_a_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
        parse(&line, &HostName::new("host", 22));
    }

    #[test]
    fn any_text_like_a_line_is_parsed_without_a_panic(line in "(@revoked |@cert-authority |\\|1\\|)?[a-z*,\\[\\]:!|=]{0,20} ssh-[a-z0-9]{1,8} [A-Za-z0-9+/]{0,40}={0,2}( .{0,10})?") {
        parse(line.as_bytes(), &HostName::new("host", 2222));
    }
}
