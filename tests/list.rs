//! The archives on the server, as `list` shows them to people and to programs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};
use testkit::night::archive_name;
use testkit::program;
use testkit::{Night, Outcome};

/// What the nights before the one of the night left on its server, counted from that day: all that a listing may meet.
fn lay_everything(night: &Night) {
    for days_ago in [13, 12, 8, 7, 2, 1] {
        lay(night, days_ago, &vec![7; 100_000 * (14 - days_ago as usize)]);
    }
    lay(night, -1, b"from tomorrow");
    lay(night, 6, b"");
    let folder = &night.sshd.directory;
    fs::write(folder.join(night.part_of(&archive_name(day(night, 20)))), "left over").unwrap();
    fs::write(folder.join(format!("{}.old", archive_name(day(night, 9)))), "without a successor").unwrap();
    fs::create_dir(folder.join(archive_name(day(night, 10)))).unwrap();
    symlink("nowhere", folder.join(archive_name(day(night, 11)))).unwrap();
    fs::write(folder.join("notes.txt"), "foreign").unwrap();
    fs::write(folder.join("bad\n\u{1b}[31m|\u{202e}name"), "hostile").unwrap();
}

fn day(night: &Night, days_ago: i64) -> NaiveDate {
    night.modified.date_naive() - TimeDelta::days(days_ago)
}

/// An archive of so many days ago, written at 23:00 of that day.
fn lay(night: &Night, days_ago: i64, content: &[u8]) {
    let date = day(night, days_ago);
    let path = night.sshd.directory.join(archive_name(date));
    fs::write(&path, content).unwrap();
    let written = date.and_hms_opt(23, 0, 0).unwrap().and_utc();
    File::options().write(true).open(path).unwrap().set_modified(SystemTime::from(written)).unwrap();
}

/// Everything in the night's folder: names, and when each was changed.
fn folder_of(night: &Night) -> Vec<(String, u64, SystemTime)> {
    let state = |name: String| {
        let metadata = fs::symlink_metadata(night.sshd.directory.join(&name)).unwrap();
        (name, metadata.len(), metadata.modified().unwrap())
    };
    night.sshd.names().into_iter().map(state).collect()
}

/// The night's day is today, unless midnight passes meanwhile.
fn is_still_today(night: &Night) -> bool {
    Utc::now().date_naive() == night.modified.date_naive()
}

