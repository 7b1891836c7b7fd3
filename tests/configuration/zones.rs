//! `TZ`: the names of the job's zone, with this machine's database and without one, and invalid names.

use std::process::Command;

use chrono::{DateTime, Local, NaiveDateTime, Offset as _, TimeZone as _, Utc};
use scripting_system::config;
use scripting_system::config::{Environment, LoadError};

use crate::fixture::{Fixture, minimal};

/// The offset of the zone of `variables` in winter and in summer, in hours ahead of UTC.
fn offsets(variables: &[(&str, &str)]) -> [i32; 2] {
    let zone = Environment::new(None, variables.iter().copied()).zone();
    ["2026-01-15T12:00:00Z", "2037-07-15T12:00:00Z"]
        .map(|time| time.parse::<DateTime<Utc>>().unwrap().with_timezone(&zone).offset().fix().local_minus_utc() / 3600)
}

/// The mistakes with `TZ` set to `value`.
fn mistakes(value: &str) -> String {
    let fixture = Fixture::new().variable("TZ", value);
    let path = fixture.file("config.json", minimal().to_string(), 0o600);
    match config::load(&path, &fixture.environment()) {
        Ok(_) => String::new(),
        Err(LoadError::Mistakes { mistakes, .. }) => mistakes.iter().map(ToString::to_string).collect(),
        Err(other) => panic!("{other}"),
    }
}

const NAMES: [(&str, [i32; 2]); 7] = [
    ("Europe/Paris", [1, 2]),
    (":Europe/Paris", [1, 2]),
    ("America/New_York", [-5, -4]),
    ("UTC", [0, 0]),
    ("Etc/GMT+12", [-12, -12]),
    ("", [0, 0]),
    (":", [0, 0]),
];

#[test]
fn a_zone_is_named_as_for_tzset() {
    let rules = [
        ("CET-1CEST,M3.5.0,M10.5.0/3", [1, 2]),
        ("XYZ-14", [14, 14]),
        ("<+0330>-3:30", [3, 3]),
        ("/usr/share/zoneinfo/Asia/Tokyo", [9, 9]),
        (":/usr/share/zoneinfo/Asia/Tokyo", [9, 9]),
    ];
    for (value, expected) in NAMES.iter().chain(&rules) {
        assert_eq!(offsets(&[("TZ", value)]), *expected, "{value}");
        assert_eq!(mistakes(value), "", "{value}");
    }
}

#[test]
fn without_a_database_the_built_in_one_is_used() {
    let empty = tempfile::tempdir().unwrap();
    for (value, expected) in NAMES {
        assert_eq!(offsets(&[("TZ", value), ("TZDIR", empty.path().to_str().unwrap())]), expected, "{value}");
    }
}

#[test]
fn an_unknown_zone_is_a_mistake_with_the_nearest_known_one() {
    for (value, fix) in [
        ("Europe/Pariss", "did you mean \"Europe/Paris\"?"),
        ("europe/paris", "did you mean \"Europe/Paris\"?"),
        ("Mars/Phobos", "write a name such as"),
        ("CEST", ""),
        ("CET-1CEST", ""),
        ("/etc/passwd", "is not a zone file"),
        ("/nonexistent", "is not a zone file"),
        ("../zoneinfo", ""),
        (" ", ""),
    ] {
        let reported = mistakes(value);
        assert!(
            reported.starts_with(&format!("the variable TZ: \"{value}\" ")) && reported.contains(fix),
            "{value}: {reported}"
        );
    }
}

