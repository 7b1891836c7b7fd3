//! `status` for a monitoring system: one line, its exit code, and performance data in the guidelines' grammar.
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
    /// Whether the value is in the good range: `N` is from 0 to N, `N:` is N and more.
    fn is_good(&self) -> bool {
        match self.critical.split_once(':') {
            _ if self.critical.is_empty() => true,
            Some((least, "")) => self.value >= least.parse().unwrap(),
            Some(other) => panic!("this program prints no range like {other:?}"),
            None => (0..=self.critical.parse().unwrap()).contains(&self.value),
        }
    }
}

/// The parsed line.
struct Answer {
    state: String,
    text: String,
    figures: BTreeMap<String, Figure>,
}

impl Answer {
    #[track_caller]
    fn must_say(&self, words: &str) {
        assert!(self.text.contains(words), "{words:?}: {}", self.text);
    }
}

/// Parses the one line of a plugin strictly: `SERVICE STATE - text`, then ` | ` and the performance data of the
/// guidelines: `'label'=value[unit];[warning];[critical];[minimum];[maximum]`, separated by single spaces. Warning and
/// critical are ranges (`10`, `10:`, `~:10`, `10:20`, `@10:20`), the others numbers; empty fields at the end may be missing.
fn parse(stdout: &str) -> Answer {
    let line = stdout.strip_suffix('\n').unwrap_or_else(|| panic!("no whole line: {stdout:?}"));
    assert!(!line.contains(char::is_control), "more than a line: {stdout:?}");
    assert!(line.matches('|').count() <= 1, "{line}");
    let (message, data) = line.split_once(" | ").map_or((line, None), |(message, data)| (message, Some(data)));
    assert!(!message.contains('|'), "{line}");
    let (state, text) = message.strip_prefix("SCRIPTING-SYSTEM ").unwrap().split_once(" - ").unwrap();
    assert!(["OK", "WARNING", "CRITICAL", "UNKNOWN"].contains(&state) && !text.is_empty(), "{line}");
    let figures = data.into_iter().flat_map(|data| data.split(' ')).map(figure).collect();
    Answer { state: state.to_owned(), text: text.to_owned(), figures }
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
    for (place, field) in fields.iter().enumerate().skip(1).filter(|(_, field)| !field.is_empty()) {
        assert!(if place <= 2 { is_range(field) } else { is_number(field) }, "field {place} of {text:?}");
    }
    let critical = fields.get(2).copied().unwrap_or_default().to_owned();
    (label.to_owned(), Figure { value: value.parse().unwrap(), unit: unit.to_owned(), critical })
}

