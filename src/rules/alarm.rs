//! Decides whether the size of a new archive is suspicious, compared with the archives before it.

use std::fmt;

use chrono::NaiveDate;

use crate::rules::listing::Archived;
use crate::rules::units;

/// A new archive is compared with this many before it: a week of runs, so that a few odd ones do not move the median.
const COMPARED: usize = 7;

/// The usual sizes, in percent of the median of the last archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Less is suspicious; 0 to 100. 0 turns it off.
    pub smaller_than_percent: u32,
    /// More is suspicious; at least 100.
    pub larger_than_percent: u32,
}

/// The size of a new archive is out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspicion {
    /// In bytes.
    pub size: u64,
    /// The size it is compared with, in bytes.
    pub median: u64,
    pub compared: Compared,
    pub beyond: Beyond,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// The median of this many archives before it, 1 to 7.
    Last(usize),
    /// The archive of the same date that it replaces.
    Replaced,
}

/// The bound that was exceeded, in percent of the median.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// `smaller_than_percent`.
    Lower(u32),
    /// `larger_than_percent`.
    Upper(u32),
}

/// Compares an archive of `date` with `size` bytes to the last ones of earlier dates in `history`, which is sorted by date.
/// Archives of unknown size do not count; with nothing to compare with, no size is suspicious.
pub fn suspicion(bounds: Bounds, date: NaiveDate, size: u64, history: &[Archived]) -> Option<Suspicion> {
    let earlier = history.iter().rev().filter(|archived| archived.date < date);
    let mut sizes: Vec<u64> = earlier.filter_map(|archived| archived.size).take(COMPARED).collect();
    sizes.sort_unstable();
    let count = sizes.len();
    let (lower, upper) = (sizes.get(count.checked_sub(1)? / 2)?, sizes.get(count / 2)?);
    compare(bounds, size, lower.midpoint(*upper), Compared::Last(count))
}

/// Compares an archive with `size` bytes to the one of the same date that it replaces, of `replaced` bytes. If there is a
/// `history` to compare with, a larger size is fine: the replaced archive may have been the bad one.
pub fn against_replaced(bounds: Bounds, size: u64, replaced: u64, history: &[Archived]) -> Option<Suspicion> {
    compare(bounds, size, replaced, Compared::Replaced)
        .filter(|suspicion| history.is_empty() || matches!(suspicion.beyond, Beyond::Lower(_)))
}

