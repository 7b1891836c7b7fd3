//! The log file: what a line looks like in each format, who may read it, what its levels leave out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use chrono::DateTime;
use serde_json::{Value, json};

use crate::{make_stale, night};
use testkit::Night;
use testkit::night::archive_name;
use testkit::program;

const LEVELS: [&str; 4] = ["DEBUG", "INFO", "WARNING", "ERROR"];

#[test]
fn each_line_of_json_is_an_object_with_time_level_run_task_and_message() {
    let mut night = night();
    night.set("log.format", json!("json")).set("log.level", json!("debug"));
    make_stale(&mut night);
    let outcome = night.run();
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

/// Time, level, run and the rest of a line of text.
fn parts(line: &str) -> (&str, &str, &str, &str) {
    let (time, rest) = line.split_once(' ').expect(line);
    // The level is followed by spaces up to the seventh column.
    let (level, rest) = rest.split_at(rest.find(" [").expect(line));
    assert_eq!(level.len(), 7, "{line}");
    let (run, rest) = rest.strip_prefix(" [").and_then(|rest| rest.split_once("] ")).expect(line);
    (time, level.trim_end(), run, rest)
}

/// On a machine without a zone database, as a minimal image is, with next to no environment.
#[test]
fn run_date_freshness_and_log_agree_on_the_zone_without_a_database() {
    for (tz, zone) in [("Pacific/Kiritimati", "+14:00"), ("XYZ12", "-12:00")] {
        let night = night();
        let script = "mount -t tmpfs tmpfs /usr/share/zoneinfo && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["-m", "env", "-i", "PATH=/usr/bin:/bin:/usr/sbin:/sbin"]).arg(format!("TZ={tz}"));
        command.args(["sh", "-c", script, "sh"]).arg(program()).args(["run", "--config"]).arg(night.write_config());
        let outcome = night.outcome(command.output().unwrap());
        outcome.exited_with(0).logged("fresh: modified ");
        let begun = outcome.log.split_once(' ').unwrap().0;
        assert!(begun.ends_with(zone), "{begun}");
        // It ends well even where midnight passes between the dump and the run: a day of age is allowed.
        let date = DateTime::parse_from_rfc3339(begun).unwrap().date_naive();
        assert!(night.sshd.directory.join(archive_name(date)).exists(), "{}", outcome.all());
        assert!(outcome.log.contains(&format!("fresh: modified {}", modified(&night, begun))), "{}", outcome.all());
    }
}

/// When the dump was modified, as the clocks of the zone of `begun` show it.
fn modified(night: &Night, begun: &str) -> String {
    let zone = DateTime::parse_from_rfc3339(begun).unwrap();
    night.modified.with_timezone(zone.offset()).format("%F %T %:z").to_string()
}

#[test]
fn each_line_of_text_begins_with_time_level_and_run() {
    let night = night();
    let output = night.command(&[]).env("TZ", "Asia/Kolkata").output().unwrap();
    let outcome = night.outcome(output);
    outcome.exited_with(0);
    let run = night.run_id();
    let mut before = None;
    for line in outcome.log.lines() {
        let (time, level, of_run, message) = parts(line);
        assert!(time.ends_with("+05:30"), "{line}");
        let time = DateTime::parse_from_rfc3339(time).unwrap();
        assert!(before.is_none_or(|before| before <= time), "the time runs back at {line}");
        before = Some(time);
        assert!(LEVELS.contains(&level) && of_run == run && !message.is_empty(), "{line}");
    }
    assert!(outcome.log.lines().any(|line| parts(line).3.starts_with("Request zip: ")), "{}", outcome.log);
}

#[test]
fn the_last_line_counts_errors_and_warnings() {
    let mut night = night();
    let last = |night: &Night| parts(night.run().log.lines().last().unwrap()).3.to_owned();
    let counts = "Report: the run has ended: errors";
    assert!(last(&night).starts_with(&format!("{counts} 0, warnings 0, files removed 0, retries 0")));
    night.set("email.server.password", json!("not the one"));
    assert!(last(&night).starts_with(&format!("{counts} 0, warnings 1, ")));
    night.set("source.dump", json!("other.sql"));
    assert!(last(&night).starts_with(&format!("{counts} 1, warnings 1, ")));
}

#[test]
fn a_new_log_file_is_for_its_owner_and_group_and_an_old_one_keeps_its_mode() {
    for (umask, expected) in [("000", 0o640), ("077", 0o600)] {
        let night = night();
        let run = || {
            let status = Command::new("sh")
                .args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"])
                .arg(testkit::program())
                .args(["run", "--config"])
                .arg(night.write_config())
                .status()
                .unwrap();
            assert!(status.success());
        };
        run();
        let mode = || fs::metadata(night.path("log.log")).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), expected, "umask {umask}");
        fs::set_permissions(night.path("log.log"), fs::Permissions::from_mode(0o604)).unwrap();
        run();
        assert_eq!(mode(), 0o604);
    }
}

#[test]
fn the_level_leaves_out_what_is_below_it() {
    let mut night = night();
    make_stale(&mut night);
    night.set("email.attach_log", json!(true));
    for (index, least) in ["debug", "info", "warning", "error"].into_iter().enumerate() {
        let _ = fs::remove_file(night.path("log.log"));
        night.set("log.level", json!(least));
        let outcome = night.run();
        outcome.exited_with(1);
        // A stale night has no error.
        for level in LEVELS.iter().take(3) {
            let is_written = outcome.log.lines().any(|line| parts(line).1 == *level);
            let position = LEVELS.iter().position(|known| known == level).unwrap();
            assert_eq!(is_written, position >= index, "log.level {least}, {level}: {}", outcome.log);
        }
    }
}