/// The line of the listing about the archive of so many days ago.
fn line_of(night: &Night, listed: &Outcome, days_ago: i64) -> String {
    let date = day(night, days_ago).format("%a %Y-%m-%d ").to_string();
    let lines: Vec<&str> = listed.stdout.lines().filter(|line| line.starts_with(&date)).collect();
    assert_eq!(lines.len(), 1, "{date}: {}", listed.all());
    lines[0].split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_archive_is_listed_oldest_first_with_what_retention_will_do_to_it() {
    Night::on_each_server(|night| {
        lay_everything(night);
        let before = folder_of(night);
        let listed = night.call("list", &[]);
        if !is_still_today(night) {
            return;
        }
        listed.exited_with(0);
        assert!(listed.stderr.lines().all(|line| line.contains("host key")), "{}", listed.all());
        assert_eq!(folder_of(night), before, "a listing changes nothing");
        assert!(line_of(night, &listed, 13).ends_with("remove expired, 13 days old"), "{}", listed.all());
        assert!(line_of(night, &listed, 12).ends_with("remove expired, 12 days old"), "{}", listed.all());
        assert!(line_of(night, &listed, 8).ends_with("keep 8 days old"), "{}", listed.all());
        assert!(line_of(night, &listed, 1).contains(&format!("{} 1.24 MiB", archive_name(day(night, 1)))));
        assert!(line_of(night, &listed, 1).ends_with("keep 1 day old"), "{}", listed.all());
        assert!(line_of(night, &listed, 6).ends_with("keep empty"), "{}", listed.all());
        assert!(line_of(night, &listed, -1).ends_with("keep dated after today"), "{}", listed.all());
        let names: Vec<usize> = [13, 12, 8, 7, 6, 2, 1, -1]
            .iter()
            .map(|days_ago| listed.stdout.find(&archive_name(day(night, *days_ago))).unwrap())
            .collect();
        assert!(names.is_sorted(), "{}", listed.all());
        for told in [
            "— 3 nights without an archive: ",
            "— 4 nights without an archive: ",
            "\n8 archives, ",
            "; 7 nights without one since ",
            "\n  next run   removes 3 files once it has delivered; days count to its day, ",
            "\n  leftovers  1 unfinished upload (one may be under way), 1 replaced archive without one, which",
            "\n  others     2 named like an archive, but no regular file, 2 not of this configuration; ",
            ".old: to be put back: its successor never came",
        ] {
            assert!(listed.stdout.contains(told), "{told:?}: {}", listed.all());
        }
        assert!(!listed.stdout.contains("notes.txt") && !listed.stdout.contains('█'), "{}", listed.all());
        let free = listed.stdout.lines().find(|line| line.starts_with("  free ")).unwrap();
        assert!(free.ends_with('B'), "{free}");
    });
}

#[test]
fn with_v_the_others_are_named_and_cannot_forge_a_line() {
    Night::on_each_server(|night| {
        lay_everything(night);
        let listed = night.call("list", &["-v"]);
        listed.exited_with(0);
        for told in
            ["\n  foreign    notes.txt\n", "\n  foreign    bad\\n\\u{1b}[31m|\\u{202e}name\n", "\n  no file    "]
        {
            assert!(listed.stdout.contains(told), "{told:?}: {}", listed.all());
        }
        assert!(!listed.stdout.contains(['\u{1b}', '\u{202e}']));
    });
}

#[test]
fn a_night_that_was_just_delivered_is_the_newest() {
    Night::on_each_server(|night| {
        night.run().exited_with(0);
        let listed = night.call("list", &[]);
        listed.exited_with(0);
        let newest = format!("\n  newest     {}, 0 min old\n", night.archive_name());
        assert!(listed.stdout.contains(&newest), "{}", listed.all());
    });
}

#[test]
fn an_empty_folder_says_so() {
    Night::on_each_server(|night| {
        let listed = night.call("list", &[]);
        listed.exited_with(0);
        assert!(listed.stdout.contains("\nThe folder is empty.\n"), "{}", listed.all());
        let json: Value = serde_json::from_str(&night.call("list", &["--json"]).stdout).unwrap();
        assert_eq!((&json["archives"], &json["reference_day"]), (&json!([]), &json!(null)));
    });
}

/// The names of the archives that `list` says will be removed, by its table and by its document, which must agree in the
/// ages, too.
fn predicted(night: &Night) -> Vec<String> {
    let table = night.call("list", &[]).stdout;
    let document: Value = serde_json::from_str(&night.call("list", &["--json"]).stdout).unwrap();
    let archives = document["archives"].as_array().unwrap();
    for archive in archives {
        let line = table.lines().find(|line| line.contains(archive["name"].as_str().unwrap())).unwrap();
        assert!(line.contains(&format!("  {} d  ", archive["age_days"])), "{archive}: {line}");
    }
    let removed = archives.iter().filter(|archive| archive["action"] == "remove");
    let names: Vec<String> = removed.map(|archive| archive["name"].as_str().unwrap().to_owned()).collect();
    let told = if names.is_empty() { "nothing".to_owned() } else { format!("{} files", names.len()) };
    assert!(table.contains(&format!("next run   removes {told} once it has delivered")), "{table}");
    names
}

#[test]
fn what_the_next_run_will_remove_is_what_it_removes() {
    Night::on_each_server(|night| {
        for days_ago in 1..=30 {
            lay(night, days_ago, b"an archive");
        }
        for retention in [json!({}), json!({"keep_days": 4, "keep_weekly": 2, "keep_monthly": 1})] {
            night.config["retention"] = retention;
            let predicted = predicted(night);
            let before = night.sshd.names();
            night.run().exited_with(0);
            let after = night.sshd.names();
            let gone: Vec<String> = before.into_iter().filter(|name| !after.contains(name)).collect();
            if !is_still_today(night) {
                return;
            }
            let mut expected = predicted;
            expected.sort();
            assert_eq!(gone, expected);
            fs::remove_file(night.archive()).unwrap();
        }
        // Once today's archive is there, the next run is tomorrow's.
        night.run().exited_with(0);
        let document: Value = serde_json::from_str(&night.call("list", &["--json"]).stdout).unwrap();
        assert_eq!(document["next_run"], day(night, -1).to_string());
    });
}

#[test]
fn removal_that_is_held_back_says_why() {
    Night::on_each_server(|night| {
        lay_everything(night);
        fs::write(night.sshd.directory.join("20201231.tgz"), "day and month swapped").unwrap();
        let listed = night.call("list", &[]);
        listed.exited_with(0);
        assert!(
            listed.stdout.contains("removes nothing, removal is held back: \"20201231.tgz\" fits"),
            "{}",
            listed.all()
        );
        assert!(listed.stdout.contains("days old; removal is held back"), "{}", listed.all());
    });
}

#[test]
fn a_program_gets_a_document_that_fits_the_published_schema() {
    let schema = fs::read_to_string("docs/list.schema.json").unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let schema = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    Night::on_each_server(|night| {
        lay_everything(night);
        let listed = night.call("list", &["--json"]);
        listed.exited_with(0);
        assert!(listed.stderr.lines().all(|line| line.contains("host key")), "{}", listed.all());
        let document: Value = serde_json::from_str(&listed.stdout).unwrap();
        schema.validate(&document).unwrap_or_else(|error| panic!("{error} at {}", error.instance_path()));
        if !is_still_today(night) {
            return;
        }
        let counts = ["nights_without_archive", "irregular", "foreign"].map(|field| document[field].as_u64().unwrap());
        assert_eq!(counts, [7, 2, 2]);
        assert_eq!(document["archives"].as_array().unwrap().len(), 8);
        let date = day(night, 12);
        let expected = json!({
            "name": archive_name(date), "date": date.to_string(), "size": 200_000,
            "modified": format!("{date}T23:00:00Z"), "age_days": 12, "action": "remove",
            "reason": "expired, 12 days old",
        });
        assert_eq!(document["archives"][1], expected);
        assert_eq!(document["reference_day"], day(night, 1).to_string());
        assert_eq!(document["today"], day(night, 0).to_string());
        assert_eq!(document["next_run"], day(night, 0).to_string());
        assert!(document["free_bytes"].as_u64().unwrap() > 0);
        let as_of: DateTime<Utc> = document["as_of"].as_str().unwrap().parse().unwrap();
        assert!((Utc::now() - as_of).num_seconds() < 60);
    });
}

#[test]
fn the_published_schema_is_the_one_that_the_program_prints() {
    let printed = Command::new(program()).args(["list", "--json-schema"]).output().unwrap();
    assert!(printed.status.success());
    let published = fs::read_to_string("docs/list.schema.json").unwrap();
    assert!(
        published == String::from_utf8(printed.stdout).unwrap(),
        "make docs/list.schema.json anew: scripting-system list --json-schema > docs/list.schema.json"
    );
}

/// `list` on a terminal with so many columns.
fn on_terminal(night: &Night, columns: u32, variables: &[(&str, &str)]) -> String {
    let config = night.write_config();
    let command =
        format!("stty cols {columns} rows 50; {} list --config {} 2>/dev/null", program().display(), config.display());
    let mut script = Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).env("TZ", "UTC").env("TERM", "xterm").env("SHELL", "/bin/sh");
    script.env_remove("NO_COLOR").env_remove("SSH_AUTH_SOCK").envs(variables.iter().copied()).stdin(Stdio::null());
    String::from_utf8(script.output().unwrap().stdout).unwrap().replace("\r\n", "\n")
}

