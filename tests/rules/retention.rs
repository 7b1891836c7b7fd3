//! Kept and removed files, by example and by property.

use std::collections::BTreeSet;

use chrono::{NaiveDate, TimeDelta};
use proptest::prelude::*;
use scripting_system::rules::alarm::Suspicion;
use scripting_system::rules::archive_name::ReplacedVersion;
use scripting_system::rules::listing::{Entry, Kind, unfinished_replacements};
use scripting_system::rules::retention::keeping::Policy;
use scripting_system::rules::retention::reason::{Reason, RemovalHold};
use scripting_system::rules::retention::{Circumstances, Plan, plan};

use super::{NAMING, POLICY};

const TODAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();

fn file(name: &str) -> Entry {
    Entry { name: name.to_owned(), kind: Kind::File, size: Some(1), modified: None }
}

fn archive(days_ago: i64) -> Entry {
    file(&NAMING.archive.file_name(TODAY - TimeDelta::days(days_ago)))
}

fn plan_for(listing: &[Entry]) -> Plan {
    plan(listing, &NAMING, POLICY, Circumstances::on(TODAY))
}

fn removed(plan: &Plan) -> Vec<&str> {
    plan.removals().map(|decision| decision.name.as_str()).collect()
}

#[test]
fn an_archive_exactly_keep_days_old_is_kept_and_an_older_one_removed() {
    let listing = [archive(0), archive(1), archive(2), archive(10), archive(11)];
    assert_eq!(removed(&plan_for(&listing)), [archive(11).name]);
}

#[test]
fn ages_count_from_the_newest_archive() {
    let listing: Vec<Entry> = (30..45).map(archive).collect();
    let plan = plan_for(&listing);
    assert_eq!(plan.reference, Some(TODAY - TimeDelta::days(30)));
    assert_eq!(plan.removals().count(), 4);
}

#[test]
fn the_newest_archives_are_kept_however_old_they_are() {
    let listing = [archive(0), archive(300), archive(400), archive(500)];
    assert_eq!(removed(&plan_for(&listing)), [archive(500).name]);
}

#[test]
fn future_and_empty_archives_are_neither_removed_nor_counted() {
    let mut empty = archive(200);
    empty.size = Some(0);
    let listing = [archive(-1), archive(-400), empty, archive(100), archive(101), archive(102), archive(103)];
    let plan = plan_for(&listing);
    assert_eq!(plan.reference, Some(TODAY - TimeDelta::days(100)));
    assert_eq!(removed(&plan), Vec::<&str>::new());
    assert_eq!(plan_for(&[archive(-1)]).reference, None);
}

#[test]
fn foreign_entries_are_never_removed() {
    let old = archive(100).name;
    let mut listing = vec![archive(0), archive(1), archive(2)];
    for name in ["notes.txt", "20263213.tgz.bak", "x20260101.tgz", "20260101.tgz\n", ".notes.part", ".20269999.tgz.old"]
    {
        listing.push(file(name));
    }
    for kind in [Kind::Directory, Kind::Symlink, Kind::Other] {
        listing.push(Entry { name: old.clone(), kind, size: Some(1), modified: None });
    }
    assert_eq!(removed(&plan_for(&listing)), Vec::<&str>::new());
}

#[test]
fn own_uploads_are_removed_immediately_and_others_after_a_day_by_the_servers_clock() {
    let now = TODAY.and_hms_opt(23, 0, 0).unwrap().and_utc();
    let plan_at = |server_now| {
        let upload = |name: String, hours| Entry { modified: Some(now - TimeDelta::hours(hours)), ..file(&name) };
        let others = |days, hours| upload(format!(".{}.ffffffff.part", archive(days).name), hours);
        let without_id = |days, hours| upload(format!(".{}.part", archive(days).name), hours);
        let listing = [
            archive(0),
            file(&NAMING.upload_name(&archive(70).name)),
            file(&NAMING.upload_name(&archive(-70).name)),
            others(1, 24),
            others(2, 25),
            others(3, -48),
            without_id(4, 24),
            without_id(5, 25),
            Entry { modified: None, ..without_id(6, 99) },
        ];
        let removed =
            removed(&plan(&listing, &NAMING, POLICY, Circumstances { server_now, ..Circumstances::on(TODAY) }))
                .into_iter()
                .map(str::to_owned)
                .collect::<BTreeSet<_>>();
        let indices = listing.iter().enumerate().filter(|(_, entry)| removed.contains(&entry.name));
        indices.map(|(index, _)| index).collect::<Vec<_>>()
    };
    assert_eq!(plan_at(Some(now)), [1, 2, 4, 7]);
    assert_eq!(plan_at(None), [1, 2]);
}

