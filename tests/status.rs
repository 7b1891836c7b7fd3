//! `status` as a monitoring plugin: one line, the exit code, and performance data in the format of the guidelines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use chrono::TimeDelta;
use serde_json::json;
use testkit::servers::listener::closed_address;
use testkit::setup::archive_name;
use testkit::{Outcome, Setup, program};

/// A value of the performance data.
#[derive(Debug, PartialEq)]
struct Figure {
    value: i64,
    unit: String,
    critical: String,
}

impl Figure {
    /// Whether the value is not critical. The range `N` means 0 to N, `N:` means at least N.
    fn is_good(&self) -> bool {
        match self.critical.split_once(':') {
            _ if self.critical.is_empty() => true,
            Some((min, "")) => self.value >= min.parse().unwrap(),
            Some(range) => panic!("unexpected range {range:?}"),
            None => (0..=self.critical.parse().unwrap()).contains(&self.value),
        }
    }
}

/// The parsed line.
struct PluginLine {
    state: String,
    text: String,
    figures: BTreeMap<String, Figure>,
}

impl PluginLine {
    #[track_caller]
    fn assert_contains(&self, text: &str) {
        assert!(self.text.contains(text), "{text:?}: {}", self.text);
    }
}

/// Strictly parses a plugin's line: `SERVICE STATE - text`, then ` | ` and the performance data of the guidelines:
/// `'label'=value[unit];[warning];[critical];[minimum];[maximum]`, separated by single spaces. Warning and critical are
/// ranges (`10`, `10:`, `~:10`, `10:20`, `@10:20`), the others numbers; empty fields at the end may be omitted.
fn parse(stdout: &str) -> PluginLine {
    let line = stdout.strip_suffix('\n').unwrap_or_else(|| panic!("not a complete line: {stdout:?}"));
    assert!(!line.contains(char::is_control), "not a single line: {stdout:?}");
    assert!(line.matches('|').count() <= 1, "{line}");
    let (message, data) = line.split_once(" | ").map_or((line, None), |(message, data)| (message, Some(data)));
    assert!(!message.contains('|'), "{line}");
    let (state, text) = message.strip_prefix("SCRIPTING-SYSTEM ").unwrap().split_once(" - ").unwrap();
    assert!(["OK", "WARNING", "CRITICAL", "UNKNOWN"].contains(&state) && !text.is_empty(), "{line}");
    let figures = data.into_iter().flat_map(|data| data.split(' ')).map(figure).collect();
    PluginLine { state: state.to_owned(), text: text.to_owned(), figures }
}

fn figure(text: &str) -> (String, Figure) {
    let (label, rest) = text.split_once('=').unwrap_or_else(|| panic!("no label in {text:?}"));
    assert!(!label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "quote {label:?}");
    let fields: Vec<&str> = rest.split(';').collect();
    assert!(fields.len() <= 5, "{text:?}");
    let unit_at = fields[0].find(|c: char| !(c.is_ascii_digit() || c == '-' || c == '.')).unwrap_or(fields[0].len());
    let (value, unit) = fields[0].split_at(unit_at);
    let units = ["", "s", "us", "ms", "%", "B", "KB", "MB", "TB", "c"];
    assert!(units.contains(&unit), "{text:?}");
    let is_number = |text: &str| text.parse::<f64>().is_ok() && text.chars().all(|c| "-.0123456789".contains(c));
    let is_range = |text: &str| {
        let range = text.strip_prefix('@').unwrap_or(text);
        match range.split_once(':') {
            Some((low, high)) => (low == "~" || is_number(low)) && (high.is_empty() || is_number(high)),
            None => is_number(range),
        }
    };
    for (index, field) in fields.iter().enumerate().skip(1).filter(|(_, field)| !field.is_empty()) {
        assert!(if index <= 2 { is_range(field) } else { is_number(field) }, "field {index} of {text:?}");
    }
    let critical = fields.get(2).copied().unwrap_or_default().to_owned();
    (label.to_owned(), Figure { value: value.parse().unwrap(), unit: unit.to_owned(), critical })
}

/// Asserts that the program printed exactly one line, with the exit code and state `code`.
#[track_caller]
fn parse_outcome(outcome: &Outcome, code: i32) -> PluginLine {
    assert_eq!(outcome.code, code, "{}", outcome.all());
    assert_eq!(outcome.stderr, "");
    let line = parse(&outcome.stdout);
    assert_eq!(line.state, ["OK", "WARNING", "CRITICAL", "UNKNOWN"][code as usize]);
    line
}

fn outcome(output: Output) -> Outcome {
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        log: String::new(),
    }
}