#[test]
fn a_terminal_gets_bars_and_colours_as_far_as_it_has_room_and_wants_them() {
    Night::on_each_server(|night| {
        lay_everything(night);
        night.call("list", &[]).exited_with(0);
        let wide = on_terminal(night, 120, &[]);
        assert!(wide.contains("█████████████") && wide.contains("\u{1b}[31mremove"), "{wide}");
        let plain = on_terminal(night, 120, &[("NO_COLOR", "1")]);
        assert_eq!(console::strip_ansi_codes(&wide).lines().count(), plain.lines().count());
        assert!(plain.contains("█████████████") && !plain.contains('\u{1b}'), "{plain}");
        assert!(!on_terminal(night, 120, &[("TERM", "dumb")]).contains('\u{1b}'));
        let narrow = on_terminal(night, 60, &[]);
        assert!(!narrow.contains('█') && narrow.contains("1.24 MiB"), "{narrow}");
    });
}

#[test]
fn what_keeps_the_listing_from_its_end_has_its_exit_code_and_prints_nothing() {
    Night::on_each_server(|night| {
        let good = night.config.clone();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        for (key, value, code, told) in [
            ("sftp.port", json!(free), 4, "no connection to 127.0.0.1"),
            ("sftp.directory", json!("missing"), 4, "does not exist on the server"),
            ("sftp.username", json!("nobody-here"), 4, "refused the login"),
            ("sftp.port", json!(0), 3, "sftp.port: 0 is out of bounds"),
        ] {
            night.set(key, value);
            for form in [&[][..], &["--json"]] {
                let listed = night.call("list", form);
                listed.exited_with(code);
                assert!(listed.stderr.contains(told), "{told:?}: {}", listed.all());
                assert_eq!(listed.stdout, "");
            }
            night.config = good.clone();
        }
        night.call("list", &["--nonsense"]).exited_with(2);
    });
    let without = Command::new(program()).arg("list").output().unwrap();
    assert_eq!(without.status.code(), Some(2));
}

