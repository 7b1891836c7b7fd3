//! Unusable configurations: all mistakes are reported at once, and no server is contacted.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::json;
use testkit::{Outcome, program};

use super::bad_night::BadNight;

/// Runs the program without rewriting the configuration file.
fn run_as_written(bad: &BadNight) -> Outcome {
    let output = Command::new(program()).args(["run", "--config"]).arg(bad.path("config.json")).output().unwrap();
    bad.outcome(output)
}

/// Asserts exit code 3, each of `words` on stderr and on a CRITICAL line, and no connection to a server.
#[track_caller]
fn must_be_refused(bad: &BadNight, outcome: &Outcome, words: &[&str]) {
    outcome.exited_with(3);
    let critical: Vec<&str> = outcome.log.lines().filter(|line| line.contains("CRITICAL")).collect();
    for word in words {
        assert!(outcome.stderr.contains(word), "{word:?} is not on stderr: {}", outcome.all());
        assert!(critical.iter().any(|line| line.contains(word)), "no CRITICAL line with {word:?}: {}", outcome.all());
    }
    assert_eq!((bad.web.requests(), bad.sftp().connections()), (0, 0));
    assert_eq!((bad.mail.connections(), bad.webhook.requests()), (0, 0));
}

#[test]
fn a_syntax_error_is_reported_with_line_and_column() {
    let bad = BadNight::with_sftp(|sftp| sftp);
    bad.write_config();
    for (text, place) in [
        ("{\n  \"source\": {},\n}", "line 3, column 1"),
        ("{\"source\" 1}", "line 1, column 11"),
        ("", "line 1, column 1: the file is empty"),
    ] {
        fs::write(bad.path("config.json"), text).unwrap();
        must_be_refused(&bad, &run_as_written(&bad), &["not JSON at", place, "config.json", "fix the file there"]);
    }
}

#[test]
fn every_mistake_is_reported_at_once() {
    let mut bad = BadNight::with_sftp(|sftp| sftp);
    bad.set("source.colour", json!("red"))
        .set("source.dump", json!(null))
        .set("sftp.port", json!("22"))
        .set("retention", json!({"keep_days": 0, "keep_atleast": 3}))
        .set("archive.name", json!("../dump"));
    bad.write_config();
    let outcome = run_as_written(&bad);
    let mistakes = [
        "source.colour:",
        "source.dump:",
        "sftp.port:",
        "retention.keep_days:",
        "retention.keep_atleast:",
        "keep_at_least",
        "archive.name:",
    ];
    must_be_refused(&bad, &outcome, &mistakes);
    assert_eq!(outcome.log.lines().count(), 6, "a line for each: {}", outcome.log);
}

#[test]
fn a_configuration_that_others_can_read_or_write_is_refused_with_the_chmod_that_fixes_it() {
    let bad = BadNight::with_sftp(|sftp| sftp);
    let config = bad.write_config();
    for (mode, who, chmod) in [
        (0o644, "can be read by", "chmod 600"),
        (0o602, "can be written by", "chmod go-w"),
        (0o777, "can be written by", "chmod go-w"),
    ] {
        fs::set_permissions(&config, fs::Permissions::from_mode(mode)).unwrap();
        let chmod = format!("{chmod} {}", config.display());
        must_be_refused(&bad, &run_as_written(&bad), &[who, &chmod]);
    }
}

