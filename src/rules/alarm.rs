//! Decides whether a new archive's size is suspicious, compared with earlier archives.

use std::fmt;

use chrono::NaiveDate;

use crate::rules::listing::DatedArchive;
use crate::rules::units;

/// One week of runs, so that a few outliers do not move the median.
const MAX_COMPARED: usize = 7;

/// The usual sizes, in percent of the median of recent archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// 0 to 100; 0 disables this bound.
    pub smaller_than_percent: u32,
    /// At least 100.
    pub larger_than_percent: u32,
}

/// A new archive's size that is out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspicion {
    /// In bytes.
    pub size: u64,
    /// The size of the baseline, in bytes.
    pub median: u64,
    pub baseline: Baseline,
    pub exceeded: Bound,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Baseline {
    /// The median of this many previous archives, 1 to 7.
    Last(usize),
    /// The archive of the same date that the new one replaces.
    Replaced,
}

/// In percent of the median.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// `smaller_than_percent`.
    Lower(u32),
    /// `larger_than_percent`.
    Upper(u32),
}

/// Compares `size`, the bytes of the archive of `date`, with recent archives of earlier dates. `history` is sorted by date;
/// archives of unknown size are ignored. Without earlier archives, no size is suspicious.
pub fn compare_with_earlier(bounds: Bounds, date: NaiveDate, size: u64, history: &[DatedArchive]) -> Option<Suspicion> {
    let earlier = history.iter().rev().filter(|archived| archived.date < date);
    let mut sizes: Vec<u64> = earlier.filter_map(|archived| archived.size).take(MAX_COMPARED).collect();
    sizes.sort_unstable();
    let count = sizes.len();
    let (lower, upper) = (sizes.get(count.checked_sub(1)? / 2)?, sizes.get(count / 2)?);
    compare(bounds, size, lower.midpoint(*upper), Baseline::Last(count))
}

/// Compares `size` with `replaced`, the size of the archive of the same date that it replaces, both in bytes. Unless
/// `history` is empty, a larger size is fine: the replaced archive may have been the bad one.
pub fn compare_with_replaced(bounds: Bounds, size: u64, replaced: u64, history: &[DatedArchive]) -> Option<Suspicion> {
    compare(bounds, size, replaced, Baseline::Replaced)
        .filter(|suspicion| history.is_empty() || matches!(suspicion.exceeded, Bound::Lower(_)))
}

fn compare(bounds: Bounds, size: u64, median: u64, baseline: Baseline) -> Option<Suspicion> {
    let hundredfold = u128::from(size) * 100;
    let limit = |percent: u32| u128::from(median) * u128::from(percent);
    let exceeded = if hundredfold < limit(bounds.smaller_than_percent) {
        Bound::Lower(bounds.smaller_than_percent)
    } else if hundredfold > limit(bounds.larger_than_percent) {
        Bound::Upper(bounds.larger_than_percent)
    } else {
        return None;
    };
    Some(Suspicion { size, median, baseline, exceeded })
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, median) = (units::size(self.size), units::size(self.median));
        let (hundredfold, divisor) = (u128::from(self.size) * 100, u128::from(self.median.max(1)));
        // Rounded away from the bound, so that the percentage never equals it.
        let (percent, advice) = match self.exceeded {
            Bound::Lower(bound) => (hundredfold / divisor, format!("lower alarm.smaller_than_percent (now {bound})")),
            Bound::Upper(bound) => {
                (hundredfold.div_ceil(divisor), format!("raise alarm.larger_than_percent (now {bound})"))
            }
        };
        let percent = if percent == 0 { "less than 1".to_owned() } else { percent.to_string() };
        let usual = match self.baseline {
            Baseline::Last(1) => "size of the last one".to_owned(),
            Baseline::Replaced => "size of the archive that it replaced".to_owned(),
            Baseline::Last(count) => format!("median size of the last {count}"),
        };
        write!(
            f,
            "the new archive of {size} has {percent} % of the {usual} ({median}); look at the dump, and if it is as it \
             should be, {advice}"
        )
    }
}

#[cfg(test)]
mod tests {
    use chrono::Days;
    use proptest::prelude::*;

    use super::*;

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
            let expected =
                exceeded.map(|exceeded| Suspicion { size, median, baseline: Baseline::Last(count), exceeded });
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
}
