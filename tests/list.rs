//! `list` for people and for programs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};
use testkit::servers::listener::closed_address;
use testkit::setup::archive_name;
use testkit::{Outcome, Setup, program};

/// Fills the folder with every kind of entry.
fn put_everything(setup: &Setup) {
    for days_ago in [13, 12, 8, 7, 2, 1] {
        put(setup, days_ago, &vec![7; 100_000 * (14 - days_ago as usize)]);
    }
    put(setup, -1, b"from tomorrow");
    put(setup, 6, b"");
    let folder = &setup.sshd.directory;
    fs::write(folder.join(setup.part_of(&archive_name(day(setup, 20)))), "leftover").unwrap();
    fs::write(folder.join(format!("{}.old", archive_name(day(setup, 9)))), "without a successor").unwrap();
    fs::create_dir(folder.join(archive_name(day(setup, 10)))).unwrap();
    symlink("nowhere", folder.join(archive_name(day(setup, 11)))).unwrap();
    fs::write(folder.join("notes.txt"), "foreign").unwrap();
    fs::write(folder.join("bad\n\u{1b}[31m|\u{202e}name"), "hostile").unwrap();
}

fn day(setup: &Setup, days_ago: i64) -> NaiveDate {
    setup.modified.date_naive() - TimeDelta::days(days_ago)
}

/// Creates an archive that was written at 23:00 on its date, `days_ago`.
fn put(setup: &Setup, days_ago: i64, content: &[u8]) {
    let date = day(setup, days_ago);
    let path = setup.sshd.directory.join(archive_name(date));
    fs::write(&path, content).unwrap();
    let written = date.and_hms_opt(23, 0, 0).unwrap().and_utc();
    File::options().write(true).open(path).unwrap().set_modified(SystemTime::from(written)).unwrap();
}

/// Name, size and modification time of every entry in the folder.
fn folder_of(setup: &Setup) -> Vec<(String, u64, SystemTime)> {
    let state = |name: String| {
        let metadata = fs::symlink_metadata(setup.sshd.directory.join(&name)).unwrap();
        (name, metadata.len(), metadata.modified().unwrap())
    };
    setup.sshd.names().into_iter().map(state).collect()
}

/// False if midnight passed during the test.
fn is_still_today(setup: &Setup) -> bool {
    Utc::now().date_naive() == setup.modified.date_naive()
}

