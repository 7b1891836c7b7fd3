//! Whether a size is suspicious.

use chrono::{Days, NaiveDate};
use proptest::prelude::*;
use scripting_system::rules::alarm::*;
use scripting_system::rules::listing::DatedArchive;

const TODAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
const BOUNDS: Bounds = Bounds { smaller_than_percent: 50, larger_than_percent: 300 };
const MIB: u64 = 1 << 20;

/// One archive per size, the first from yesterday, each next one a day older; sorted by date.
fn history(sizes: &[Option<u64>]) -> Vec<DatedArchive> {
    let archived = |(age, size): (u64, &Option<u64>)| {
        let date = TODAY - Days::new(age);
        DatedArchive { date, name: date.to_string(), size: *size, modified: None }
    };
    let mut history: Vec<DatedArchive> = (1..).zip(sizes).map(archived).collect();
    history.reverse();
    history
}

fn known(sizes: &[u64]) -> Vec<DatedArchive> {
    history(&sizes.iter().copied().map(Some).collect::<Vec<_>>())
}

fn compare_today(size: u64, history: &[DatedArchive]) -> Option<Suspicion> {
    compare_with_earlier(BOUNDS, TODAY, size, history)
}

#[test]
fn a_size_is_suspicious_only_outside_the_bounds_around_the_median_of_the_last_seven() {
    let week = known(&[100; 7]);
    let odd = known(&[1, 9_000, 100, 2, 100, 100, 8_000, 77_777, 77_777, 77_777]);
    let even = known(&[10, 400, 200, 9_000]);
    let unknown = history(&[None, Some(10), None, Some(20), Some(90)]);
    for (history, count, median, size, exceeded) in [
        (&week, 7, 100, 0, Some(Bound::Lower(50))),
        (&week, 7, 100, 49, Some(Bound::Lower(50))),
        (&week, 7, 100, 50, None),
        (&week, 7, 100, 300, None),
        (&week, 7, 100, 301, Some(Bound::Upper(300))),
        (&week, 7, 100, u64::MAX, Some(Bound::Upper(300))),
        (&odd, 7, 100, 49, Some(Bound::Lower(50))),
        (&even, 4, 300, 149, Some(Bound::Lower(50))),
        (&even, 4, 300, 150, None),
        (&unknown, 3, 20, 9, Some(Bound::Lower(50))),
    ] {
        let expected = exceeded.map(|exceeded| Suspicion { size, median, baseline: Baseline::Last(count), exceeded });
        assert_eq!(compare_today(size, history), expected, "{size}");
    }
    assert_eq!(compare_today(1, &[]), None);
    assert_eq!(compare_today(1, &history(&[None, None])), None);
}

#[test]
fn a_new_size_becomes_usual_after_four_runs() {
    let mut sizes = vec![Some(1_000); 7];
    let mut alarms = 0;
    while compare_today(10, &history(&sizes)).is_some() {
        alarms += 1;
        sizes.insert(0, Some(10));
    }
    assert_eq!(alarms, 4);
}

#[test]
fn only_archives_of_earlier_dates_are_compared() {
    let mut history = known(&[100]);
    for age in 0..5 {
        let date = TODAY + Days::new(age);
        history.push(DatedArchive { date, name: date.to_string(), size: Some(1), modified: None });
    }
    assert_eq!(compare_today(10, &history).unwrap().median, 100);
    assert_eq!(compare_today(10, &history[1..]), None);
}

#[test]
fn a_warning_gives_the_figures_and_the_key_and_never_a_percentage_within_the_bound() {
    let text = |size, history: &[DatedArchive]| compare_today(size, history).unwrap().to_string();
    let week = known(&[5 * MIB; 7]);
    insta::assert_snapshot!(text(MIB, &week), @"the new archive of 1.00 MiB has 20 % of the median size of the last 7 (5.00 MiB); look at the dump, and if it is as it should be, lower alarm.smaller_than_percent (now 50)");
    insta::assert_snapshot!(text(30 * MIB, &week), @"the new archive of 30.00 MiB has 600 % of the median size of the last 7 (5.00 MiB); look at the dump, and if it is as it should be, raise alarm.larger_than_percent (now 300)");
    insta::assert_snapshot!(text(200, &known(&[5 * MIB])), @"the new archive of 200 B has less than 1 % of the size of the last one (5.00 MiB); look at the dump, and if it is as it should be, lower alarm.smaller_than_percent (now 50)");
    for (size, percent) in [(499_999, " 49 % "), (3_000_001, " 301 % ")] {
        let text = text(size, &known(&[1_000_000; 7]));
        assert!(text.contains(percent), "{text}");
    }
}

#[test]
fn a_replacement_may_be_larger_but_not_much_smaller() {
    for (size, sizes, expected) in [
        (3, &[][..], Some(Bound::Lower(50))),
        (3, &[100], Some(Bound::Lower(50))),
        (100, &[], None),
        (100, &[100], None),
        (400, &[], Some(Bound::Upper(300))),
        (400, &[400], None),
    ] {
        let suspicion = compare_with_replaced(BOUNDS, size, 100, &known(sizes));
        let actual = suspicion.map(|suspicion| (suspicion.baseline, suspicion.exceeded));
        assert_eq!(actual, expected.map(|bound| (Baseline::Replaced, bound)), "{size} {sizes:?}");
    }
}

proptest! {
    #[test]
    fn wider_bounds_never_add_a_suspicion(
        sizes in prop::collection::vec(prop::option::of(1_u64..), 0..10),
        size in any::<u64>(),
        bounds in (0_u32..=100, 100_u32..=1_000_000),
        wider in (0_u32..=100, 0_u32..=1_000_000),
    ) {
        let history = history(&sizes);
        let bounds = Bounds { smaller_than_percent: bounds.0, larger_than_percent: bounds.1 };
        let wide = Bounds {
            smaller_than_percent: bounds.smaller_than_percent.saturating_sub(wider.0),
            larger_than_percent: bounds.larger_than_percent + wider.1,
        };
        let suspicion = compare_with_earlier(bounds, TODAY, size, &history);
        prop_assert!(suspicion.is_some() || compare_with_earlier(wide, TODAY, size, &history).is_none());
        if let Some(suspicion) = suspicion {
            prop_assert!(suspicion.median > 0 && matches!(suspicion.baseline, Baseline::Last(1..=7)));
            let _ = suspicion.to_string();
        }
    }
}
