//! The log file: formats, mode and levels.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use chrono::DateTime;
use serde_json::{Value, json};
use testkit::setup::archive_name;
use testkit::{Setup, program};

const LEVELS: [&str; 4] = ["DEBUG", "INFO", "WARNING", "ERROR"];

#[test]
fn each_json_line_is_an_object_with_time_level_run_task_and_message() {
    let mut setup = Setup::around_midnight();
    setup.set("log.format", json!("json")).set("log.level", json!("debug"));
    setup.make_stale();
    let outcome = setup.run();
    outcome.exited_with(1);
    let lines: Vec<Value> = outcome.log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(lines.len() > 10, "{}", outcome.log);
    for line in &lines {
        let text = |key: &str| line[key].as_str().unwrap_or_else(|| panic!("no {key} in {line}"));
        DateTime::parse_from_rfc3339(text("time")).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(LEVELS.contains(&text("level")), "{line}");
        assert_eq!(text("run"), lines[0]["run"], "{line}");
        assert!(!text("message").is_empty(), "{line}");
        assert!(line["task"].is_string() || line["task"].is_null(), "{line}");
    }
    let stale = lines.iter().find(|line| line["task"] == "Compare dates" && line["level"] == "WARNING");
    assert!(
        stale.is_some_and(|line| line["message"].as_str().unwrap().starts_with("the dump is stale: ")),
        "{}",
        outcome.log
    );
    let last = lines.last().unwrap()["message"].as_str().unwrap();
    assert!(last.starts_with("the run has ended: errors 0, warnings 1, "), "{last}");
}

/// Time, level, run and message of a line.
fn parts(line: &str) -> (&str, &str, &str, &str) {
    let (time, rest) = line.split_once(' ').expect(line);
    // The level is padded to seven characters.
    let (level, rest) = rest.split_at(rest.find(" [").expect(line));
    assert_eq!(level.len(), 7, "{line}");
    let (run, rest) = rest.strip_prefix(" [").and_then(|rest| rest.split_once("] ")).expect(line);
    (time, level.trim_end(), run, rest)
}

/// On a minimal image there is no time zone database and almost no environment.
#[test]
fn run_date_freshness_and_log_use_the_same_time_zone_without_a_database() {
    for (tz, zone) in [("Pacific/Kiritimati", "+14:00"), ("XYZ12", "-12:00")] {
        let setup = Setup::around_midnight();
        let script = "mount -t tmpfs tmpfs /usr/share/zoneinfo && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["-m", "env", "-i", "PATH=/usr/bin:/bin:/usr/sbin:/sbin"]).arg(format!("TZ={tz}"));
        command.args(["sh", "-c", script, "sh"]).arg(program()).args(["run", "--config"]).arg(setup.write_config());
        let outcome = setup.outcome(command.output().unwrap());
        outcome.exited_with(0).logged("fresh: modified ");
        let started = outcome.log.split_once(' ').unwrap().0;
        assert!(started.ends_with(zone), "{started}");
        // This holds even across midnight, as `night` allows an age of one day.
        let date = DateTime::parse_from_rfc3339(started).unwrap().date_naive();
        assert!(setup.sshd.directory.join(archive_name(date)).exists(), "{}", outcome.all());
        assert!(outcome.log.contains(&format!("fresh: modified {}", modified(&setup, started))), "{}", outcome.all());
    }
}

/// The dump's modification time in the zone of `started`.
fn modified(setup: &Setup, started: &str) -> String {
    let zone = DateTime::parse_from_rfc3339(started).unwrap();
    setup.modified.with_timezone(zone.offset()).format("%F %T %:z").to_string()
}

#[test]
fn each_text_line_begins_with_time_level_and_run() {
    let setup = Setup::around_midnight();
    let output = setup.command(&[]).env("TZ", "Asia/Kolkata").output().unwrap();
    let outcome = setup.outcome(output);
    outcome.exited_with(0);
    let mut previous = None;
    for line in outcome.log.lines() {
        let (time, level, run, message) = parts(line);
        assert!(time.ends_with("+05:30"), "{line}");
        let time = DateTime::parse_from_rfc3339(time).unwrap();
        assert!(previous.is_none_or(|previous| previous <= time), "the time goes backwards at {line}");
        previous = Some(time);
        assert!(LEVELS.contains(&level) && run == setup.run_id() && !message.is_empty(), "{line}");
    }
    assert!(outcome.log.lines().any(|line| parts(line).3.starts_with("Request zip: ")), "{}", outcome.log);
}

#[test]
fn the_last_line_counts_errors_and_warnings() {
    let mut setup = Setup::around_midnight();
    let last = |setup: &Setup| parts(setup.run().log.lines().last().unwrap()).3.to_owned();
    let counts = "Report: the run has ended: errors";
    assert!(last(&setup).starts_with(&format!("{counts} 0, warnings 0, files removed 0, retries 0")));
    setup.set("email.server.password", json!("not the one"));
    assert!(last(&setup).starts_with(&format!("{counts} 0, warnings 1, ")));
    setup.set("source.dump", json!("other.sql"));
    assert!(last(&setup).starts_with(&format!("{counts} 1, warnings 1, ")));
}

#[test]
fn a_new_log_file_is_readable_by_owner_and_group_and_an_existing_one_keeps_its_mode() {
    for (umask, expected) in [("000", 0o640), ("077", 0o600)] {
        let setup = Setup::around_midnight();
        let run = || {
            let status = Command::new("sh")
                .args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"])
                .arg(testkit::program())
                .args(["run", "--config"])
                .arg(setup.write_config())
                .status()
                .unwrap();
            assert!(status.success());
        };
        run();
        let mode = || fs::metadata(setup.path("log.log")).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), expected, "umask {umask}");
        fs::set_permissions(setup.path("log.log"), fs::Permissions::from_mode(0o604)).unwrap();
        run();
        assert_eq!(mode(), 0o604);
    }
}

#[test]
fn lines_below_the_level_are_omitted() {
    let mut setup = Setup::around_midnight();
    setup.make_stale();
    setup.set("email.attach_log", json!(true));
    for (index, setting) in ["debug", "info", "warning", "error"].into_iter().enumerate() {
        let _ = fs::remove_file(setup.path("log.log"));
        setup.set("log.level", json!(setting));
        let outcome = setup.run();
        outcome.exited_with(1);
        // A stale dump is not an error.
        for level in LEVELS.iter().take(3) {
            let is_written = outcome.log.lines().any(|line| parts(line).1 == *level);
            let position = LEVELS.iter().position(|known| known == level).unwrap();
            assert_eq!(is_written, position >= index, "log.level {setting}, {level}: {}", outcome.log);
        }
    }
}
