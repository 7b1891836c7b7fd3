//! The folder in the operator's terms: groups of entries, and gaps.

use std::sync::LazyLock;

use chrono::{NaiveDate, NaiveTime};
use scripting_system::rules::archive_name::Naming;
use scripting_system::rules::inventory::*;
use scripting_system::rules::listing::{Entry, Kind};
use scripting_system::rules::retention::Action;
use scripting_system::rules::retention::keeping::Policy;
use scripting_system::rules::retention::reason::Reason;

use super::POLICY;

const TODAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();

/// Shared because parsing a pattern is slow.
static NAMING: LazyLock<Naming> = LazyLock::new(|| super::naming("%Y%d%m"));

fn entry(name: &str) -> Entry {
    Entry { name: name.to_owned(), kind: Kind::File, size: Some(1), modified: None }
}

fn archive(days_ago: i64) -> Entry {
    entry(&NAMING.archive.file_name(TODAY - chrono::TimeDelta::days(days_ago)))
}

fn inventory(listing: &[Entry], policy: Policy) -> Inventory {
    Inventory::new(listing, &NAMING, policy, TODAY.and_time(NaiveTime::MIN).and_utc().fixed_offset())
}

#[test]
fn every_entry_is_put_into_its_group() {
    let mut listing = vec![
        archive(0),
        archive(12),
        archive(-1),
        Entry { size: Some(0), ..archive(2) },
        Entry { kind: Kind::Directory, ..archive(3) },
        entry(".20261211.tgz.0a1b2c3d.part"),
        entry("20262311.tgz.old"),
        entry("20262311.tgz.sha256.old"),
        entry("20262311.tgz.sha256"),
        entry("20262211.tgz.sha256"),
        entry("notes.txt"),
    ];
    let all = inventory(&listing, POLICY);
    let archives: Vec<(&str, bool)> =
        all.archives.iter().map(|archive| (archive.file.name.as_str(), archive.counts)).collect();
    let expected = [("20261111.tgz", true), ("20262111.tgz", false), ("20262311.tgz", true), ("20262411.tgz", false)];
    assert_eq!(archives, expected);
    assert_eq!(all.newest().unwrap().file.name, "20262311.tgz");
    let has_checksum: Vec<bool> = all.archives.iter().map(|archive| archive.has_checksum).collect();
    assert_eq!((has_checksum, all.replaced[0].has_checksum), (vec![false, false, true, false], true));
    let leftovers: Vec<&Reason> = all.leftovers.iter().map(|file| &file.reason).collect();
    assert_eq!(leftovers, [&Reason::UnfinishedUpload, &Reason::NewChecksum]);
    assert_eq!((all.replaced.len(), all.replaced[0].date), (1, TODAY));
    assert_eq!((all.irregular, all.foreign), (vec!["20262011.tgz".to_owned()], vec!["notes.txt".to_owned()]));
    assert_eq!(all.reference, Some(TODAY));
    listing.push(entry("20261123.tgz"));
    let held = inventory(&listing, POLICY);
    assert!(held.held_back.is_some());
    assert_eq!((held.archives[0].file.action, held.leftovers[0].action), (Action::Keep, Action::Remove));
}

#[test]
fn gaps_end_yesterday_and_are_thinned_where_retention_keeps_only_some_archives() {
    let weekly = Policy { keep_weekly: 5, ..POLICY };
    let (daily, shortest) = (Policy { keep_daily: 4, ..weekly }, Policy { keep_days: 1, keep_at_least: 1, ..weekly });
    for (days_ago, policy, expected, missing_nights) in [
        (&[0, 1, 5][..], POLICY, &[(4, 2, false)][..], 3),
        (&[1], POLICY, &[], 0),
        (&[3], POLICY, &[(2, 1, false)], 2),
        (&[-1], POLICY, &[], 0),
        (&[], POLICY, &[], 0),
        (&[0, 3, 10, 17, 24], weekly, &[(23, 18, true), (16, 11, true), (9, 4, false), (2, 1, false)], 8),
        (&[0, 3, 10, 17, 24], daily, &[(23, 18, true), (16, 11, false), (9, 4, false), (2, 1, false)], 14),
        (&[0, 3, 17], weekly, &[(16, 4, false), (2, 1, false)], 15),
        (&[0, 3, 17], shortest, &[(16, 4, true), (2, 1, false)], 2),
    ] {
        let inventory = inventory(&days_ago.iter().map(|days| archive(*days)).collect::<Vec<_>>(), policy);
        let age = |date: NaiveDate| (TODAY - date).num_days();
        let gaps = inventory.gaps.iter().map(|gap| (age(gap.first), age(gap.last), gap.is_thinned));
        let actual = (&gaps.collect::<Vec<_>>()[..], inventory.count_missing_nights());
        assert_eq!(actual, (expected, missing_nights), "{days_ago:?} {policy:?}");
    }
}