#[test]
fn a_signal_ends_the_listing() {
    let mut night = Night::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    night.set("sftp.port", json!(listener.local_addr().unwrap().port()));
    for (signal, code) in [(rustix::process::Signal::INT, 130), (rustix::process::Signal::TERM, 143)] {
        let mut child = night.command_of("list", &[]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // It has come as far as to the server, which says nothing.
        let (socket, _) = listener.accept().unwrap();
        let mut greeting = String::new();
        BufReader::new(&socket).read_line(&mut greeting).unwrap();
        assert!(greeting.starts_with("SSH-2.0"), "{greeting}");
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn a_first_host_key_is_told_until_a_run_remembers_it() {
    Night::on_each_server(|night| {
        for _ in 0..2 {
            let listed = night.call("list", &[]);
            listed.exited_with(0);
            assert!(listed.stderr.contains("the host key SHA256:"), "{}", listed.all());
            assert!(!night.path("known_hosts").exists());
        }
        night.run().exited_with(0);
        assert_eq!(night.call("list", &[]).exited_with(0).stderr, "");
    });
}

#[test]
fn a_full_disk_behind_standard_output_is_told() {
    let night = Night::new();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = night.command_of("list", &["--json"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("writing to standard output"));
}

#[test]
fn nights_that_were_thinned_out_are_not_told_as_missing() {
    Night::on_each_server(|night| {
        for days_ago in [0, 1, 2, 3, 17, 24, 31] {
            lay(night, days_ago, b"an archive");
        }
        night.set("retention", json!({"keep_days": 2, "keep_weekly": 8}));
        let listed = night.call("list", &[]);
        assert!(listed.stdout.contains("— 13 nights not kept\n"), "{}", listed.all());
        assert!(!listed.stdout.contains("without"), "{}", listed.all());
    });
}