#[test]
fn times_are_converted_as_by_the_system() {
    // Against chrono's zone of this machine, which these tests do not change.
    let none: [(&str, &str); 0] = [];
    let zone = Environment::new(None, none).zone();
    let days = (0..20_000).filter_map(|hours| DateTime::from_timestamp(1_700_000_000 + hours * 3_600, 0));
    for time in days {
        assert_eq!(time.with_timezone(&zone).naive_local(), time.with_timezone(&Local).naive_local());
    }
    // Against the built-in database, over a year with clock changes.
    for name in ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/St_Johns"] {
        let (zone, built_in) = (Environment::new(None, [("TZ", name)]).zone(), name.parse::<chrono_tz::Tz>().unwrap());
        let begin: NaiveDateTime = "2025-01-01T00:00:00".parse().unwrap();
        for local in (0..365 * 48).map(|halves| begin + chrono::TimeDelta::minutes(30 * halves)) {
            let (actual, expected) = (zone.from_local_datetime(&local), built_in.from_local_datetime(&local));
            assert_eq!(
                (actual.earliest().map(|it| it.offset().fix()), actual.latest().map(|it| it.offset().fix())),
                (expected.earliest().map(|it| it.offset().fix()), expected.latest().map(|it| it.offset().fix())),
                "{name} {local}"
            );
        }
    }
}

/// Runs `script` in its own mount namespace, with an empty environment and the program as `$1`. Returns exit code and stderr.
fn run_in_namespace(script: &str) -> (Option<i32>, String) {
    let output = Command::new("unshare")
        .args(["-m", "env", "-i", "PATH=/usr/bin:/bin:/usr/sbin:/sbin", "sh", "-c", script, "sh"])
        .arg(testkit::program())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Today's date for a run, from its error about a future date.
fn today(prepare: &str, tz: &str) -> String {
    let run = format!("{prepare}; {tz} exec \"$1\" run --config /nonexistent --date 2999-01-01");
    let (code, reported) = run_in_namespace(&run);
    assert_eq!(code, Some(2), "{reported}");
    reported.trim().rsplit_once(' ').unwrap().1.to_owned()
}

#[test]
fn the_run_date_is_in_the_zone_without_a_database() {
    const BARE: &str = "mount -t tmpfs tmpfs /usr/share/zoneinfo";
    let in_zone = |name: &str| loop {
        let date = || Utc::now().with_timezone(&name.parse::<chrono_tz::Tz>().unwrap()).date_naive().to_string();
        let (before, shown, after) = (date(), today(BARE, &format!("TZ={name}")), date());
        if before == after {
            break (shown, before);
        }
    };
    // The dates in these two always differ.
    for name in ["Pacific/Kiritimati", "Etc/GMT+12"] {
        let (shown, expected) = in_zone(name);
        assert_eq!(shown, expected, "{name}");
    }
    // A dangling link still names the zone; without a link it is UTC.
    let linked = format!(
        "{BARE}; mkdir /tmp/etc.$$; mount -t tmpfs tmpfs /tmp/etc.$$; cp -a /etc/. /tmp/etc.$$; mount --move /tmp/etc.$$ \
         /etc; rmdir /tmp/etc.$$; rm -f /etc/localtime"
    );
    let kiritimati = format!("{linked}; ln -s /usr/share/zoneinfo/Pacific/Kiritimati /etc/localtime");
    let (with_link, without) = (today(&kiritimati, ""), today(&linked, ""));
    assert_eq!(with_link, in_zone("Pacific/Kiritimati").1);
    assert_eq!(without, in_zone("UTC").1);
}

#[test]
fn an_invalid_localtime_is_a_mistake_unless_tz_is_set() {
    let fixture = Fixture::new();
    let path = fixture.file("config.json", "{}", 0o600);
    let script = format!("mount --bind /etc/passwd /etc/localtime; exec \"$1\" check --config {}", path.display());
    let (code, reported) = run_in_namespace(&script);
    assert_eq!(code, Some(3), "{reported}");
    assert!(reported.contains("the variable TZ: is not set, and /etc/localtime is not a zone file"), "{reported}");
    let (_, reported) = run_in_namespace(&script.replace("exec", "TZ=UTC exec"));
    assert!(!reported.contains("the variable TZ"), "{reported}");
}