/// Creates the archive of `days_ago`, last written `age` ago.
fn create_archive(setup: &Setup, days_ago: i64, content: &[u8], age: Duration) {
    let date = setup.modified.date_naive() - TimeDelta::days(days_ago);
    create_file(setup, &archive_name(date), content, age);
}

fn create_file(setup: &Setup, name: &str, content: &[u8], age: Duration) {
    let path = setup.sshd.directory.join(name);
    fs::write(&path, content).unwrap();
    let modified = SystemTime::now() - age;
    File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn after_a_good_run_the_state_is_ok() {
    Setup::on_each_server(|setup| {
        setup.run().exited_with(0);
        let size = fs::metadata(setup.archive()).unwrap().len();
        let line = parse_outcome(&setup.call("status", &["--min-size", "10kB"]), 0);
        assert!(line.text.starts_with(&format!("{} is 0 min old, ", setup.archive_name())), "{}", line.text);
        let figures = &line.figures;
        assert_eq!(figures.keys().collect::<Vec<_>>(), ["age", "archives", "free", "size"]);
        assert!((0..120).contains(&figures["age"].value), "{figures:?}");
        assert_eq!((figures["age"].unit.as_str(), figures["age"].critical.as_str()), ("s", "93600"));
        assert_eq!(figures["size"].value, i64::try_from(size).unwrap());
        assert_eq!((figures["size"].unit.as_str(), figures["size"].critical.as_str()), ("B", "10000:"));
        assert_eq!(figures["archives"].value, 1);
        assert!(figures["free"].value > 0 && figures.values().all(Figure::is_good), "{figures:?}");
    });
}

#[test]
fn an_old_or_small_archive_is_critical_and_the_performance_data_agrees() {
    Setup::on_each_server(|setup| {
        create_archive(setup, 1, &[7; 5000], HOUR * 20);
        for (arguments, code, expected) in [
            (&["--max-age", "21h"][..], 0, ""),
            (&["--max-age", "19h"], 2, "age"),
            (&["--max-age", "90m"], 2, "age"),
            (&["--max-age", "2d"], 0, ""),
            (&["--min-size", "5000"], 0, ""),
            (&["--min-size", "5kB"], 0, ""),
            (&["--min-size", "5KiB"], 2, "size"),
            (&["--min-size", "1MB"], 2, "size"),
            (&["--min-size", "10M"], 2, "size"),
        ] {
            let line = parse_outcome(&setup.call("status", arguments), code);
            let critical: Vec<&str> =
                line.figures.iter().filter(|(_, figure)| !figure.is_good()).map(|(label, _)| label.as_str()).collect();
            assert_eq!(critical.concat(), expected, "{arguments:?}: {} {:?}", line.text, line.figures);
        }
        parse_outcome(&setup.call("status", &["--max-age", "19h", "--min-size", "1MiB"]), 2)
            .assert_contains("old (more than 19 h), 4.88 KiB (less than 1.00 MiB (1,048,576 bytes))");
    });
}

#[test]
fn without_an_archive_the_state_is_critical() {
    Setup::on_each_server(|setup| {
        let line = parse_outcome(&setup.call("status", &[]), 2);
        assert!(line.text.starts_with("no archive on the server"), "{}", line.text);
        create_archive(setup, 1, b"", HOUR);
        create_file(setup, &setup.part_of(&archive_name(setup.modified.date_naive())), b"half", HOUR);
        create_file(setup, "20261311.zip", b"foreign", HOUR);
        fs::create_dir(setup.archive()).unwrap();
        let line = parse_outcome(&setup.call("status", &[]), 2);
        assert!(line.text.starts_with("no archive on the server"), "{}", line.text);
        assert_eq!(line.figures["archives"].value, 0);
        assert!(!line.figures.contains_key("age") && !line.figures.contains_key("size"));
    });
}

#[test]
fn leftovers_held_back_removal_and_wrong_clocks_are_warnings() {
    Setup::on_each_server(|setup| {
        let part = setup.part_of(&archive_name(setup.modified.date_naive()));
        create_archive(setup, 1, b"an archive", HOUR * 9);
        create_file(setup, &part, b"half of one in progress", HOUR);
        setup.call("list", &[]).exited_with(0);
        parse_outcome(&setup.call("status", &[]), 0);

        create_file(setup, &part, b"half", HOUR * 27);
        parse_outcome(&setup.call("status", &[]), 1)
            .assert_contains("1 leftover of interrupted runs stayed, such as .20");
        fs::remove_file(setup.sshd.directory.join(part)).unwrap();

        create_file(setup, "20201231.tgz", b"swapped", HOUR * 9);
        parse_outcome(&setup.call("status", &[]), 1)
            .assert_contains("removal is held back: \"20201231.tgz\" fits archive.name only");
        fs::remove_file(setup.sshd.directory.join("20201231.tgz")).unwrap();

        create_archive(setup, -2, b"future", HOUR);
        parse_outcome(&setup.call("status", &[]), 1).assert_contains("is dated after today");
        fs::remove_file(setup.sshd.directory.join(archive_name(setup.modified.date_naive() + TimeDelta::days(2))))
            .unwrap();

        let path = setup.sshd.directory.join(setup.archive_name());
        fs::write(&path, "written tomorrow").unwrap();
        File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() + HOUR * 5).unwrap();
        let line = parse_outcome(&setup.call("status", &[]), 1);
        line.assert_contains("in the future");
        assert_eq!(line.figures["age"].value, 0);
    });
}

