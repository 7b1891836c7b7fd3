//! `check`: whether tonight's run will work, told step by step, with nothing sent or changed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod configuration;
mod other_pattern;
mod reports;
mod sftp;
mod signals;
mod source;
mod well;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::json;
use testkit::{Night, Outcome};

/// A good night that stays one when the clock passes midnight between the dump and the check, on a server whose host
/// key is known.
fn prepare(night: &mut Night) {
    night.set("source.max_age_days", json!(1));
}

/// A good night on OpenSSH, which knows its host key.
fn night() -> Night {
    let mut night = Night::new();
    prepare(&mut night);
    fs::write(night.path("known_hosts"), night.sshd.known_hosts_line("ed25519")).unwrap();
    night
}

/// Does the check.
fn check(night: &Night) -> Outcome {
    night.call("check", &[])
}

/// The check must end with `code`.
#[track_caller]
fn must_end_with(night: &Night, code: i32) -> Outcome {
    let outcome = check(night);
    outcome.exited_with(code);
    outcome
}

/// The check must fail with a ✗ at each of `whats` and nowhere else, each with its words, and must still come to its end.
#[track_caller]
fn must_fail(night: &Night, faults: &[(&str, &[&str])]) -> Outcome {
    let outcome = must_end_with(night, 4);
    let crosses: Vec<&str> = outcome.stdout.lines().filter(|line| line.starts_with("  ✗ ")).collect();
    assert_eq!(crosses.len(), faults.len(), "{}", outcome.all());
    for (line, (what, words)) in crosses.iter().zip(faults) {
        assert!(line.starts_with(&format!("  ✗ {what} ")), "no ✗ at {what}: {}", outcome.all());
        for word in *words {
            assert!(line.contains(word), "{word:?} is not told: {}", outcome.all());
        }
    }
    for heading in ["Configuration", "Source", "Dump", "SFTP", "Reports"] {
        assert!(outcome.stdout.lines().any(|line| line == heading), "{heading} is left out: {}", outcome.all());
    }
    outcome
}

/// What is told, without what differs from day to day and from machine to machine.
fn scrubbed(night: &Night, outcome: &Outcome) -> String {
    let mut text = outcome.stdout.clone();
    let keys = night.sshd.user_key();
    let user = night.config["sftp"]["username"].as_str().unwrap();
    let server = night.config["sftp"]["port"].to_string();
    for (from, to) in [
        (night.sshd.directory.to_string_lossy().into_owned(), "[directory]"),
        (keys.parent().unwrap().to_string_lossy().into_owned(), "[sshd]"),
        (night.path("").to_string_lossy().trim_end_matches('/').to_owned(), "[night]"),
        (night.archive_name(), "[archive].tgz"),
        (format!("{user}, with"), "[user], with"),
        (format!("port {server} "), "port [sftp] "),
        (format!(":{server} "), ":[sftp] "),
        (format!("login of \"{user}\""), "login of \"[user]\""),
        (format!("port {} ", night.web.port()), "port [web] "),
        (format!(":{}/", night.web.port()), ":[web]/"),
        (format!(":{} ", night.mail.port()), ":[mail] "),
    ] {
        text = text.replace(&from, to);
    }
    for (start, end) in [
        ("good until ", " more"),
        ("modified ", ": a run"),
        ("round trip of ", " ms"),
        ("can be written, ", " free"),
        ("space           ", " free"),
        (" SHA256:", ","),
        (" SHA256:", " is"),
        ("sent in parts: ", " tell"),
    ] {
        text = replaced(&text, start, end);
    }
    text
}

/// `text` with dots for what stands between `start` and `end` on one line.
fn replaced(text: &str, start: &str, end: &str) -> String {
    let replace = |line: &str| {
        let Some(from) = line.find(start).map(|at| at + start.len()) else { return line.to_owned() };
        let Some(to) = line[from..].find(end).map(|at| at + from) else { return line.to_owned() };
        format!("{}…{}", &line[..from], &line[to..])
    };
    text.lines().map(|line| replace(line) + "\n").collect()
}

/// Every file in `folder` with its content.
fn files(folder: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).ok())).collect()
}