/// The program must have printed exactly one line, with the exit code and state `code`.
#[track_caller]
fn ended(outcome: &Outcome, code: i32) -> Answer {
    assert_eq!(outcome.code, code, "{}", outcome.all());
    assert_eq!(outcome.stderr, "");
    let answer = parse(&outcome.stdout);
    assert_eq!(answer.state, ["OK", "WARNING", "CRITICAL", "UNKNOWN"][code as usize]);
    answer
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
fn put(setup: &Setup, days_ago: i64, content: &[u8], age: Duration) {
    let date = setup.modified.date_naive() - TimeDelta::days(days_ago);
    put_as(setup, &archive_name(date), content, age);
}

fn put_as(setup: &Setup, name: &str, content: &[u8], age: Duration) {
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
        let answer = ended(&setup.call("status", &["--min-size", "10kB"]), 0);
        assert!(answer.text.starts_with(&format!("{} is 0 min old, ", setup.archive_name())), "{}", answer.text);
        let figures = &answer.figures;
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
fn an_old_or_small_archive_is_critical_and_the_figures_agree() {
    Setup::on_each_server(|setup| {
        put(setup, 1, &[7; 5000], HOUR * 20);
        for (arguments, code, broken) in [
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
            let answer = ended(&setup.call("status", arguments), code);
            let wrong: Vec<&str> = answer
                .figures
                .iter()
                .filter(|(_, figure)| !figure.is_good())
                .map(|(label, _)| label.as_str())
                .collect();
            assert_eq!(wrong.concat(), broken, "{arguments:?}: {} {:?}", answer.text, answer.figures);
        }
        ended(&setup.call("status", &["--max-age", "19h", "--min-size", "1MiB"]), 2)
            .must_say("old (more than 19 h), 4.88 KiB (less than 1.00 MiB (1,048,576 bytes))");
    });
}

#[test]
fn without_an_archive_the_state_is_critical() {
    Setup::on_each_server(|setup| {
        let answer = ended(&setup.call("status", &[]), 2);
        assert!(answer.text.starts_with("no archive on the server"), "{}", answer.text);
        put(setup, 1, b"", HOUR);
        put_as(setup, &setup.part_of(&archive_name(setup.modified.date_naive())), b"half", HOUR);
        put_as(setup, "20261311.zip", b"foreign", HOUR);
        fs::create_dir(setup.archive()).unwrap();
        let answer = ended(&setup.call("status", &[]), 2);
        assert!(answer.text.starts_with("no archive on the server"), "{}", answer.text);
        assert_eq!(answer.figures["archives"].value, 0);
        assert!(!answer.figures.contains_key("age") && !answer.figures.contains_key("size"));
    });
}

#[test]
fn leftovers_held_back_removal_and_wrong_clocks_are_warnings() {
    Setup::on_each_server(|setup| {
        let part = setup.part_of(&archive_name(setup.modified.date_naive()));
        put(setup, 1, b"an archive", HOUR * 9);
        put_as(setup, &part, b"half of one in progress", HOUR);
        setup.call("list", &[]).exited_with(0);
        ended(&setup.call("status", &[]), 0);

        put_as(setup, &part, b"half", HOUR * 27);
        ended(&setup.call("status", &[]), 1).must_say("1 leftover of interrupted runs stayed, such as .20");
        fs::remove_file(setup.sshd.directory.join(part)).unwrap();

        put_as(setup, "20201231.tgz", b"swapped", HOUR * 9);
        ended(&setup.call("status", &[]), 1).must_say("removal is held back: \"20201231.tgz\" fits archive.name only");
        fs::remove_file(setup.sshd.directory.join("20201231.tgz")).unwrap();

        put(setup, -2, b"future", HOUR);
        ended(&setup.call("status", &[]), 1).must_say("is dated after today");
        fs::remove_file(setup.sshd.directory.join(archive_name(setup.modified.date_naive() + TimeDelta::days(2))))
            .unwrap();

        let path = setup.sshd.directory.join(setup.archive_name());
        fs::write(&path, "written tomorrow").unwrap();
        File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() + HOUR * 5).unwrap();
        let answer = ended(&setup.call("status", &[]), 1);
        answer.must_say("in the future");
        assert_eq!(answer.figures["age"].value, 0);
    });
}

#[test]
fn an_old_archive_that_was_copied_today_is_as_old_as_its_date() {
    Setup::on_each_server(|setup| {
        put(setup, 5, b"an archive", Duration::from_secs(60));
        let answer = ended(&setup.call("status", &[]), 2);
        assert!(answer.figures["age"].value > 3 * 86_400, "{:?}", answer.figures);
    });
}

#[test]
fn hostile_names_cannot_break_the_line() {
    Setup::on_each_server(|setup| {
        setup.set("archive.name", json!("a|b;'=%Y%d%m"));
        let date = setup.modified.date_naive() - TimeDelta::days(1);
        put_as(setup, &format!("a|b;'={}", archive_name(date)), b"an archive", HOUR);
        for name in ["x\n20262311.tgz", "x | age=0s", "\u{202e}gzt", "\u{1b}[2J"] {
            put_as(setup, name, b"hostile", HOUR);
        }
        let answer = ended(&setup.call("status", &[]), 0);
        assert!(answer.text.starts_with("a\\u{7c}b;'="), "{}", answer.text);
        assert_eq!(answer.figures["archives"].value, 1);
    });
}

#[test]
fn a_server_that_cannot_be_used_is_critical() {
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
            let answer = ended(&setup.call("status", &[]), 2);
            assert!(answer.text.contains(text) && answer.figures.is_empty(), "{text:?}: {}", answer.text);
            setup.config = good.clone();
        }
    });
}

#[test]
fn a_wrong_password_is_critical_tried_once_and_not_shown() {
    let mut setup = Setup::new();
    let server = setup.serve_sftp(|builder| builder);
    setup.set("sftp.password", json!("wr0ng-password"));
    let answer = ended(&setup.call("status", &[]), 2);
    assert!(answer.text.contains("sftp.password was refused") && !answer.text.contains("wr0ng"), "{}", answer.text);
    assert_eq!((server.auth_attempts().len(), server.connections()), (1, 1));
}

