//! Retention by the server's clock as a pure decision: tables, and properties for changed patterns.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use proptest::prelude::*;
use scripting_system::rules::archive_name::{ArchiveName, Naming};
use scripting_system::rules::listing::{Entry, Kind};
use scripting_system::rules::retention;
use scripting_system::rules::retention::keeping::{Policy, Remover};
use scripting_system::rules::retention::reason::{Reason, RemovalHold};
use scripting_system::rules::retention::{Circumstances, server_clock};

const TODAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
const POLICY: Policy = Policy {
    keep_days: 10,
    keep_at_least: 1,
    keep_daily: 0,
    keep_weekly: 0,
    keep_monthly: 0,
    keep_yearly: 0,
    remover: Remover::Run,
};
/// Pairs of patterns with day and month swapped.
const SWAPPED: [[&str; 2]; 6] = [
    ["%Y%d%m", "%Y%m%d"],
    ["%Y-%d-%m", "%F"],
    ["db-%y%d%m", "db-%y%m%d"],
    ["%d.%m.%Y", "%m.%d.%Y"],
    ["%v", "%b-%e-%Y"],
    ["%-d_%-m_%Y", "%-m_%-d_%Y"],
];

/// Cached because checking a pattern is slow.
fn naming(pattern: &str) -> &'static Naming {
    static NAMINGS: LazyLock<BTreeMap<&str, Naming>> = LazyLock::new(|| {
        let naming = |pattern| Naming {
            is_encrypted: false,
            archive: ArchiveName::new(pattern).unwrap(),
            temporary_prefix: ".".to_owned(),
            id: "0a1b2c3d".to_owned(),
        };
        SWAPPED.as_flattened().iter().map(|pattern| (*pattern, naming(pattern))).collect()
    });
    &NAMINGS[pattern]
}

fn entry(name: String, modified: Option<DateTime<Utc>>) -> Entry {
    Entry { name, kind: Kind::File, size: Some(1), modified }
}

/// The time at which the run on `date` writes.
fn evening(date: NaiveDate) -> DateTime<Utc> {
    date.and_hms_opt(23, 0, 0).unwrap().and_utc()
}

fn now() -> DateTime<Utc> {
    evening(TODAY)
}

/// "removed", or the reason to keep the archive with `date` in its name. The folder also has an archive of today.
fn fate(date: NaiveDate, modified: Option<DateTime<Utc>>, keep_days: u32, server_now: DateTime<Utc>) -> String {
    let naming = naming("%F");
    let name = naming.archive.file_name(date);
    let listing = [entry(naming.archive.file_name(TODAY), None), entry(name.clone(), modified)];
    let circumstances = Circumstances { server_now: Some(server_now), ..Circumstances::on(TODAY) };
    let plan = retention::plan(&listing, naming, Policy { keep_days, ..POLICY }, circumstances);
    let removed = plan.removals().count();
    assert_eq!(plan.archives_kept() + removed, 2);
    let decision = plan.decisions.into_iter().find(|decision| decision.name == name).unwrap();
    if removed == 1 { "removed".to_owned() } else { decision.reason.to_string() }
}

#[test]
fn the_server_time_is_that_of_the_new_archive_or_else_of_the_earlier_clock() {
    let (local, hours) = (now(), TimeDelta::hours);
    for (delivered, clock_difference, expected) in [
        (None, None, local),
        (None, Some(hours(3)), local),
        (None, Some(hours(-3)), local - hours(3)),
        (Some(local + hours(9)), Some(hours(-3)), local + hours(9)),
        (Some(local - TimeDelta::days(900)), None, local - TimeDelta::days(900)),
        // An impossible time is ignored.
        (None, Some(TimeDelta::MIN), local),
    ] {
        assert_eq!(
            server_clock::server_now(delivered, local, clock_difference),
            expected,
            "{delivered:?} {clock_difference:?}"
        );
    }
}