#[test]
fn an_old_archive_that_was_copied_today_is_as_old_as_its_date() {
    Setup::on_each_server(|setup| {
        create_archive(setup, 5, b"an archive", Duration::from_secs(60));
        let line = parse_outcome(&setup.call("status", &[]), 2);
        assert!(line.figures["age"].value > 3 * 86_400, "{:?}", line.figures);
    });
}

#[test]
fn hostile_file_names_cannot_break_the_line() {
    Setup::on_each_server(|setup| {
        setup.set("archive.name", json!("a|b;'=%Y%d%m"));
        let date = setup.modified.date_naive() - TimeDelta::days(1);
        create_file(setup, &format!("a|b;'={}", archive_name(date)), b"an archive", HOUR);
        for name in ["x\n20262311.tgz", "x | age=0s", "\u{202e}gzt", "\u{1b}[2J"] {
            create_file(setup, name, b"hostile", HOUR);
        }
        let line = parse_outcome(&setup.call("status", &[]), 0);
        assert!(line.text.starts_with("a\\u{7c}b;'="), "{}", line.text);
        assert_eq!(line.figures["archives"].value, 1);
    });
}

#[test]
fn an_unusable_server_is_critical() {
    Setup::on_each_server(|setup| {
        let good = setup.config.clone();
        let free = closed_address().port();
        for (key, value, text) in [
            ("sftp.port", json!(free), "no connection to 127.0.0.1"),
            ("sftp.host", json!("no-such-host.invalid"), "cannot be resolved"),
            ("sftp.directory", json!("missing|here"), "\"missing\\u{7c}here\" does not exist on the server"),
            ("sftp.username", json!("nobody-here"), "refused the login"),
            ("sftp.host_key", json!(format!("SHA256:{}", "A".repeat(43))), "host key"),
        ] {
            setup.set(key, value);
            let line = parse_outcome(&setup.call("status", &[]), 2);
            assert!(line.text.contains(text) && line.figures.is_empty(), "{text:?}: {}", line.text);
            setup.config = good.clone();
        }
    });
}

#[test]
fn a_wrong_password_is_critical_and_tried_once_and_not_printed() {
    let mut setup = Setup::new();
    let server = setup.serve_sftp(|builder| builder);
    setup.set("sftp.password", json!("wr0ng-password"));
    let line = parse_outcome(&setup.call("status", &[]), 2);
    assert!(line.text.contains("sftp.password was refused") && !line.text.contains("wr0ng"), "{}", line.text);
    assert_eq!((server.auth_attempts().len(), server.connections()), (1, 1));
}

#[test]
fn status_opens_one_connection_and_changes_nothing() {
    let mut setup = Setup::new();
    let server = setup.serve_sftp(|builder| builder);
    create_archive(&setup, 1, b"an archive", HOUR);
    let names = setup.sshd.names();
    parse_outcome(&setup.call("status", &[]), 0);
    assert_eq!((server.connections(), server.bytes_written(), setup.sshd.names()), (1, 0, names));
}

#[test]
fn a_silent_server_is_critical_after_the_timeout() {
    let mut setup = Setup::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    setup.set("sftp.port", json!(listener.local_addr().unwrap().port()));
    let begun = Instant::now();
    let line = parse_outcome(&setup.call("status", &["--timeout", "1s"]), 2);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(line.text.contains("no answer") || line.text.contains("an SSH server that answers"), "{}", line.text);
    // This server answers too slowly.
    let _slow = setup.serve_sftp(|builder| builder.stat_delay(Duration::from_secs(20)));
    let line = parse_outcome(&setup.call("status", &["-t", "1s"]), 2);
    line.assert_contains("1 s");
}

