//! Hooks that fail, hang, print without end or leave processes behind, and what they get.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use testkit::setup::extract_dump;
use testkit::wait_until;

use super::bad_night::BadNight;
use super::interruptions::{signal_and_wait, start};

/// A job with the shell scripts `before` and `after` as hooks, each in the job's folder `$HOME` with a limit in seconds.
fn with_hooks(before: Option<&str>, after: Option<&str>, limit: u64) -> BadNight {
    let mut bad = BadNight::new();
    let folder = bad.path("hooks");
    fs::create_dir(&folder).unwrap();
    let hook = |script: &str| {
        let script = format!("cd {} || exit 9\n{script}", folder.display());
        json!({"command": ["/bin/sh", "-c", script], "timeout_seconds": limit})
    };
    bad.set("hooks", json!({"before": before.map(hook), "after": after.map(hook)}));
    bad
}

/// The file `name` that a hook wrote.
fn written(bad: &BadNight, name: &str) -> PathBuf {
    bad.path("hooks").join(name)
}

/// The record that the after hook read and stored.
fn record(bad: &BadNight) -> Value {
    serde_json::from_str(&fs::read_to_string(written(bad, "record")).unwrap()).unwrap()
}

/// Asserts that the process whose id a hook wrote to the file `name` ends.
fn assert_ends(bad: &BadNight, name: &str) {
    let id = fs::read_to_string(written(bad, name)).unwrap();
    // Gone, or a zombie until its new parent reaps it.
    wait_until("the end of the hook's process", || {
        fs::read_to_string(format!("/proc/{}/stat", id.trim())).is_ok_and(|stat| stat.contains(") Z"))
            || !PathBuf::from(format!("/proc/{}", id.trim())).exists()
    });
}

#[test]
fn a_before_hook_that_fails_stops_the_run() {
    let bad = with_hooks(Some("echo 'the site is\nlocked' >&2; exit 7"), Some("cat > record"), 60);
    let outcome = bad.must_fail(&["Before hook", "/bin/sh failed (exit status: 7): the site is\\nlocked"]);
    assert!(outcome.stderr.contains("FAILED at Before hook"), "{}", outcome.all());
    assert_eq!(bad.web.requests(), 0);
    outcome.logged("After hook: /bin/sh succeeded");
    let record = record(&bad);
    assert_eq!((&record["outcome"], &record["exit_code"]), (&json!("failed"), &json!(4)));
    assert_eq!(record["errors"][0]["task"], "Before hook");
}

#[test]
fn a_hook_that_cannot_be_started_is_reported() {
    let mut bad = BadNight::new();
    fs::write(bad.path("hook"), "no program").unwrap();
    let status = std::process::Command::new("chmod").arg("755").arg(bad.path("hook")).status().unwrap();
    assert!(status.success());
    bad.set("hooks", json!({"before": {"command": ["./hook"]}}));
    bad.must_fail(&["/hook cannot be started: "]);
}

#[test]
fn an_after_hook_that_fails_is_a_warning_after_the_delivery() {
    let bad = with_hooks(Some("echo ready"), Some("echo gone; exit 3"), 60);
    bad.must_warn(&["After hook", "/bin/sh failed (exit status: 3): gone"])
        .logged("Before hook: /bin/sh succeeded: ready");
    assert!(extract_dump(&bad.archive()) == bad.dump);
    let (_, mail) = bad.last_mail();
    assert!(mail.contains("Before hook") && mail.contains("After hook"), "{mail}");
}

#[test]
fn a_hook_that_hangs_or_prints_without_end_is_ended_with_its_children_at_its_limit() {
    for script in ["sleep 600 & echo $! > child; sleep 600", "sleep 600 & echo $! > child; yes 0123456789"] {
        let bad = with_hooks(Some(script), None, 1);
        let outcome = bad.must_fail(&["Before hook", "/bin/sh was ended after 1 s"]);
        assert!(outcome.log.len() < 20_000, "{} bytes", outcome.log.len());
        assert_ends(&bad, "child");

        let bad = with_hooks(None, Some(script), 1);
        bad.must_warn(&["After hook", "/bin/sh was ended after 1 s"]);
        assert_ends(&bad, "child");
        assert!(bad.is_delivered());
    }
}

