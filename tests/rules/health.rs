//! The health of the archives on the server.

use chrono::{DateTime, FixedOffset, NaiveDate, TimeDelta, Utc};
use proptest::prelude::*;
use scripting_system::rules::alarm;
use scripting_system::rules::drill_history::DrillHistory;
use scripting_system::rules::health::{Health, HealthReport, Limits, Problem, check};
use scripting_system::rules::inventory::Inventory;
use scripting_system::rules::listing::{Entry, Kind};
use scripting_system::rules::retention::keeping::{Policy, Remover};

use super::{NAMING, POLICY};

const LIMITS: Limits = Limits { max_age: TimeDelta::hours(26), min_size: Some(1000), alarm: None, max_drill_age: None };

fn now() -> DateTime<FixedOffset> {
    "2026-11-24T08:00:00+01:00".parse().unwrap()
}

fn day(days_ago: i64) -> NaiveDate {
    now().date_naive() - TimeDelta::days(days_ago)
}

fn file(name: String, size: Option<u64>, minutes_ago: Option<i64>) -> Entry {
    let modified = minutes_ago.map(|minutes| (now() - TimeDelta::minutes(minutes)).with_timezone(&Utc));
    Entry { name, kind: Kind::File, size, modified }
}

/// The archive dated `days_ago`, last written `minutes_ago`.
fn archive(days_ago: i64, size: u64, minutes_ago: i64) -> Entry {
    file(NAMING.archive.file_name(day(days_ago)), Some(size), Some(minutes_ago))
}

fn good_archive() -> Entry {
    archive(1, 1000, 9 * 60)
}

fn health_of(listing: &[Entry]) -> HealthReport {
    check(&Inventory::new(listing, &NAMING, POLICY, now()), &DrillHistory::default(), LIMITS, now())
}

fn own_upload(hours_ago: i64) -> Entry {
    file(NAMING.upload_name("20262311.tgz"), Some(5), Some(hours_ago * 60))
}

#[test]
fn an_unusual_size_of_the_newest_archive_is_a_warning() {
    let alarm = Some(alarm::Bounds { smaller_than_percent: 50, larger_than_percent: 300 });
    let healths = [1000, 1999, 2000, 12_000, 12_001].map(|size| {
        let listing = [archive(1, size, 9 * 60), archive(2, 4000, 33 * 60), archive(3, 4000, 57 * 60)];
        let inventory = Inventory::new(&listing, &NAMING, POLICY, now());
        check(&inventory, &DrillHistory::default(), Limits { alarm, ..LIMITS }, now()).health()
    });
    assert_eq!(healths, [Health::Warning, Health::Warning, Health::Ok, Health::Ok, Health::Warning]);
}

#[test]
fn three_archives_that_expired_more_than_a_week_ago_are_a_warning_if_only_prune_removes_files() {
    for (remover, ages, expected) in [
        (Remover::Prune, [18, 19, 20], vec![Problem::Unpruned { count: 3 }]),
        (Remover::Prune, [17, 19, 20], vec![]),
        (Remover::Run, [18, 19, 20], vec![]),
    ] {
        let old = ages.map(|age| archive(age, 1000, age * 24 * 60));
        let recent = [good_archive(), archive(2, 1000, 33 * 60), archive(3, 1000, 57 * 60)];
        let inventory = Inventory::new(&[&old[..], &recent].concat(), &NAMING, Policy { remover, ..POLICY }, now());
        assert_eq!(
            check(&inventory, &DrillHistory::default(), LIMITS, now()).problems,
            expected,
            "{remover:?} {ages:?}"
        );
    }
}