/// The line of the archive dated `days_ago`.
fn line_of(setup: &Setup, listed: &Outcome, days_ago: i64) -> String {
    let date = day(setup, days_ago).format("%a %Y-%m-%d ").to_string();
    let lines: Vec<&str> = listed.stdout.lines().filter(|line| line.starts_with(&date)).collect();
    assert_eq!(lines.len(), 1, "{date}: {}", listed.all());
    lines[0].split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn must_show(listed: &Outcome, words: &str) {
    assert!(listed.stdout.contains(words), "{words:?} is missing: {}", listed.all());
}

#[test]
fn archives_are_listed_oldest_first_with_the_action_of_the_next_run() {
    Setup::on_each_server(|setup| {
        put_everything(setup);
        let before = folder_of(setup);
        let listed = setup.call("list", &[]);
        if !is_still_today(setup) {
            return;
        }
        listed.exited_with(0);
        assert!(listed.stderr.lines().all(|line| line.contains("host key")), "{}", listed.all());
        assert_eq!(folder_of(setup), before, "a listing changes nothing");
        for (days_ago, action) in [
            (13, "remove expired, 13 days old"),
            (12, "remove expired, 12 days old"),
            (8, "keep 8 days old"),
            (1, "keep 1 day old"),
            (6, "keep empty"),
            (-1, "keep dated after today"),
        ] {
            assert!(line_of(setup, &listed, days_ago).ends_with(action), "{action:?}: {}", listed.all());
        }
        assert!(line_of(setup, &listed, 1).contains(&format!("{} 1.24 MiB", archive_name(day(setup, 1)))));
        let names: Vec<usize> = [13, 12, 8, 7, 6, 2, 1, -1]
            .iter()
            .map(|days_ago| listed.stdout.find(&archive_name(day(setup, *days_ago))).unwrap())
            .collect();
        assert!(names.is_sorted(), "{}", listed.all());
        for words in [
            "— 3 nights without an archive: ",
            "— 4 nights without an archive: ",
            "\n8 archives, ",
            "; 7 nights without one since ",
            "\n  next run   removes 3 files, unless it fails; ages are as of ",
            "\n  leftovers  1 unfinished upload (one may be in progress), 1 replaced archive whose replacement never arrived ",
            "\n  others     2 named like an archive, but not a regular file, 2 unrelated files; ",
            ".old: to be put back: its successor never came",
        ] {
            must_show(&listed, words);
        }
        assert!(!listed.stdout.contains("notes.txt") && !listed.stdout.contains('█'), "{}", listed.all());
        let free = listed.stdout.lines().find(|line| line.starts_with("  free ")).unwrap();
        assert!(free.ends_with('B'), "{free}");
    });
}

#[test]
fn verbose_output_names_foreign_files_which_cannot_forge_a_line() {
    Setup::on_each_server(|setup| {
        put_everything(setup);
        let listed = setup.call("list", &["-v"]);
        listed.exited_with(0);
        for words in
            ["\n  unrelated  notes.txt\n", "\n  unrelated  bad\\n\\u{1b}[31m|\\u{202e}name\n", "\n  no file    "]
        {
            must_show(&listed, words);
        }
        assert!(!listed.stdout.contains(['\u{1b}', '\u{202e}']));
    });
}

#[test]
fn the_archive_of_a_finished_run_is_the_newest() {
    Setup::on_each_server(|setup| {
        setup.run().exited_with(0);
        let listed = setup.call("list", &[]);
        listed.exited_with(0);
        let newest = format!("\n  newest     {}, 0 min old\n", setup.archive_name());
        must_show(&listed, &newest);
    });
}

#[test]
fn an_empty_folder_is_reported() {
    Setup::on_each_server(|setup| {
        let listed = setup.call("list", &[]);
        listed.exited_with(0);
        must_show(&listed, "\nThe folder is empty.\n");
        let json: Value = serde_json::from_str(&setup.call("list", &["--json"]).stdout).unwrap();
        assert_eq!((&json["archives"], &json["reference_day"]), (&json!([]), &json!(null)));
    });
}

/// The archives that the next run will remove. The table and the JSON document must agree on them and on all ages.
fn predicted(setup: &Setup) -> Vec<String> {
    let table = setup.call("list", &[]).stdout;
    let document: Value = serde_json::from_str(&setup.call("list", &["--json"]).stdout).unwrap();
    let archives = document["archives"].as_array().unwrap();
    for archive in archives {
        let line = table.lines().find(|line| line.contains(archive["name"].as_str().unwrap())).unwrap();
        assert!(line.contains(&format!("  {} d  ", archive["age_days"])), "{archive}: {line}");
    }
    let removed = archives.iter().filter(|archive| archive["action"] == "remove");
    let names: Vec<String> = removed.map(|archive| archive["name"].as_str().unwrap().to_owned()).collect();
    let count = if names.is_empty() { "nothing".to_owned() } else { format!("{} files", names.len()) };
    assert!(table.contains(&format!("next run   removes {count}")), "{table}");
    names
}

#[test]
fn the_next_run_removes_exactly_the_predicted_archives() {
    Setup::on_each_server(|setup| {
        for days_ago in 1..=30 {
            put(setup, days_ago, b"an archive");
        }
        for retention in [json!({}), json!({"keep_days": 4, "keep_weekly": 2, "keep_monthly": 1})] {
            setup.config["retention"] = retention;
            let predicted = predicted(setup);
            let before = setup.sshd.names();
            setup.run().exited_with(0);
            let after = setup.sshd.names();
            let removed: Vec<String> = before.into_iter().filter(|name| !after.contains(name)).collect();
            if !is_still_today(setup) {
                return;
            }
            let mut expected = predicted;
            expected.sort();
            assert_eq!(removed, expected);
            fs::remove_file(setup.archive()).unwrap();
        }
        // Once today's archive exists, the next run is tomorrow's.
        setup.run().exited_with(0);
        let document: Value = serde_json::from_str(&setup.call("list", &["--json"]).stdout).unwrap();
        assert_eq!(document["next_run"], day(setup, -1).to_string());
    });
}

#[test]
fn held_back_removal_is_explained() {
    Setup::on_each_server(|setup| {
        put_everything(setup);
        fs::write(setup.sshd.directory.join("20201231.tgz"), "day and month swapped").unwrap();
        let listed = setup.call("list", &[]);
        listed.exited_with(0);
        must_show(&listed, "removes nothing, removal is held back: \"20201231.tgz\" fits");
        must_show(&listed, "days old; removal is held back");
    });
}

#[test]
fn the_json_document_matches_the_published_schema() {
    let schema = fs::read_to_string("docs/list.schema.json").unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let schema = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    Setup::on_each_server(|setup| {
        put_everything(setup);
        let listed = setup.call("list", &["--json"]);
        listed.exited_with(0);
        assert!(listed.stderr.lines().all(|line| line.contains("host key")), "{}", listed.all());
        let document: Value = serde_json::from_str(&listed.stdout).unwrap();
        schema.validate(&document).unwrap_or_else(|error| panic!("{error} at {}", error.instance_path()));
        if !is_still_today(setup) {
            return;
        }
        let counts = ["nights_without_archive", "irregular", "foreign"].map(|field| document[field].as_u64().unwrap());
        assert_eq!(counts, [7, 2, 2]);
        assert_eq!(document["archives"].as_array().unwrap().len(), 8);
        let date = day(setup, 12);
        let expected = json!({
            "name": archive_name(date), "date": date.to_string(), "size": 200_000,
            "modified": format!("{date}T23:00:00Z"), "age_days": 12, "checksum": false, "action": "remove",
            "reason": "expired, 12 days old",
        });
        assert_eq!(document["archives"][1], expected);
        assert_eq!(document["reference_day"], day(setup, 1).to_string());
        assert_eq!(document["today"], day(setup, 0).to_string());
        assert_eq!(document["next_run"], day(setup, 0).to_string());
        assert!(document["free_bytes"].as_u64().unwrap() > 0);
        let as_of: DateTime<Utc> = document["as_of"].as_str().unwrap().parse().unwrap();
        assert!((Utc::now() - as_of).num_seconds() < 60);
    });
}

#[test]
fn the_published_schema_is_the_printed_one() {
    let printed = Command::new(program()).args(["list", "--json-schema"]).output().unwrap();
    assert!(printed.status.success());
    let published = fs::read_to_string("docs/list.schema.json").unwrap();
    assert!(
        published == String::from_utf8(printed.stdout).unwrap(),
        "regenerate docs/list.schema.json: scripting-system list --json-schema > docs/list.schema.json"
    );
}

/// The output of `list` on a terminal.
fn on_terminal(setup: &Setup, columns: u32, variables: &[(&str, &str)]) -> String {
    let config = setup.write_config();
    let command =
        format!("stty cols {columns} rows 50; {} list --config {} 2>/dev/null", program().display(), config.display());
    let mut script = Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).env("TZ", "UTC").env("TERM", "xterm").env("SHELL", "/bin/sh");
    script.env_remove("NO_COLOR").env_remove("SSH_AUTH_SOCK").envs(variables.iter().copied()).stdin(Stdio::null());
    String::from_utf8(script.output().unwrap().stdout).unwrap().replace("\r\n", "\n")
}