#[test]
fn one_connection_is_enough_and_nothing_is_changed() {
    let mut setup = Setup::new();
    let server = setup.serve_sftp(|builder| builder);
    put(&setup, 1, b"an archive", HOUR);
    let names = setup.sshd.names();
    ended(&setup.call("status", &[]), 0);
    assert_eq!((server.connections(), server.bytes_written(), setup.sshd.names()), (1, 0, names));
}

#[test]
fn a_silent_server_is_critical_in_time() {
    let mut setup = Setup::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    setup.set("sftp.port", json!(listener.local_addr().unwrap().port()));
    let begun = Instant::now();
    let answer = ended(&setup.call("status", &["--timeout", "1s"]), 2);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(answer.text.contains("no answer") || answer.text.contains("an SSH server that answers"), "{}", answer.text);
    // It answers, but too slowly.
    let _slow = setup.serve_sftp(|builder| builder.stat_delay(Duration::from_secs(20)));
    let answer = ended(&setup.call("status", &["-t", "1s"]), 2);
    answer.must_say("1 s");
}

#[test]
fn a_problem_on_this_machine_is_unknown() {
    Setup::on_each_server(|setup| {
        let good = setup.config.clone();
        setup.set("sftp.port", json!(0)).set("sftp.hots", json!("x|y"));
        let answer = ended(&setup.call("status", &[]), 3);
        assert!(
            answer.text.contains("sftp.port: 0 is out of bounds") && answer.text.contains("(1 more"),
            "{}",
            answer.text
        );
        setup.config = good;
        fs::write(setup.path("known_hosts"), "127.0.0.1 not-a-key\n").unwrap();
        ended(&setup.call("status", &[]), 3).must_say("known_hosts");
        let config = setup.write_config();
        fs::set_permissions(&config, fs::Permissions::from_mode(0o666)).unwrap();
        let open = Command::new(program()).arg("status").arg("--config").arg(&config).output().unwrap();
        ended(&outcome(open), 3);
    });
    let missing = Command::new(program()).args(["status", "--config", "/no/such|file.json"]).output().unwrap();
    ended(&outcome(missing), 3).must_say("/no/such\\u{7c}file.json");
}

#[test]
fn a_wrong_command_line_is_unknown_for_status_and_exit_code_2_for_others() {
    for (arguments, text) in [
        (&["status"][..], "--config <FILE>"),
        (&["-v", "status"], "--config <FILE>"),
        (&["status", "--config", "x", "--nonsense\n|"], "unexpected argument"),
        (&["status", "--config", "x", "--max-age", "soon"], "--max-age"),
        (&["status", "--config", "x", "--max-age", "26"], "give a number and a unit, such as 90m, 26h or 2d"),
        (&["status", "--config", "x", "--min-size", "big"], "--min-size"),
        (&["status", "--config", "x", "--timeout", "0s"], "give a time from 1s to 1h"),
        (&["status", "--config", "x", "--timeout", "1000years"], "give a time from 1s to 1h"),
    ] {
        ended(&outcome(Command::new(program()).args(arguments).output().unwrap()), 3).must_say(text);
    }
    for (arguments, code) in [(&["list"][..], 2), (&["--nonsense"], 2), (&["status", "--help"], 0), (&["--version"], 0)]
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
    let answer = ended(&outcome(child.wait_with_output().unwrap()), 3);
    answer.must_say("interrupted (SIGTERM)");
}

#[test]
fn with_v_details_go_to_stderr_and_stdout_is_still_one_line() {
    Setup::on_each_server(|setup| {
        put(setup, 1, b"an archive", HOUR);
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
        put(setup, 1, b"an archive", HOUR);
        for _ in 0..2 {
            ended(&setup.call("status", &[]), 0).must_say("; host key SHA256:");
        }
        setup.run().exited_with(0);
        assert!(!ended(&setup.call("status", &[]), 0).text.contains("host key"));
    });
}

#[test]
fn figures_that_break_the_guidelines_are_detected() {
    for text in ["age=1h", "age=1s;;x", "age=1s;;1:2:3", "age=;;", "a b=1", "age", "age=1s;;;~:1", "age=1s;;;;;1"] {
        assert!(std::panic::catch_unwind(|| figure(text)).is_err(), "{text}");
    }
    assert_eq!(figure("size=5B;;10:;0").1, Figure { value: 5, unit: "B".to_owned(), critical: "10:".to_owned() });
    assert!(!figure("size=5B;;10:;0").1.is_good() && figure("age=5s;;10;0").1.is_good());
}
