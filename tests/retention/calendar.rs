//! The calendar rules on real servers.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde_json::json;
use testkit::Setup;
use testkit::setup::archive_name;

use super::{archive, create_archives, dry_run, listed, names, removed_by, run, today};

/// A Monday after a leap year of 53 weeks.
const DATE: NaiveDate = NaiveDate::from_ymd_opt(2021, 1, 4).unwrap();

/// The archives to be kept out of 400 up to [`DATE`], and the reasons without the age.
const KEPT: [(&str, &str); 23] = [
    ("2021-01-04", "; weekly 2021-W01, monthly 2021-01, yearly 2021"),
    ("2021-01-03", "; weekly 2020-W53"),
    ("2021-01-02", ""),
    ("2021-01-01", ""),
    ("2020-12-31", "; monthly 2020-12, yearly 2020"),
    ("2020-12-30", ""),
    ("2020-12-27", ", kept as weekly 2020-W52"),
    ("2020-12-20", ", kept as weekly 2020-W51"),
    ("2020-12-13", ", kept as weekly 2020-W50"),
    ("2020-12-06", ", kept as weekly 2020-W49"),
    ("2020-11-30", ", kept as monthly 2020-11"),
    ("2020-10-31", ", kept as monthly 2020-10"),
    ("2020-09-30", ", kept as monthly 2020-09"),
    ("2020-08-31", ", kept as monthly 2020-08"),
    ("2020-07-31", ", kept as monthly 2020-07"),
    ("2020-06-30", ", kept as monthly 2020-06"),
    ("2020-05-31", ", kept as monthly 2020-05"),
    ("2020-04-30", ", kept as monthly 2020-04"),
    ("2020-03-31", ", kept as monthly 2020-03"),
    ("2020-02-29", ", kept as monthly 2020-02"),
    ("2020-01-31", ", kept as monthly 2020-01"),
    ("2019-12-31", ", kept as monthly 2019-12, yearly 2019"),
    ("2019-12-02", ", kept as oldest yearly 2019"),
];

#[test]
fn the_calendar_rules_keep_exactly_the_right_archives_of_a_year() {
    Setup::on_each_server(|setup| {
        setup.publish_dump_of(DATE.and_time(NaiveTime::from_hms_opt(22, 0, 0).unwrap()).and_utc());
        setup.config["retention"] = json!({"keep_days": 5, "keep_weekly": 6, "keep_monthly": 14, "keep_yearly": 4});
        create_archives(setup, (1..400).map(|age| DATE - Days::new(age)));
        let dry = dry_run(setup);
        dry.exited_with(0);

        let outcome = run(setup);
        outcome.exited_with(0).logged(&format!(
            "Remove expired: {} removed, {} archives kept",
            400 - KEPT.len(),
            KEPT.len()
        ));
        let mut reasons = BTreeMap::new();
        for (date, rules) in KEPT {
            let date: NaiveDate = date.parse().unwrap();
            let age = (DATE - date).num_days();
            let plural = if age == 1 { "" } else { "s" };
            reasons.insert(archive_name(date), format!("{age} day{plural} old{rules}"));
        }
        assert_eq!(setup.sshd.names().into_iter().collect::<BTreeSet<_>>(), reasons.keys().cloned().collect());
        for (name, reason) in &reasons {
            outcome.logged(&format!("Remove expired: kept {name}: {reason}\n"));
        }
        assert_eq!(names(listed(&dry, "would be removed")), removed_by(&outcome));
        let kept: BTreeSet<String> = reasons.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
        assert_eq!(listed(&dry, "would be kept").into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), kept);

        run(setup).exited_with(0).logged(&format!("Remove expired: 0 removed, {} archives kept", KEPT.len()));
    });
}

#[test]
fn the_newest_archives_are_kept_at_any_age() {
    let mut setup = Setup::new();
    setup.config["retention"] = json!({"keep_days": 1, "keep_at_least": 4});
    create_archives(&setup, [100, 200, 300, 400, 500].map(|days| today(&setup) - Days::new(days)));
    let outcome = run(&setup);
    outcome.exited_with(0);
    let kept: BTreeSet<String> = [0, 100, 200, 300].map(|days| archive(&setup, days)).into();
    assert_eq!(setup.sshd.names().into_iter().collect::<BTreeSet<_>>(), kept);
    outcome.logged(&format!("kept {}: 300 days old, but one of the newest that always stay\n", archive(&setup, 300)));
    outcome.logged(&format!("removed {}: expired, 400 days old\n", archive(&setup, 400)));
}

#[test]
fn the_first_delivery_after_a_long_pause_keeps_the_minimum() {
    let mut setup = Setup::new();
    let last_fresh = today(&setup) - Days::new(40);
    create_archives(&setup, (0..11).map(|days| last_fresh - Days::new(days)));
    let evening = NaiveTime::from_hms_opt(22, 0, 0).unwrap();
    let modified = (last_fresh + Days::new(30)).and_time(evening);
    setup.publish_dump_of(DateTime::<Utc>::from_naive_utc_and_offset(modified, Utc));
    run(&setup).exited_with(0);
    let kept: BTreeSet<String> = [30, 0, -1].map(|days| archive_name(last_fresh + TimeDelta::days(days))).into();
    assert_eq!(setup.sshd.names().into_iter().collect::<BTreeSet<_>>(), kept);
}