#[test]
fn each_problem_has_its_state() {
    use Health::{Critical, Ok, Warning};
    let swapped = || file("20261122.tgz".to_owned(), Some(5), None);
    let unknown = |name: &str| file(name.to_owned(), None, None);
    let table: Vec<(&str, Vec<Entry>, Health)> = vec![
        ("a good archive", vec![good_archive()], Ok),
        ("exactly max_age old", vec![archive(1, 1000, 26 * 60)], Ok),
        ("a minute older", vec![archive(2, 1000, 26 * 60 + 1)], Critical),
        ("an empty folder", vec![], Critical),
        ("only a foreign file", vec![file("notes.txt".to_owned(), Some(5000), Some(5))], Critical),
        ("only an unfinished upload", vec![own_upload(1)], Critical),
        ("only an empty archive", vec![archive(1, 0, 60)], Critical),
        ("only an archive of tomorrow", vec![archive(-1, 1000, 60)], Critical),
        ("a folder with an archive's name", vec![Entry { kind: Kind::Directory, ..good_archive() }], Critical),
        ("one byte too small", vec![archive(1, 999, 60)], Critical),
        ("an older archive that is too small", vec![good_archive(), archive(2, 1, 33 * 60)], Ok),
        ("an unknown size", vec![Entry { size: None, ..good_archive() }], Warning),
        ("an unknown time, dated yesterday", vec![Entry { modified: None, ..good_archive() }], Ok),
        ("an unknown time, dated two days ago", vec![Entry { size: Some(1000), ..unknown("20262111.tgz") }], Critical),
        ("an old archive that was copied today", vec![archive(5, 1000, 5)], Critical),
        ("clocks that differ a little", vec![archive(0, 1000, -5)], Ok),
        ("the server's clock ahead", vec![archive(0, 1000, -6)], Warning),
        ("a good archive and one of tomorrow", vec![good_archive(), archive(-1, 1000, 60)], Warning),
        ("removal held back", vec![good_archive(), swapped()], Warning),
        ("an upload in progress", vec![good_archive(), own_upload(2)], Ok),
        ("an old unfinished upload", vec![good_archive(), own_upload(27)], Warning),
        ("a leftover of unknown age", vec![good_archive(), unknown(".20262211.tgz.old")], Ok),
        ("foreign files", vec![good_archive(), unknown("notes.txt")], Ok),
        ("too old, and removal held back", vec![archive(9, 1000, 9000), swapped()], Critical),
    ];
    for (case, listing, health) in table {
        let report = health_of(&listing);
        assert_eq!(report.health(), health, "{case}: {report:?}");
    }
}

#[test]
fn the_worst_problem_comes_first() {
    let report = health_of(&[archive(9, 5, 9000), archive(-1, 1000, 60), own_upload(27), own_upload(28)]);
    let name = |problem: &Problem| format!("{problem:?}").split([' ', '(']).next().unwrap().to_owned();
    let problems: Vec<String> = report.problems.iter().map(name).collect();
    assert_eq!(problems, ["TooOld", "TooSmall", "DatedAhead", "Leftovers"]);
}

#[test]
fn leftovers_kept_because_removal_is_held_back_are_not_reported_again() {
    let others_upload = Entry { name: ".20262311.tgz.ffffffff.part".to_owned(), ..own_upload(50) };
    let report = health_of(&[good_archive(), others_upload, file("20261122.tgz".to_owned(), Some(5), None)]);
    assert!(matches!(report.problems.as_slice(), [Problem::HeldBack(_)]), "{report:?}");
}

#[test]
fn without_a_modification_time_the_age_counts_from_local_midnight() {
    let report = health_of(&[file("20262311.tgz".to_owned(), Some(1000), None)]);
    assert_eq!(report.newest.unwrap().age, TimeDelta::hours(8));
}

fn severity(health: Health) -> u8 {
    match health {
        Health::Ok => 0,
        Health::Warning => 1,
        Health::Unknown => 2,
        Health::Critical => 3,
    }
}

proptest! {
    #[test]
    fn older_is_never_healthier(minutes in 0_i64..10_000, more in 0_i64..10_000, days in 0_i64..5) {
        let health = |minutes| severity(health_of(&[archive(days, 1000, minutes)]).health());
        prop_assert!(health(minutes) <= health(minutes + more));
        let undated = |days: i64| severity(health_of(&[Entry { modified: None, ..archive(days, 1000, 0) }]).health());
        prop_assert!(undated(days) <= undated(days + more));
    }

    #[test]
    fn smaller_is_never_healthier(size in 1_u64..3000, less in 0_u64..3000) {
        let health = |size| severity(health_of(&[archive(1, size, 60)]).health());
        prop_assert!(health(size) <= health(size.saturating_sub(less)));
    }

    #[test]
    fn a_looser_limit_is_never_less_healthy(minutes in -100_i64..10_000, size in 1_u64..3000, hours in 0_i64..100, more in 0_i64..100) {
        let inventory = Inventory::new(&[archive(1, size, minutes), own_upload(40)], &NAMING, POLICY, now());
        let health = |hours, min_size| {
            severity(check(&inventory, &DrillHistory::default(), Limits { max_age: TimeDelta::hours(hours), min_size, alarm: None, max_drill_age: None }, now()).health())
        };
        prop_assert!(health(hours + more, None) <= health(hours, Some(1000)));
    }

    #[test]
    fn checking_never_panics(
        listing in prop::collection::vec((-400_i64..400, prop::option::of(0_u64..5), prop::option::of(-1_000_000_i64..1_000_000)), 0..6)
    ) {
        let entries: Vec<Entry> = listing
            .into_iter()
            .map(|(days, size, minutes)| file(NAMING.archive.file_name(day(days)), size, minutes))
            .collect();
        let report = health_of(&entries);
        prop_assert_eq!(report.newest.is_none(), report.problems.contains(&Problem::NoArchive));
        prop_assert_eq!(report.newest.is_none(), report.archives == 0);
    }
}
