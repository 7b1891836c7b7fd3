//! Fresh and stale dumps, and the advice for stale ones.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Europe::Paris;
use chrono_tz::{Africa, America, Asia};
use proptest::prelude::*;
use scripting_system::rules::freshness::{DumpTime, Freshness, Staleness, judge};

const TODAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();

fn wall_clock(text: &str) -> DumpTime {
    DumpTime::WallClock(text.parse().unwrap())
}

fn instant(text: &str) -> DumpTime {
    DumpTime::Instant(text.parse().unwrap())
}

fn in_paris(time: DumpTime) -> Freshness {
    judge(time, None, &Paris, TODAY, 0).freshness
}

#[test]
fn freshness_depends_on_the_date_in_the_jobs_zone() {
    for fresh in ["2026-11-22T23:00:00Z", "2026-11-22T23:10:00Z"] {
        assert_eq!(in_paris(instant(fresh)), Freshness::Fresh, "{fresh}");
    }
    assert_eq!(in_paris(DumpTime::Missing), Freshness::Stale(Staleness::Unknown));
    assert_eq!(
        in_paris(instant("2026-11-22T22:59:59Z")),
        Freshness::Stale(Staleness::Old { modified: TODAY.pred_opt().unwrap(), days: 1 })
    );
    assert_eq!(
        in_paris(instant("2026-11-23T23:00:00Z")),
        Freshness::Stale(Staleness::Future { modified: TODAY.succ_opt().unwrap() })
    );
}

#[test]
fn a_wall_clock_time_is_read_in_the_source_zone() {
    let early_morning_in_tokyo = wall_clock("2026-11-24T06:00:00");
    assert_eq!(judge(early_morning_in_tokyo, Some(Asia::Tokyo), &Paris, TODAY, 0).freshness, Freshness::Fresh);
    assert!(matches!(in_paris(early_morning_in_tokyo), Freshness::Stale(Staleness::Future { .. })));
}

#[test]
fn tomorrows_midnight_counts_as_today_only_for_a_wall_clock() {
    assert_eq!(in_paris(wall_clock("2026-11-24T00:00:00")), Freshness::Fresh);
    assert!(matches!(in_paris(wall_clock("2026-11-24T00:00:02")), Freshness::Stale(_)));
    assert!(matches!(in_paris(instant("2026-11-23T23:00:00Z")), Freshness::Stale(_)));
}

#[test]
fn midnight_counts_as_today_even_if_the_next_day_begins_at_one_oclock() {
    // Cairo's clocks jumped from 00:00 to 01:00 on 2024-04-26.
    let today = NaiveDate::from_ymd_opt(2024, 4, 25).unwrap();
    let judged = judge(wall_clock("2024-04-26T00:00:00"), None, &Africa::Cairo, today, 0);
    assert_eq!(judged.freshness, Freshness::Fresh);
}

#[test]
fn a_time_that_the_clocks_skip_or_repeat_is_valid() {
    let spring = NaiveDate::from_ymd_opt(2026, 3, 29).unwrap();
    let skipped = judge(wall_clock("2026-03-29T02:30:00"), None, &Paris, spring, 0);
    assert_eq!(skipped.modified.unwrap().to_rfc3339(), "2026-03-29T03:30:00+02:00");
    let autumn = NaiveDate::from_ymd_opt(2026, 11, 1).unwrap();
    let repeated = judge(wall_clock("2026-11-01T01:30:00"), None, &America::New_York, autumn, 0);
    assert_eq!(repeated.modified.unwrap().to_rfc3339(), "2026-11-01T01:30:00-04:00");
    assert_eq!(repeated.freshness, Freshness::Fresh);
}

#[test]
fn a_maximum_age_makes_older_dumps_fresh() {
    let yesterday = instant("2026-11-22T12:00:00Z");
    assert_eq!(judge(yesterday, None, &Utc, TODAY, 1).freshness, Freshness::Fresh);
    assert!(matches!(judge(yesterday, None, &Utc, TODAY, 0).freshness, Freshness::Stale(_)));
}

proptest! {
    #[test]
    fn a_dump_is_fresh_on_exactly_one_day(seconds in 0_i64..4_000_000_000) {
        let time = DumpTime::Instant(DateTime::from_timestamp(seconds, 0).unwrap());
        let date = judge(time, None, &Paris, TODAY, 0).modified.unwrap().date_naive();
        let fresh_days = [date.pred_opt().unwrap(), date, date.succ_opt().unwrap()]
            .into_iter()
            .filter(|day| judge(time, None, &Paris, *day, 0).freshness == Freshness::Fresh)
            .count();
        prop_assert_eq!(fresh_days, 1);
    }
}

#[test]
fn the_advice_names_the_probable_cause() {
    let tomorrow = wall_clock("2026-11-24T06:00:00");
    let late = instant("2026-11-22T22:50:00Z");
    let replaced = "The web server now has the dump of 2026-11-24: the one of 2026-11-22 can no longer be sent";
    for (time, zone, today, now, expected) in [
        (
            tomorrow,
            None,
            "2026-11-23",
            "2026-11-23T23:00:00+01:00",
            &["2026-11-24 06:00:00 without a zone", "in the job's zone (+01:00)", "into source.timezone"][..],
        ),
        (tomorrow, Some(Asia::Dubai), "2026-11-23", "2026-11-23T23:00:00+01:00", &["in Asia/Dubai (source.timezone)"]),
        (instant("2026-11-24T12:00:00Z"), None, "2026-11-23", "2026-11-23T23:00:00+01:00", &["Check the clocks"]),
        (instant("2026-11-24T20:00:00Z"), None, "2026-11-22", "2026-11-25T09:00:00+01:00", &[replaced]),
        (wall_clock("2026-11-24T21:00:00"), None, "2026-11-22", "2026-11-25T09:00:00+01:00", &[replaced]),
        (
            late,
            None,
            "2026-11-23",
            "2026-11-23T00:30:00+01:00",
            &["2026-11-22 23:50:00 +01:00", "source.max_age_days to 1"],
        ),
        // In the evening, a dump from the previous evening is a day old.
        (late, None, "2026-11-23", "2026-11-23T23:00:00+01:00", &["Check the program that dumps the database"]),
    ] {
        let (today, now) = (today.parse().unwrap(), now.parse().unwrap());
        let advice = judge(time, zone, &Paris, today, 0).advice(time, zone, today, now);
        assert!(expected.iter().all(|text| advice.contains(text)), "{expected:?}: {advice}");
    }
}