#[test]
fn a_wide_terminal_shows_bars_and_a_colour_terminal_colours() {
    Setup::on_each_server(|setup| {
        put_everything(setup);
        setup.call("list", &[]).exited_with(0);
        let wide = on_terminal(setup, 120, &[]);
        assert!(wide.contains("█████████████") && wide.contains("\u{1b}[31mremove"), "{wide}");
        let plain = on_terminal(setup, 120, &[("NO_COLOR", "1")]);
        assert_eq!(console::strip_ansi_codes(&wide).lines().count(), plain.lines().count());
        assert!(plain.contains("█████████████") && !plain.contains('\u{1b}'), "{plain}");
        assert!(!on_terminal(setup, 120, &[("TERM", "dumb")]).contains('\u{1b}'));
        let narrow = on_terminal(setup, 60, &[]);
        assert!(!narrow.contains('█') && narrow.contains("1.24 MiB"), "{narrow}");
    });
}

#[test]
fn each_error_has_an_exit_code_and_prints_no_listing() {
    Setup::on_each_server(|setup| {
        let good = setup.config.clone();
        let closed_port = closed_address().port();
        for (key, value, code, words) in [
            ("sftp.port", json!(closed_port), 4, "no connection to 127.0.0.1"),
            ("sftp.directory", json!("missing"), 4, "does not exist on the server"),
            ("sftp.username", json!("nobody-here"), 4, "refused the login"),
            ("sftp.port", json!(0), 3, "sftp.port: 0 is out of bounds"),
        ] {
            setup.set(key, value);
            for form in [&[][..], &["--json"]] {
                let listed = setup.call("list", form);
                listed.exited_with(code);
                assert!(listed.stderr.contains(words), "{words:?}: {}", listed.all());
                assert_eq!(listed.stdout, "");
            }
            setup.config = good.clone();
        }
        setup.call("list", &["--nonsense"]).exited_with(2);
    });
    let without =
        Command::new(program()).arg("list").env("SCRIPTING_SYSTEM_CONFIG", "/nonexistent.json").output().unwrap();
    assert_eq!(without.status.code(), Some(3));
    assert!(
        String::from_utf8_lossy(&without.stderr).contains("/nonexistent.json: the configuration file cannot be read")
    );
}