#[test]
fn a_replaced_archive_is_kept_until_an_archive_three_days_newer_is_delivered() {
    let replaced = archive(3).name;
    let old = [ReplacedVersion::First, ReplacedVersion::Last, ReplacedVersion::Legacy]
        .map(|which| NAMING.replaced_name(&replaced, which));
    let listing: Vec<Entry> =
        old.iter().map(|name| file(name)).chain([archive(0), archive(1), archive(2), archive(3)]).collect();
    let removed_after = |delivered: Option<NaiveDate>| {
        let circumstances = Circumstances { delivered, ..Circumstances::on(TODAY) };
        plan(&listing, &NAMING, POLICY, circumstances).removals().count()
    };
    assert_eq!(removed_after(Some(TODAY)), 3);
    assert_eq!(removed_after(Some(TODAY - TimeDelta::days(1))), 0);
    assert_eq!(removed_after(None), 0, "nothing was delivered");
    // A run with --date replaced the archive recently.
    let now = TODAY.and_hms_opt(23, 0, 0).unwrap().and_utc();
    for (hours, removed) in [(47, 0), (49, 3)] {
        let mut listing = listing.clone();
        listing.last_mut().unwrap().modified = Some(now - TimeDelta::hours(hours));
        let circumstances = Circumstances { delivered: Some(TODAY), server_now: Some(now), ..Circumstances::on(TODAY) };
        assert_eq!(plan(&listing, &NAMING, POLICY, circumstances).removals().count(), removed, "{hours}");
    }
    let unsynced = Circumstances { delivered: Some(TODAY), is_unsynced: true, ..Circumstances::on(TODAY) };
    let plan = plan(&listing, &NAMING, POLICY, unsynced);
    assert_eq!((plan.removals().count(), plan.held_back), (0, Some(RemovalHold::NotSynced)));
}

#[test]
fn the_latest_set_aside_archive_without_a_replacement_is_put_back() {
    let (finished, lost) = (archive(1).name, archive(5).name);
    let old = |archive: &str, which| NAMING.replaced_name(archive, which);
    let of_lost =
        [ReplacedVersion::Legacy, ReplacedVersion::First, ReplacedVersion::Last].map(|which| old(&lost, which));
    for present in 1..=3 {
        let mut listing = vec![file(&finished), file(&old(&finished, ReplacedVersion::First))];
        listing.extend(of_lost[..present].iter().map(|name| file(name)));
        assert_eq!(unfinished_replacements(&listing, &NAMING), [(of_lost[present - 1].clone(), lost.clone())]);
        let plan =
            plan(&listing, &NAMING, POLICY, Circumstances { delivered: Some(TODAY), ..Circumstances::on(TODAY) });
        let removed = removed(&plan);
        assert!(!removed.contains(&of_lost[present - 1].as_str()) && removed.len() == present - 1, "{removed:?}");
    }
}

#[test]
fn a_pattern_with_day_and_month_swapped_holds_removal_back() {
    let leftover = file(&NAMING.upload_name(&archive(7).name));
    let listing = [archive(0), archive(1), archive(2), archive(50), file("20261231.tgz"), leftover];
    let plan = plan_for(&listing);
    assert_eq!(plan.archives_kept(), 4, "a leftover is not an archive");
    assert_eq!(plan.held_back, Some(RemovalHold::DayAndMonthSwapped { example: "20261231.tgz".to_owned() }));
    assert_eq!(removed(&plan), [NAMING.upload_name(&archive(7).name)], "own uploads are always removed");
    assert!(plan.decisions.iter().any(|decision| matches!(decision.reason, Reason::HeldBack(_))));
}