#[test]
fn files_that_others_could_have_written_are_all_refused_unless_trusted_on_purpose() {
    let mut bad = BadNight::with_sftp(|sftp| sftp);
    bad.set("sftp.known_hosts", json!("shared/known_hosts"));
    fs::create_dir(bad.path("shared")).unwrap();
    fs::write(bad.path("shared/known_hosts"), "").unwrap();
    let certificate = PathBuf::from(bad.config["source"]["ca_file"].as_str().unwrap());
    for path in [&bad.path("shared"), &bad.path("shared/known_hosts"), &certificate] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    bad.write_config();
    let names =
        ["sftp.known_hosts: the folder ", "sftp.known_hosts: /", "source.ca_file: /", "email.server.ca_file: /"];
    let commands = [bad.path("shared"), bad.path("shared/known_hosts"), certificate]
        .map(|path| format!("chmod go-w {}", path.display()));
    let words: Vec<&str> = names.iter().copied().chain(commands.iter().map(String::as_str)).collect();
    must_be_refused(&bad, &run_as_written(&bad), &words);

    fs::remove_file(bad.path("log.log")).unwrap();
    let outcome = bad.outcome(bad.command().env("SCRIPTING_SYSTEM_TRUST_FILES", "1").output().unwrap());
    outcome.exited_with(1);
    assert!(bad.is_delivered(), "{}", outcome.all());
    for word in words {
        assert!(
            outcome.log.lines().any(|line| line.contains("WARNING") && line.contains(word)),
            "{word}: {}",
            outcome.all()
        );
    }
}

#[test]
fn an_unknown_zone_stops_a_run_before_any_connection() {
    let bad = BadNight::with_sftp(|sftp| sftp);
    bad.write_config();
    let output = bad.command().env("TZ", "Europe/Pariss").output().unwrap();
    must_be_refused(&bad, &bad.outcome(output), &["TZ", "Europe/Pariss", "did you mean \"Europe/Paris\"?"]);
}

#[test]
fn a_refused_configuration_is_not_logged_where_others_could_have_put_a_link() {
    let bad = BadNight::with_sftp(|sftp| sftp);
    bad.write_config();
    let folder = bad.path("config.json").parent().unwrap().to_owned();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    std::os::unix::fs::symlink(bad.path("work/victim"), bad.path("log.log")).unwrap();
    let outcome = run_as_written(&bad);
    outcome.exited_with(3);
    assert!(outcome.stderr.contains(&format!("chmod go-w {}", folder.display())), "{}", outcome.all());
    assert!(!bad.path("work/victim").exists());
}

#[test]
fn a_missing_configuration_is_reported_on_stderr_and_in_the_log_of_its_folder() {
    let bad = BadNight::with_sftp(|sftp| sftp);
    let outcome = run_as_written(&bad);
    must_be_refused(&bad, &outcome, &["config.json", "cannot be read", "check the path"]);
}

#[test]
fn the_log_file_of_a_broken_configuration_is_used() {
    let mut bad = BadNight::with_sftp(|sftp| sftp);
    bad.set("log.file", json!("elsewhere.log")).set("sftp.port", json!(0));
    bad.write_config();
    let outcome = run_as_written(&bad);
    outcome.exited_with(3);
    assert!(fs::read_to_string(bad.path("elsewhere.log")).unwrap().contains("sftp.port:"), "{}", outcome.all());
    assert!(!bad.path("log.log").exists());
}

fn gen_config(arguments: &[&str], folder: &std::path::Path) -> Output {
    Command::new(program()).arg("gen-config").args(arguments).current_dir(folder).output().unwrap()
}

#[test]
fn gen_config_overwrites_only_with_force() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.json");
    let written = gen_config(&["--output", "config.json"], folder.path());
    assert!(written.status.success() && written.stderr.is_empty());
    let template = fs::read(&config).unwrap();
    assert_eq!(fs::metadata(&config).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(gen_config(&[], folder.path()).stdout, template);

    fs::write(&config, "somebody's work").unwrap();
    let refused = gen_config(&["--output", "config.json"], folder.path());
    assert_eq!(refused.status.code(), Some(3));
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(error.contains("already exists") && error.contains("--force"), "{error}");
    assert_eq!(fs::read(&config).unwrap(), b"somebody's work");

    assert!(gen_config(&["--output", "config.json", "--force"], folder.path()).status.success());
    assert_eq!(fs::read(&config).unwrap(), template);

    let missing = gen_config(&["--output", "missing/config.json"], folder.path());
    assert_eq!(missing.status.code(), Some(3));
    let error = String::from_utf8(missing.stderr).unwrap();
    assert!(error.contains("cannot write missing/config.json") && error.contains("its folder exists"), "{error}");
}