#[test]
fn only_a_modification_time_within_keep_days_protects_an_old_name() {
    let (days, removed) = (TimeDelta::days, "removed");
    let named = TODAY - Days::new(40);
    let written = |age: TimeDelta| Some(now() - age);
    let second = TimeDelta::seconds(1);
    let long_ago = DateTime::UNIX_EPOCH;
    for (modified, keep_days, expected) in [
        (written(days(3)), 10, "written 3 days ago, though its name says 40"),
        (written(days(1)), 10, "written 1 day ago, though its name says 40"),
        (written(second), 10, "written 0 days ago, though its name says 40"),
        (written(days(10) + TimeDelta::hours(23)), 10, "written 10 days ago, though its name says 40"),
        (written(days(11)), 10, removed),
        // A clock may be up to a day ahead.
        (written(-days(1)), 10, "written 0 days ago, though its name says 40"),
        (written(-days(1) - second), 10, removed),
        (written(-days(4_000)), 10, removed),
        // Missing or impossible times.
        (None, 10, removed),
        (Some(long_ago), 10, removed),
        (Some(DateTime::<Utc>::MAX_UTC), 10, removed),
        (Some(DateTime::<Utc>::MIN_UTC), 10, removed),
        // On the date in the name, or a day later.
        (Some(evening(named)), 39, removed),
        (Some(evening(named + Days::new(1))), 39, removed),
        (
            Some(evening(named + Days::new(2)) - TimeDelta::hours(23)),
            39,
            "written 38 days ago, though its name says 40",
        ),
        (written(days(11)), u32::MAX, "40 days old"),
    ] {
        assert_eq!(fate(named, modified, keep_days, now()), expected, "{modified:?} with keep_days {keep_days}");
    }
}

#[test]
fn a_server_clock_that_is_years_off_changes_no_decision() {
    let named = TODAY - Days::new(40);
    for years in [-30, -2, 2, 60] {
        let off = TimeDelta::days(365 * years);
        let by_its_clock = |date| Some(evening(date) + off);
        assert_eq!(fate(named, by_its_clock(named), 10, now() + off), "removed", "{years}");
        // With a stale dump, the server's time is unknown.
        assert_eq!(fate(named, by_its_clock(named), 10, now()), "removed", "{years}");
        // A slow clock makes no file look newer than its name.
        if years > 0 {
            let kept = fate(named, by_its_clock(TODAY - Days::new(3)), 10, now() + off);
            assert_eq!(kept, "written 3 days ago, though its name says 40", "{years}");
        }
    }
}

#[test]
fn a_copied_folder_keeps_its_archives_for_keep_days_after_the_copy() {
    let naming = naming("%F");
    let copied = evening(TODAY) - TimeDelta::hours(8);
    let mut folder: Vec<Entry> =
        (1..=40).map(|age| entry(naming.archive.file_name(TODAY - Days::new(age)), Some(copied))).collect();
    for day in 0..=12 {
        let today = TODAY + Days::new(day);
        folder.push(entry(naming.archive.file_name(today), Some(evening(today))));
        let circumstances = Circumstances { server_now: Some(evening(today)), ..Circumstances::on(today) };
        let plan = retention::plan(&folder, naming, POLICY, circumstances);
        let (removed, kept) = (plan.removals().count(), plan.archives_kept());
        // On the tenth day, the last archive written before the copy expires by its name.
        match day {
            0..10 => assert_eq!((removed, kept), (0, folder.len()), "day {day}"),
            10 => assert_eq!((removed, kept), (1, folder.len() - 1)),
            _ => assert_eq!(kept, 11, "day {day}"),
        }
        folder.retain(|entry| plan.removals().all(|removal| removal.name != entry.name));
    }
}

/// A modification time around `TODAY`, far from it, or none.
fn any_time() -> impl Strategy<Value = Option<DateTime<Utc>>> {
    let near = (-100_i64..5_000).prop_map(|hours| Some(now() - TimeDelta::hours(hours)));
    let far = any::<u32>().prop_map(|seconds| DateTime::from_timestamp(seconds.into(), 0));
    prop_oneof![6 => near, 2 => far, 1 => Just(None)]
}

