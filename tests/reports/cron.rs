//! Under cron: no terminal, almost no environment, and cron mails every line of output.

use std::process::{Command, Stdio};

use serde_json::json;
use testkit::{Outcome, Setup, program};

/// Runs the program as cron does, with an optional locale variable.
fn run_by_cron(setup: &Setup, locale: Option<(&str, &str)>) -> Outcome {
    let mut command = Command::new("env");
    command.arg("-i").arg("PATH=/usr/bin:/bin").args(locale.map(|(name, value)| format!("{name}={value}")));
    command.arg(program()).arg("run").arg("--config").arg(setup.write_config());
    setup.outcome(command.stdin(Stdio::null()).current_dir("/").output().unwrap())
}

#[test]
fn success_prints_nothing() {
    let setup = Setup::around_midnight();
    // No locale, the default one, and one that this machine lacks.
    for locale in [None, Some(("LC_ALL", "C")), Some(("LANG", "xx_YY.ISO-8859-15"))] {
        let outcome = run_by_cron(&setup, locale);
        outcome.exited_with(0);
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""), "{locale:?}");
    }
    assert_eq!(setup.mail.messages().len(), 3);
}

#[test]
fn without_home_the_home_folder_of_the_passwd_entry_is_used() {
    let mut setup = Setup::around_midnight();
    // The default is ~/.ssh/known_hosts; with a pinned key nothing is written there.
    let fingerprint = setup.sshd.fingerprint("ed25519");
    setup.set("sftp.known_hosts", json!(null)).set("sftp.host_key", json!(fingerprint));
    let outcome = run_by_cron(&setup, None);
    outcome.exited_with(0);
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""));
}

#[test]
fn a_failure_is_printed_only_on_stderr() {
    let mut setup = Setup::around_midnight();
    setup.set("source.dump", json!("ötherdump.sql"));
    let outcome = run_by_cron(&setup, None);
    outcome.exited_with(4);
    assert_eq!(outcome.stdout, "");
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    assert_eq!(lines[0], "scripting-system: FAILED at Find dump: nothing new was delivered.");
    assert_eq!(lines[1], "There is no good archive on the server.");
    assert!(lines.len() == 3 && lines[2].starts_with("error: Find dump: "), "{}", outcome.all());
    assert!(lines[2].contains("ötherdump.sql"), "{}", outcome.all());
}

#[test]
fn warnings_are_printed_only_on_stderr() {
    let mut setup = Setup::around_midnight();
    setup.make_stale();
    let outcome = run_by_cron(&setup, None);
    outcome.exited_with(1);
    assert_eq!(outcome.stdout, "");
    assert!(outcome.stderr.contains("\nwarning: Compare dates: the dump is stale: "), "{}", outcome.all());
}

#[test]
fn an_invalid_configuration_is_reported_only_on_stderr_and_in_the_log() {
    let mut setup = Setup::around_midnight();
    setup.set("sftp.port", json!(0));
    let outcome = run_by_cron(&setup, None);
    outcome.exited_with(3).logged(" CRITICAL [-] ");
    assert_eq!(outcome.stdout, "");
    assert!(outcome.stderr.contains("sftp.port"), "{}", outcome.all());
    assert_eq!((setup.mail.connections(), setup.webhook.requests(), setup.web.requests()), (0, 0, 0));
}