#[test]
fn a_local_problem_is_unknown() {
    Setup::on_each_server(|setup| {
        let good = setup.config.clone();
        setup.set("sftp.port", json!(0)).set("sftp.hots", json!("x|y"));
        let line = parse_outcome(&setup.call("status", &[]), 3);
        assert!(line.text.contains("sftp.port: 0 is out of bounds") && line.text.contains("(1 more"), "{}", line.text);
        setup.config = good;
        fs::write(setup.path("known_hosts"), "127.0.0.1 not-a-key\n").unwrap();
        parse_outcome(&setup.call("status", &[]), 3).assert_contains("known_hosts");
        let config = setup.write_config();
        fs::set_permissions(&config, fs::Permissions::from_mode(0o666)).unwrap();
        let open = Command::new(program()).arg("status").arg("--config").arg(&config).output().unwrap();
        parse_outcome(&outcome(open), 3);
    });
    let missing = Command::new(program()).args(["status", "--config", "/no/such|file.json"]).output().unwrap();
    parse_outcome(&outcome(missing), 3).assert_contains("/no/such\\u{7c}file.json");
}

#[test]
fn a_wrong_command_line_is_unknown_for_status_and_exit_code_2_for_other_commands() {
    for (arguments, text) in [
        (&["status"][..], "/nonexistent.json: the configuration file cannot be read"),
        (&["-v", "status"], "/nonexistent.json: the configuration file cannot be read"),
        (&["status", "--config", "x", "--nonsense\n|"], "unexpected argument"),
        (&["status", "--config", "x", "--max-age", "soon"], "--max-age"),
        (&["status", "--config", "x", "--max-age", "26"], "give a number and a unit, such as 90m, 26h or 2d"),
        (&["status", "--config", "x", "--min-size", "big"], "--min-size"),
        (&["status", "--config", "x", "--timeout", "0s"], "give a time from 1s to 1h"),
        (&["status", "--config", "x", "--timeout", "1000years"], "give a time from 1s to 1h"),
    ] {
        let mut command = Command::new(program());
        command.args(arguments).env("SCRIPTING_SYSTEM_CONFIG", "/nonexistent.json");
        parse_outcome(&outcome(command.output().unwrap()), 3).assert_contains(text);
    }
    for (arguments, code) in
        [(&["list", "--nonsense"][..], 2), (&["--nonsense"], 2), (&["status", "--help"], 0), (&["--version"], 0)]
    {
        let output = Command::new(program()).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(!String::from_utf8_lossy(&output.stdout).contains("UNKNOWN -"), "{arguments:?}");
    }
}

#[test]
fn a_signal_is_unknown() {
    let mut setup = Setup::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    setup.set("sftp.port", json!(listener.local_addr().unwrap().port()));
    let child = setup
        .command_of("status", &["--timeout", "60s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _socket = listener.accept().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    let line = parse_outcome(&outcome(child.wait_with_output().unwrap()), 3);
    line.assert_contains("interrupted (SIGTERM)");
}

#[test]
fn verbose_details_are_printed_on_stderr_only() {
    Setup::on_each_server(|setup| {
        create_archive(setup, 1, b"an archive", HOUR);
        let free = closed_address().port();
        let outcome = setup.call("status", &["-v"]);
        assert_eq!((outcome.code, parse(&outcome.stdout).state.as_str()), (0, "OK"), "{}", outcome.all());
        assert!(outcome.stderr.contains("entries in sftp.directory: 1"), "{}", outcome.all());
        setup.set("sftp.port", json!(free));
        let outcome = setup.call("status", &["-vv"]);
        assert_eq!((outcome.code, parse(&outcome.stdout).state.as_str()), (2, "CRITICAL"), "{}", outcome.all());
    });
}

#[test]
fn a_new_host_key_is_reported_until_a_run_stores_it() {
    Setup::on_each_server(|setup| {
        create_archive(setup, 1, b"an archive", HOUR);
        for _ in 0..2 {
            parse_outcome(&setup.call("status", &[]), 0).assert_contains("; host key SHA256:");
        }
        setup.run().exited_with(0);
        assert!(!parse_outcome(&setup.call("status", &[]), 0).text.contains("host key"));
    });
}

#[test]
fn performance_data_that_violates_the_guidelines_is_detected() {
    for text in ["age=1h", "age=1s;;x", "age=1s;;1:2:3", "age=;;", "a b=1", "age", "age=1s;;;~:1", "age=1s;;;;;1"] {
        assert!(std::panic::catch_unwind(|| figure(text)).is_err(), "{text}");
    }
    assert_eq!(figure("size=5B;;10:;0").1, Figure { value: 5, unit: "B".to_owned(), critical: "10:".to_owned() });
    assert!(!figure("size=5B;;10:;0").1.is_good() && figure("age=5s;;10;0").1.is_good());
}