proptest! {
    #[test]
    fn recently_written_archives_are_never_removed(
        archives in prop::collection::btree_map(-20_i64..300, any_time(), 0..40),
        keep_days in prop_oneof![1_u32..60, Just(u32::MAX)],
        keep_at_least in 1_u32..5,
        keep_weekly in 0_u32..5,
        server_now in any_time(),
    ) {
        let naming = naming("%Y%d%m");
        let listing: Vec<Entry> = archives
            .iter()
            .map(|(age, modified)| entry(naming.archive.file_name(TODAY - TimeDelta::days(*age)), *modified))
            .collect();
        let policy = Policy { keep_days, keep_at_least, keep_weekly, ..POLICY };
        let plan_at = |server_now| {
            retention::plan(&listing, naming, policy, Circumstances { server_now, ..Circumstances::on(TODAY) })
        };
        let (plan, by_name) = (plan_at(server_now), plan_at(None));
        for (with, without) in plan.decisions.iter().zip(&by_name.decisions) {
            let date = naming.archive.date_of(&with.name).unwrap();
            let modified = archives[&(TODAY - date).num_days()];
            let is_protected = server_now.zip(modified).is_some_and(|(now, modified)| {
                let written = modified.date_naive();
                modified <= now + TimeDelta::days(1)
                    && (now.date_naive() - written).num_days() <= keep_days.into()
                    && written >= date + Days::new(2)
            });
            match (&with.reason, &without.reason) {
                (Reason::WrittenLater { .. }, Reason::Expired { .. }) => prop_assert!(is_protected, "{with:?}"),
                (with, Reason::Expired { .. }) => prop_assert!(!is_protected && *with == without.reason, "{with:?}"),
                (with, without) => prop_assert_eq!(with, without),
            }
        }
        prop_assert_eq!(plan.archives_kept() + plan.removals().count(), listing.len());
        prop_assert_eq!((plan.reference, plan.held_back), (by_name.reference, by_name.held_back));
    }

    #[test]
    fn a_changed_pattern_removes_nothing_that_was_written_within_keep_days(
        patterns in prop::sample::select(SWAPPED.as_flattened().to_vec()),
        first in 0_u64..800,
        nights in 1_u64..40,
        keep_days in 1_u32..20,
        changes in prop::collection::vec(1_u64..20, 0..4),
    ) {
        let pair = SWAPPED.iter().find(|pair| pair.contains(&patterns)).unwrap();
        let mut pattern = usize::from(pair[1] == patterns);
        let policy = Policy { keep_days, ..POLICY };
        let mut day = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap() + Days::new(first);
        let mut folder: BTreeMap<String, NaiveDate> = BTreeMap::new();
        for length in std::iter::once(nights).chain(changes) {
            let naming = naming(pair[pattern]);
            for _ in 0..length {
                folder.insert(naming.archive.file_name(day), day);
                let listing: Vec<Entry> =
                    folder.iter().map(|(name, written)| entry(name.clone(), Some(evening(*written)))).collect();
                let circumstances = Circumstances { server_now: Some(evening(day)), ..Circumstances::on(day) };
                let plan = retention::plan(&listing, naming, policy, circumstances);
                for removal in plan.removals() {
                    let age = (day - folder[&removal.name]).num_days();
                    prop_assert!(age > keep_days.into(), "{removal:?} of {age} days ago, {}", pair[pattern]);
                }
                // Names that only the other pattern matches hold removal back.
                let has_swapped = folder.keys().any(|name| naming.archive.date_of(name).is_none());
                let is_held_back = matches!(plan.held_back, Some(RemovalHold::DayAndMonthSwapped { .. }));
                prop_assert_eq!(has_swapped, is_held_back, "{:?}", folder);
                let removed: Vec<String> = plan.removals().map(|removal| removal.name.clone()).collect();
                folder.retain(|name, _| !removed.contains(name));
                day = day + Days::new(1);
            }
            pattern = 1 - pattern;
        }
    }
}