#[test]
fn a_signal_ends_the_listing() {
    let mut setup = Setup::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    setup.set("sftp.port", json!(listener.local_addr().unwrap().port()));
    for (signal, code) in [(rustix::process::Signal::INT, 130), (rustix::process::Signal::TERM, 143)] {
        let mut child = setup.command_of("list", &[]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // The server accepts the connection, but does not reply.
        let (socket, _) = listener.accept().unwrap();
        let mut greeting = String::new();
        BufReader::new(&socket).read_line(&mut greeting).unwrap();
        assert!(greeting.starts_with("SSH-2.0"), "{greeting}");
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn a_new_host_key_is_reported_until_a_run_stores_it() {
    Setup::on_each_server(|setup| {
        for _ in 0..2 {
            let listed = setup.call("list", &[]);
            listed.exited_with(0);
            assert!(listed.stderr.contains("the host key SHA256:"), "{}", listed.all());
            assert!(!setup.path("known_hosts").exists());
        }
        setup.run().exited_with(0);
        assert_eq!(setup.call("list", &[]).exited_with(0).stderr, "");
    });
}

#[test]
fn a_full_disk_at_standard_output_is_reported() {
    let setup = Setup::new();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = setup.command_of("list", &["--json"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("writing to standard output"));
}

#[test]
fn nights_thinned_out_by_retention_do_not_count_as_missing() {
    Setup::on_each_server(|setup| {
        for days_ago in [0, 1, 2, 3, 17, 24, 31] {
            put(setup, days_ago, b"an archive");
        }
        setup.set("retention", json!({"keep_days": 2, "keep_weekly": 8}));
        let listed = setup.call("list", &[]);
        must_show(&listed, "— 13 nights thinned out by retention\n");
        assert!(!listed.stdout.contains("without"), "{}", listed.all());
    });
}
