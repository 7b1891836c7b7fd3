//! `check` tests every step of the next run, and changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod configuration;
mod json;
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
use testkit::{Outcome, Setup};

/// Keeps the dump fresh if midnight passes before the check.
fn prepare(setup: &mut Setup) {
    setup.set("source.max_age_days", json!(1));
}

/// A working configuration for OpenSSH, with a known host key.
fn setup() -> Setup {
    let mut setup = Setup::new();
    prepare(&mut setup);
    fs::write(setup.path("known_hosts"), setup.sshd.known_hosts_line("ed25519")).unwrap();
    setup
}

fn check(setup: &Setup) -> Outcome {
    setup.call("check", &[])
}

#[track_caller]
fn must_end_with(setup: &Setup, code: i32) -> Outcome {
    let outcome = check(setup);
    outcome.exited_with(code);
    outcome
}

/// The check must report exactly these problems, each with a subject and words, and still perform every other step.
#[track_caller]
fn must_fail(setup: &Setup, problems: &[(&str, &[&str])]) -> Outcome {
    let outcome = must_end_with(setup, 4);
    let crosses: Vec<&str> = outcome.stdout.lines().filter(|line| line.starts_with("  ✗ ")).collect();
    assert_eq!(crosses.len(), problems.len(), "{}", outcome.all());
    for (line, (subject, words)) in crosses.iter().zip(problems) {
        assert!(line.starts_with(&format!("  ✗ {subject} ")), "no ✗ at {subject}: {}", outcome.all());
        for word in *words {
            assert!(line.contains(word), "{word:?} is missing: {}", outcome.all());
        }
    }
    for heading in ["Configuration", "Source", "Dump", "SFTP", "Reports"] {
        assert!(outcome.stdout.lines().any(|line| line == heading), "{heading} is missing: {}", outcome.all());
    }
    outcome
}

/// The output without values that differ between runs or machines.
fn scrubbed(setup: &Setup, outcome: &Outcome) -> String {
    let mut text = outcome.stdout.clone();
    let keys = setup.sshd.user_key();
    let user = setup.config["sftp"]["username"].as_str().unwrap();
    let server = setup.config["sftp"]["port"].to_string();
    for (from, to) in [
        (setup.sshd.directory.to_string_lossy().into_owned(), "[directory]"),
        (keys.parent().unwrap().to_string_lossy().into_owned(), "[sshd]"),
        (setup.path("").to_string_lossy().trim_end_matches('/').to_owned(), "[night]"),
        (setup.archive_name(), "[archive].tgz"),
        (format!("{user}, with"), "[user], with"),
        (format!("port {server} "), "port [sftp] "),
        (format!(":{server} "), ":[sftp] "),
        (format!("login of \"{user}\""), "login of \"[user]\""),
        (format!("port {} ", setup.web.port()), "port [web] "),
        (format!(":{}/", setup.web.port()), ":[web]/"),
        (format!(":{} ", setup.mail.port()), ":[mail] "),
    ] {
        text = text.replace(&from, to);
    }
    for (start, end) in [
        ("valid until ", " left)"),
        ("modified ", ": a run"),
        ("round trip of ", " ms"),
        ("freshness costs ", " "),
        ("can be written, ", " free"),
        ("space           ", " free"),
        (" SHA256:", ","),
        (" SHA256:", " is"),
    ] {
        text = elide(&text, start, end);
    }
    text
}

/// Replaces the text between `start` and `end` on each line with an ellipsis.
fn elide(text: &str, start: &str, end: &str) -> String {
    let replace = |line: &str| {
        let Some(from) = line.find(start).map(|at| at + start.len()) else { return line.to_owned() };
        let Some(to) = line[from..].find(end).map(|at| at + from) else { return line.to_owned() };
        format!("{}…{}", &line[..from], &line[to..])
    };
    text.lines().map(|line| replace(line) + "\n").collect()
}

#[track_caller]
fn must_show(outcome: &Outcome, words: &str) {
    assert!(outcome.stdout.contains(words), "{words:?} is missing: {}", outcome.all());
}

#[track_caller]
fn must_not_show(outcome: &Outcome, words: &str) {
    assert!(!outcome.stdout.contains(words), "{words:?}: {}", outcome.all());
}

/// Every file in `folder` with its content.
fn files(folder: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).ok())).collect()
}