fn compare(bounds: Bounds, size: u64, median: u64, compared: Compared) -> Option<Suspicion> {
    let (hundredfold, median_of) = (u128::from(size) * 100, |percent: u32| u128::from(median) * u128::from(percent));
    let beyond = if hundredfold < median_of(bounds.smaller_than_percent) {
        Beyond::Lower(bounds.smaller_than_percent)
    } else if hundredfold > median_of(bounds.larger_than_percent) {
        Beyond::Upper(bounds.larger_than_percent)
    } else {
        return None;
    };
    Some(Suspicion { size, median, compared, beyond })
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, median) = (units::size(self.size), units::size(self.median));
        let (hundredfold, divisor) = (u128::from(self.size) * 100, u128::from(self.median.max(1)));
        // Rounded away from the bound, so that the percentage never equals it.
        let (percent, advice) = match self.beyond {
            Beyond::Lower(bound) => (hundredfold / divisor, format!("lower alarm.smaller_than_percent (now {bound})")),
            Beyond::Upper(bound) => {
                (hundredfold.div_ceil(divisor), format!("raise alarm.larger_than_percent (now {bound})"))
            }
        };
        let percent = if percent == 0 { "less than 1".to_owned() } else { percent.to_string() };
        let usual = match self.compared {
            Compared::Last(1) => "size of the last one".to_owned(),
            Compared::Replaced => "size of the archive that it replaced".to_owned(),
            Compared::Last(several) => format!("median size of the last {several}"),
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

    /// Archives with these sizes: the first is of yesterday, each other a day older.
    fn history(sizes: &[Option<u64>]) -> Vec<Archived> {
        let archived = |(age, size): (u64, &Option<u64>)| {
            let date = TODAY - Days::new(age);
            Archived { date, name: date.to_string(), size: *size, modified: None }
        };
        let mut history: Vec<Archived> = (1..).zip(sizes).map(archived).collect();
        history.reverse();
        history
    }

    fn of(sizes: &[u64]) -> Vec<Archived> {
        history(&sizes.iter().copied().map(Some).collect::<Vec<_>>())
    }

    fn today(size: u64, history: &[Archived]) -> Option<Suspicion> {
        suspicion(BOUNDS, TODAY, size, history)
    }

    #[test]
    fn a_size_is_suspicious_only_beyond_the_bounds_around_the_median_of_the_last_seven() {
        let week = of(&[100; 7]);
        let odd = of(&[1, 9_000, 100, 2, 100, 100, 8_000, 77_777, 77_777, 77_777]);
        let even = of(&[10, 400, 200, 9_000]);
        let unknown = history(&[None, Some(10), None, Some(20), Some(90)]);
        for (history, count, median, size, beyond) in [
            (&week, 7, 100, 0, Some(Beyond::Lower(50))),
            (&week, 7, 100, 49, Some(Beyond::Lower(50))),
            (&week, 7, 100, 50, None),
            (&week, 7, 100, 300, None),
            (&week, 7, 100, 301, Some(Beyond::Upper(300))),
            (&week, 7, 100, u64::MAX, Some(Beyond::Upper(300))),
            (&odd, 7, 100, 49, Some(Beyond::Lower(50))),
            (&even, 4, 300, 149, Some(Beyond::Lower(50))),
            (&even, 4, 300, 150, None),
            (&unknown, 3, 20, 9, Some(Beyond::Lower(50))),
        ] {
            let expected = beyond.map(|beyond| Suspicion { size, median, compared: Compared::Last(count), beyond });
            assert_eq!(today(size, history), expected, "{size}");
        }
        assert_eq!((today(1, &[]), today(1, &history(&[None, None]))), (None, None), "nothing to compare with");
    }

    #[test]
    fn a_size_that_lasts_is_the_usual_one_after_four_runs() {
        let mut sizes = vec![Some(1_000); 7];
        let mut alarms = 0;
        while today(10, &history(&sizes)).is_some() {
            alarms += 1;
            sizes.insert(0, Some(10));
        }
        assert_eq!(alarms, 4);
    }

    #[test]
    fn only_archives_of_earlier_dates_are_compared() {
        let mut history = of(&[100]);
        for age in 0..5 {
            let date = TODAY + Days::new(age);
            history.push(Archived { date, name: date.to_string(), size: Some(1), modified: None });
        }
        assert_eq!(today(10, &history).unwrap().median, 100);
        assert_eq!(today(10, &history[1..]), None);
    }

    #[test]
    fn a_warning_names_the_figures_and_the_key_and_never_a_percentage_within_the_bound() {
        let text = |size, history: &[Archived]| today(size, history).unwrap().to_string();
        let week = of(&[5 * MIB; 7]);
        insta::assert_snapshot!(text(MIB, &week), @"the new archive of 1.00 MiB has 20 % of the median size of the last 7 (5.00 MiB); look at the dump, and if it is as it should be, lower alarm.smaller_than_percent (now 50)");
        insta::assert_snapshot!(text(30 * MIB, &week), @"the new archive of 30.00 MiB has 600 % of the median size of the last 7 (5.00 MiB); look at the dump, and if it is as it should be, raise alarm.larger_than_percent (now 300)");
        insta::assert_snapshot!(text(200, &of(&[5 * MIB])), @"the new archive of 200 B has less than 1 % of the size of the last one (5.00 MiB); look at the dump, and if it is as it should be, lower alarm.smaller_than_percent (now 50)");
        for (size, percent) in [(499_999, " 49 % "), (3_000_001, " 301 % ")] {
            let text = text(size, &of(&[1_000_000; 7]));
            assert!(text.contains(percent), "{text}");
        }
    }

    #[test]
    fn the_replaced_archive_is_compared_too_but_a_good_one_may_follow_a_bad_one() {
        for (size, sizes, expected) in [
            (3, &[][..], Some(Beyond::Lower(50))),
            (3, &[100], Some(Beyond::Lower(50))),
            (100, &[], None),
            (100, &[100], None),
            (400, &[], Some(Beyond::Upper(300))),
            (400, &[400], None),
        ] {
            let found =
                against_replaced(BOUNDS, size, 100, &of(sizes)).map(|suspicion| (suspicion.compared, suspicion.beyond));
            assert_eq!(found, expected.map(|beyond| (Compared::Replaced, beyond)), "{size} {sizes:?}");
        }
    }

    proptest! {
        #[test]
        fn wider_bounds_suspect_no_more(
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
            let suspected = suspicion(bounds, TODAY, size, &history);
            prop_assert!(suspected.is_some() || suspicion(wide, TODAY, size, &history).is_none());
            if let Some(suspected) = suspected {
                prop_assert!(suspected.median > 0 && matches!(suspected.compared, Compared::Last(1..=7)));
                let _ = suspected.to_string();
            }
        }
    }
}