#[test]
fn what_a_hook_leaves_behind_is_ended_and_not_waited_for() {
    let bad = with_hooks(Some("sleep 600 & echo $! > child; echo done"), None, 60);
    let begun = Instant::now();
    bad.run().exited_with(0).logged("Before hook: /bin/sh succeeded: done");
    assert_ends(&bad, "child");

    // In a group of its own, with the hook's pipes.
    let bad = with_hooks(
        Some("setsid sleep 600 & echo $! > daemon; while ! ps -o sid= $! | grep -q $!; do :; done"),
        None,
        60,
    );
    bad.run().exited_with(0);
    let id = fs::read_to_string(written(&bad, "daemon")).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_raw(id).unwrap(), Signal::KILL).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(120));
}

#[test]
fn a_signal_ends_a_before_hook_and_the_after_hook_within_five_seconds() {
    let before = "sleep 600 & echo $! > child; sleep 600";
    let after = "cat > record; sleep 600 & echo $! > second; sleep 600";
    let bad = with_hooks(Some(before), Some(after), 600);
    let run = start(&bad);
    wait_until("the before hook", || fs::read_to_string(written(&bad, "child")).is_ok_and(|id| !id.is_empty()));
    let outcome = signal_and_wait(&bad, run, Signal::TERM);
    outcome.exited_with(143).logged("interrupted (SIGTERM)").logged("/bin/sh was ended, because the run ends");
    assert_ends(&bad, "child");
    assert_ends(&bad, "second");
    assert_eq!((bad.web.requests(), &record(&bad)["outcome"]), (0, &json!("terminated")));
    assert!(bad.last_mail().0.contains("interrupted"));
}

#[test]
fn a_signal_ends_an_after_hook_within_five_seconds() {
    let bad = with_hooks(None, Some("sleep 600 & echo $! > child; sleep 600"), 600);
    let run = start(&bad);
    wait_until("the after hook", || fs::read_to_string(written(&bad, "child")).is_ok_and(|id| !id.is_empty()));
    let outcome = signal_and_wait(&bad, run, Signal::TERM);
    outcome.exited_with(1).logged("After hook: /bin/sh was ended, because the run ends");
    assert_ends(&bad, "child");
    assert!(bad.is_delivered());
}

#[test]
fn hooks_run_neither_in_a_dry_run_nor_in_a_check_nor_without_the_lock() {
    let touch = Some("touch ran; sleep 1");
    let bad = with_hooks(touch, touch, 60);
    let outcome = bad.call("run", &["--dry-run", "--date", &bad.date.to_string()]);
    outcome.exited_with(0);
    assert!(!outcome.stdout.contains("hook"), "{}", outcome.all());
    bad.call("check", &[]);
    assert!(!written(&bad, "ran").exists());

    let first = start(&bad);
    wait_until("the before hook", || written(&bad, "ran").exists());
    fs::remove_file(written(&bad, "ran")).unwrap();
    bad.call("run", &["--date", &bad.date.to_string()]).exited_with(5);
    assert!(!written(&bad, "ran").exists());
    first.wait_with_output().unwrap();
}

#[test]
fn a_hook_gets_the_record_and_only_the_variables_that_are_named() {
    let script = "env > variables; cat > record; echo $1";
    let mut bad = BadNight::new();
    let secret = bad.config["mattermost"]["webhook_url"].as_str().unwrap().to_owned();
    fs::create_dir(bad.path("hooks")).unwrap();
    let script = format!("cd {} || exit 9; {script}", bad.path("hooks").display());
    let hook = json!({"command": ["/bin/sh", "-c", script, "sh", secret], "environment": ["NAMED", "UNSET"]});
    bad.set("hooks", json!({"after": hook}));
    bad.set_variable("NAMED", "named");
    let outcome = bad.run();
    outcome.exited_with(0).logged("After hook: /bin/sh succeeded: [redacted]");
    let variables = fs::read_to_string(written(&bad, "variables")).unwrap();
    assert!(variables.contains("NAMED=named\n") && variables.contains("PATH="), "{variables}");
    assert!(!variables.contains("UNSET") && !variables.contains("CARGO"), "{variables}");

    let record = record(&bad);
    let schema: Value = serde_json::from_str(&fs::read_to_string("docs/run.schema.json").unwrap()).unwrap();
    jsonschema::validate(&schema, &record).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((&record["outcome"], &record["delivered"]), (&json!("success"), &json!(true)));
    assert_eq!(record["dump"]["size"], bad.dump.len());
    let hook = record["tasks"].as_array().unwrap().iter().find(|task| task["task"] == "After hook").unwrap();
    assert_eq!(hook["state"], "pending");
}