#[test]
fn clocks_more_than_a_day_apart_hold_removal_back() {
    let listing = [archive(0), archive(1), archive(2), archive(50)];
    let removals = |difference| {
        let circumstances = Circumstances { clock_difference: Some(difference), ..Circumstances::on(TODAY) };
        plan(&listing, &NAMING, POLICY, circumstances).removals().count()
    };
    assert_eq!(removals(TimeDelta::hours(24)), 1);
    assert_eq!(removals(TimeDelta::hours(24) + TimeDelta::seconds(1)), 0);
    assert_eq!(removals(TimeDelta::hours(-25)), 0);
}

#[test]
fn a_suspicious_size_is_the_first_reason_to_hold_removal_back() {
    use scripting_system::rules::alarm::{Baseline, Bound};
    let suspicion = Suspicion { size: 1, median: 100, baseline: Baseline::Last(7), exceeded: Bound::Lower(50) };
    let circumstances = Circumstances {
        clock_difference: Some(TimeDelta::hours(48)),
        suspicion: Some(suspicion),
        ..Circumstances::on(TODAY)
    };
    let listing = [archive(0), archive(1), archive(2), archive(50), file(&NAMING.upload_name(&archive(7).name))];
    let plan = plan(&listing, &NAMING, POLICY, circumstances);
    assert_eq!(plan.held_back, Some(RemovalHold::UnusualSize(suspicion)));
    assert_eq!((removed(&plan), plan.archives_kept()), (vec![NAMING.upload_name(&archive(7).name).as_str()], 4));
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let name = prop_oneof![
        (-40_i64..400).prop_map(|days| archive(days).name),
        (-40_i64..400).prop_map(|days| NAMING.upload_name(&archive(days).name)),
        (-40_i64..400).prop_map(|days| NAMING.replaced_name(&archive(days).name, ReplacedVersion::First)),
        "[a-z0-9.\n]{0,14}",
    ];
    let kind = prop_oneof![5 => Just(Kind::File), 1 => Just(Kind::Directory), 1 => Just(Kind::Symlink)];
    (name, kind, prop::option::of(0_u64..3)).prop_map(|(name, kind, size)| Entry { name, kind, size, modified: None })
}

proptest! {
    #[test]
    fn only_expired_archives_and_leftovers_are_removed(
        listing in prop::collection::vec(any_entry(), 0..60),
        keep_days in 1_u32..60,
        keep_at_least in 1_u32..8,
    ) {
        let mut seen = BTreeSet::new();
        let listing: Vec<Entry> = listing.into_iter().filter(|entry| seen.insert(entry.name.clone())).collect();
        let policy = Policy { keep_days, keep_at_least, ..POLICY };
        let plan = plan(&listing, &NAMING, policy, Circumstances::on(TODAY));
        prop_assert_eq!(plan.decisions.len(), listing.len());
        let counts = |entry: &&Entry| {
            entry.kind == Kind::File
                && entry.size != Some(0)
                && NAMING.archive.date_of(&entry.name).is_some_and(|date| date <= TODAY)
        };
        let before = listing.iter().filter(counts).count();
        let removed_archives = listing
            .iter()
            .filter(counts)
            .filter(|entry| plan.removals().any(|decision| decision.name == entry.name))
            .count();
        prop_assert!(before - removed_archives >= before.min(keep_at_least as usize));
        for decision in plan.removals() {
            let entry = listing.iter().find(|entry| entry.name == decision.name).unwrap();
            prop_assert_eq!(entry.kind, Kind::File);
            match NAMING.archive.date_of(&entry.name) {
                Some(date) => prop_assert!(date < TODAY - TimeDelta::days(keep_days.into())),
                None => prop_assert!(NAMING.leftover(&entry.name).is_some()),
            }
        }
    }

    #[test]
    fn a_second_plan_removes_nothing(
        listing in prop::collection::vec(any_entry(), 0..40),
    ) {
        let mut seen = BTreeSet::new();
        let listing: Vec<Entry> = listing.into_iter().filter(|entry| seen.insert(entry.name.clone())).collect();
        let first = plan_for(&listing);
        let removed: BTreeSet<&str> = removed(&first).into_iter().collect();
        let rest: Vec<Entry> = listing.iter().filter(|it| !removed.contains(it.name.as_str())).cloned().collect();
        prop_assert_eq!(plan_for(&rest).removals().count(), 0);
    }
}
