//! The calendar rules: by example, and compared with a naive implementation.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use chrono::NaiveDate;
use proptest::prelude::*;
use scripting_system::rules::archive_name::Naming;
use scripting_system::rules::listing::{Entry, Kind};
use scripting_system::rules::retention::keeping::{Policy, Rule, Slot};
use scripting_system::rules::retention::reason::Reason;
use scripting_system::rules::retention::{Action, Circumstances, Plan, plan};

use super::LEAST;

static NAMING: LazyLock<Naming> = LazyLock::new(|| super::naming("%F"));

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn archive(date: NaiveDate) -> Entry {
    Entry { name: NAMING.archive.file_name(date), kind: Kind::File, size: Some(1), modified: None }
}

fn plan_for(dates: impl IntoIterator<Item = NaiveDate>, policy: Policy) -> Plan {
    let listing: Vec<Entry> = dates.into_iter().map(archive).collect();
    plan(&listing, &NAMING, policy, Circumstances::on(NaiveDate::MAX))
}

fn kept(plan: &Plan) -> BTreeSet<&str> {
    plan.decisions.iter().filter(|it| it.action == Action::Keep).map(|it| it.name.as_str()).collect()
}

/// The reasons for the archives of `dates`, one per line.
fn reasons(dates: &str, policy: Policy) -> String {
    let plan = plan_for(dates.split(' ').map(date), policy);
    let lines = plan.decisions.iter().map(|decision| format!("{}: {}", decision.name, decision.reason));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn weeks_around_new_year_follow_iso_8601() {
    // 2026 has 53 weeks; the last one ends on Sunday, 3 January.
    let policy = Policy { keep_weekly: 3, ..LEAST };
    let dates =
        "2026-12-20 2026-12-21 2026-12-26 2026-12-27 2026-12-28 2026-12-31 2027-01-01 2027-01-03 2027-01-04 2027-01-08";
    insta::assert_snapshot!(reasons(dates, policy), @"
    2026-12-20.tgz: expired, 19 days old
    2026-12-21.tgz: expired, 18 days old
    2026-12-26.tgz: expired, 13 days old
    2026-12-27.tgz: 12 days old, kept as weekly 2026-W52
    2026-12-28.tgz: expired, 11 days old
    2026-12-31.tgz: expired, 8 days old
    2027-01-01.tgz: expired, 7 days old
    2027-01-03.tgz: 5 days old, kept as weekly 2026-W53
    2027-01-04.tgz: expired, 4 days old
    2027-01-08.tgz: 0 days old; weekly 2027-W01
    ");
}

#[test]
fn months_and_years_follow_the_calendar() {
    let policy = Policy { keep_monthly: 3, keep_yearly: 2, ..LEAST };
    let dates = "2027-12-31 2028-01-01 2028-01-31 2028-02-28 2028-02-29 2028-03-01 2028-03-30 2028-03-31";
    insta::assert_snapshot!(reasons(dates, policy), @"
    2027-12-31.tgz: 91 days old, kept as yearly 2027
    2028-01-01.tgz: expired, 90 days old
    2028-01-31.tgz: 60 days old, kept as monthly 2028-01
    2028-02-28.tgz: expired, 32 days old
    2028-02-29.tgz: 31 days old, kept as monthly 2028-02
    2028-03-01.tgz: expired, 30 days old
    2028-03-30.tgz: 1 day old
    2028-03-31.tgz: 0 days old; monthly 2028-03, yearly 2028
    ");
}

#[test]
fn periods_without_an_archive_do_not_count() {
    let policy = Policy { keep_daily: 3, keep_monthly: 2, ..LEAST };
    insta::assert_snapshot!(reasons("2019-05-01 2023-02-03 2024-02-29 2026-11-23", policy), @"
    2019-05-01.tgz: expired, 2763 days old
    2023-02-03.tgz: 1389 days old, kept as daily 2023-02-03
    2024-02-29.tgz: 998 days old, kept as daily 2024-02-29, monthly 2024-02
    2026-11-23.tgz: 0 days old; daily 2026-11-23, monthly 2026-11
    ");
}

#[test]
fn a_rule_with_too_few_archives_also_keeps_the_oldest() {
    let dates = "2026-08-03 2026-08-04 2026-08-31 2026-09-30 2026-10-14 2026-10-15";
    insta::assert_snapshot!(reasons(dates, Policy { keep_monthly: 12, ..LEAST }), @"
    2026-08-03.tgz: 73 days old, kept as oldest monthly 2026-08
    2026-08-04.tgz: expired, 72 days old
    2026-08-31.tgz: 45 days old, kept as monthly 2026-08
    2026-09-30.tgz: 15 days old, kept as monthly 2026-09
    2026-10-14.tgz: 1 day old
    2026-10-15.tgz: 0 days old; monthly 2026-10
    ");
    // There are three months, so none is left for the oldest.
    insta::assert_snapshot!(reasons(dates, Policy { keep_monthly: 3, ..LEAST }), @"
    2026-08-03.tgz: expired, 73 days old
    2026-08-04.tgz: expired, 72 days old
    2026-08-31.tgz: 45 days old, kept as monthly 2026-08
    2026-09-30.tgz: 15 days old, kept as monthly 2026-09
    2026-10-14.tgz: 1 day old
    2026-10-15.tgz: 0 days old; monthly 2026-10
    ");
    insta::assert_snapshot!(reasons("2026-10-15", Policy { keep_yearly: 5, ..LEAST }), @"2026-10-15.tgz: 0 days old; yearly 2026");
}

#[test]
fn a_reason_lists_every_rule() {
    let policy = Policy {
        keep_days: 2,
        keep_at_least: 4,
        keep_daily: 3,
        keep_weekly: 3,
        keep_monthly: 2,
        keep_yearly: 9,
        ..LEAST
    };
    let dates = "2025-11-23 2025-12-31 2026-10-14 2026-10-31 2026-11-14 2026-11-15 2026-11-20 2026-11-21 2026-11-23";
    insta::assert_snapshot!(reasons(dates, policy), @"
    2025-11-23.tgz: 365 days old, kept as oldest yearly 2025
    2025-12-31.tgz: 327 days old, kept as yearly 2025
    2026-10-14.tgz: expired, 40 days old
    2026-10-31.tgz: 23 days old, kept as monthly 2026-10
    2026-11-14.tgz: expired, 9 days old
    2026-11-15.tgz: 8 days old, but one of the newest that always stay; weekly 2026-W46
    2026-11-20.tgz: 3 days old, but one of the newest that always stay; daily 2026-11-20
    2026-11-21.tgz: 2 days old; daily 2026-11-21, weekly 2026-W47
    2026-11-23.tgz: 0 days old; daily 2026-11-23, weekly 2026-W48, monthly 2026-11, yearly 2026
    ");
}

#[test]
fn entries_that_do_not_count_occupy_no_slot_and_are_never_the_oldest() {
    let [new, old, older] = ["2026-11-23", "2026-10-31", "2026-10-01"].map(|it| archive(date(it)));
    let empty = Entry { size: Some(0), ..archive(date("2026-11-30")) };
    let future = archive(date("2026-12-31"));
    let folder = Entry { kind: Kind::Directory, ..archive(date("2020-01-01")) };
    let listing = [new, old, older, empty, future, folder];
    let policy = Policy { keep_monthly: 3, ..LEAST };
    let plan = plan(&listing, &NAMING, policy, Circumstances::on(date("2026-12-01")));
    let reasons: Vec<String> = plan.decisions.iter().map(|it| format!("{}: {}", it.name, it.reason)).collect();
    insta::assert_snapshot!(reasons.join("\n"), @"
    2020-01-01.tgz: named like an archive, but not a regular file
    2026-10-01.tgz: 53 days old, kept as oldest monthly 2026-10
    2026-10-31.tgz: 23 days old, kept as monthly 2026-10
    2026-11-23.tgz: 0 days old; monthly 2026-11
    2026-11-30.tgz: empty
    2026-12-31.tgz: dated after today
    ");
}

/// Unordered.
fn any_dates() -> impl Strategy<Value = Vec<NaiveDate>> {
    let dates = prop_oneof![
        // Include the years 2020, 2026 and 2032, which have 53 weeks.
        prop::collection::btree_set(18_000_i32..23_500, 0..80),
        prop::collection::btree_set(20_750_i32..20_850, 0..80),
    ];
    let date = |days: i32| NaiveDate::from_num_days_from_ce_opt(719_163 + days).unwrap();
    dates.prop_map(move |days| days.into_iter().map(date).collect::<Vec<_>>()).prop_shuffle()
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let count = || prop_oneof![2 => Just(0_u32), 3 => 1_u32..30, 1 => Just(100_000)];
    (1_u32..100, 1_u32..6, count(), count(), count(), count()).prop_map(
        |(keep_days, keep_at_least, keep_daily, keep_weekly, keep_monthly, keep_yearly)| Policy {
            keep_days,
            keep_at_least,
            keep_daily,
            keep_weekly,
            keep_monthly,
            keep_yearly,
            ..LEAST
        },
    )
}

/// Each rule of `policy` alone, the others at their minimum.
fn each_alone(policy: Policy) -> [Policy; 6] {
    [
        Policy { keep_days: policy.keep_days, ..LEAST },
        Policy { keep_at_least: policy.keep_at_least, ..LEAST },
        Policy { keep_daily: policy.keep_daily, ..LEAST },
        Policy { keep_weekly: policy.keep_weekly, ..LEAST },
        Policy { keep_monthly: policy.keep_monthly, ..LEAST },
        Policy { keep_yearly: policy.keep_yearly, ..LEAST },
    ]
}

/// Counts as restic does: from the newest on, keeps up to `count` archives that are in another `period` than the last one
/// kept, or are the oldest.
fn keep_like_restic(newest_first: &[NaiveDate], count: u32, period: &str) -> BTreeSet<NaiveDate> {
    let mut kept = BTreeSet::new();
    let mut last = None;
    for (index, date) in newest_first.iter().enumerate() {
        let current = date.format(period).to_string();
        let is_oldest = index + 1 == newest_first.len();
        if kept.len() < count as usize && (is_oldest || last.as_ref() != Some(&current)) {
            kept.insert(*date);
            last = Some(current);
        }
    }
    kept
}

proptest! {
    #[test]
    fn the_rules_agree_with_a_naive_implementation(dates in any_dates(), policy in any_policy()) {
        let mut newest_first = dates.clone();
        newest_first.sort_unstable_by(|a, b| b.cmp(a));
        let mut expected: BTreeSet<NaiveDate> =
            newest_first.iter().copied().take(policy.keep_at_least as usize).collect();
        let age = |date: NaiveDate| (newest_first[0] - date).num_days();
        expected.extend(dates.iter().filter(|date| age(**date) <= policy.keep_days.into()));
        for (count, period) in [
            (policy.keep_daily, "%Y-%m-%d"),
            (policy.keep_weekly, "%G-W%V"),
            (policy.keep_monthly, "%Y-%m"),
            (policy.keep_yearly, "%Y"),
        ] {
            expected.extend(keep_like_restic(&newest_first, count, period));
        }
        let expected: Vec<String> = expected.into_iter().map(|date| NAMING.archive.file_name(date)).collect();
        let plan = plan_for(dates, policy);
        prop_assert_eq!(kept(&plan).into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_policy_keeps_the_union_of_its_rules(dates in any_dates(), policy in any_policy()) {
        let alone = each_alone(policy).map(|policy| plan_for(dates.iter().copied(), policy));
        let together = plan_for(dates.iter().copied(), policy);
        prop_assert_eq!(kept(&together), alone.iter().flat_map(kept).collect::<BTreeSet<_>>());
    }

    #[test]
    fn a_higher_limit_never_removes_more(
        dates in any_dates(),
        policy in any_policy(),
        index in 0_usize..6,
        increase in prop_oneof![1_u32..20, Just(100_000)],
    ) {
        let mut raised = policy;
        let limit = [
            &mut raised.keep_days,
            &mut raised.keep_at_least,
            &mut raised.keep_daily,
            &mut raised.keep_weekly,
            &mut raised.keep_monthly,
            &mut raised.keep_yearly,
        ].into_iter().nth(index).unwrap();
        *limit += increase;
        let (before, after) = (plan_for(dates.iter().copied(), policy), plan_for(dates, raised));
        prop_assert!(kept(&before).is_subset(&kept(&after)));
    }

    #[test]
    fn the_order_of_the_listing_does_not_matter(dates in any_dates(), policy in any_policy()) {
        let sorted: BTreeSet<NaiveDate> = dates.iter().copied().collect();
        prop_assert_eq!(plan_for(dates, policy), plan_for(sorted, policy));
    }

    #[test]
    fn a_second_plan_removes_nothing(dates in any_dates(), policy in any_policy()) {
        let first = plan_for(dates.iter().copied(), policy);
        let kept = kept(&first);
        let rest: Vec<NaiveDate> =
            dates.into_iter().filter(|date| kept.contains(NAMING.archive.file_name(*date).as_str())).collect();
        let second = plan_for(rest, policy);
        prop_assert_eq!(second.removals().count(), 0);
        let still_kept = first.decisions.iter().filter(|decision| decision.action == Action::Keep);
        prop_assert!(still_kept.eq(&second.decisions), "the reasons are the same");
    }

    #[test]
    fn every_reason_lists_only_enabled_rules(dates in any_dates(), policy in any_policy()) {
        for decision in plan_for(dates, policy).decisions {
            let Reason::Kept { rules, .. } = decision.reason else { continue };
            prop_assert!(!rules.is_empty());
            for rule in rules {
                let limit = match rule {
                    Rule::Age | Rule::Minimum => 1,
                    Rule::NewestOf(slot) | Rule::Oldest(slot) => match slot {
                        Slot::Day(_) => policy.keep_daily,
                        Slot::Week(_) => policy.keep_weekly,
                        Slot::Month { .. } => policy.keep_monthly,
                        Slot::Year(_) => policy.keep_yearly,
                    },
                };
                prop_assert!(limit > 0, "{:?}", rule);
            }
        }
    }
}
