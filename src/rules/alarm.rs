//! Which sizes of an archive are suspicious, beside those of the archives before it.

use std::fmt;

use chrono::NaiveDate;

use crate::rules::history::Archived;
use crate::rules::units;

/// So many of the last archives are what a new one is compared with: a week of nights, so that a few odd ones among them do
/// not move the median.
const COMPARED: usize = 7;

/// Which sizes are as usual, in percent of the median of the last archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Less than this is suspicious; 0 to 100, at 0 nothing is.
    pub smaller_than_percent: u32,
    /// More than this is suspicious; at least 100.
    pub larger_than_percent: u32,
}

/// A new archive whose size is out of bounds, with the figures that show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspicion {
    /// The new archive's size in bytes.
    pub size: u64,
    /// The size that it is compared with, in bytes.
    pub median: u64,
    /// What that is the size of.
    pub compared: Compared,
    /// Which bound it is beyond.
    pub beyond: Beyond,
}

/// What a new archive is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// The median of so many archives before it, 1 to 7.
    Last(usize),
    /// The archive of the same date that it replaced.
    Replaced,
}

/// A bound, in percent of the median.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// `smaller_than_percent`: the archive is smaller.
    Lower(u32),
    /// `larger_than_percent`: the archive is larger.
    Upper(u32),
}

/// Whether an archive of `date` with `size` bytes is suspicious beside the last ones of earlier dates in `history`, which
/// is in the order of dates. One whose size is not known does not count; beside none, no size is suspicious.
pub fn suspicion(bounds: Bounds, date: NaiveDate, size: u64, history: &[Archived]) -> Option<Suspicion> {
    let earlier = history.iter().rev().filter(|archived| archived.date < date);
    let mut sizes: Vec<u64> = earlier.filter_map(|archived| archived.size).take(COMPARED).collect();
    sizes.sort_unstable();
    let count = sizes.len();
    let (lower, upper) = (sizes.get(count.checked_sub(1)? / 2)?, sizes.get(count / 2)?);
    compare(bounds, size, lower.midpoint(*upper), Compared::Last(count))
}

/// Whether an archive with `size` bytes is suspicious beside the one of the same date that it replaced, of `replaced` bytes.
/// Where `history` says that it is as large as usual, only a smaller one is: the replaced one may have been the bad one.
pub fn beside(bounds: Bounds, size: u64, replaced: u64, history: &[Archived]) -> Option<Suspicion> {
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
        // Rounded away from the bound, which the percentage must be seen to be beyond.
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

    const TONIGHT: NaiveDate = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
    const BOUNDS: Bounds = Bounds { smaller_than_percent: 50, larger_than_percent: 300 };
    const MIB: u64 = 1 << 20;

    /// Archives of so many bytes each: the first of them is of last night, each other a night older.
    fn nights(sizes: &[Option<u64>]) -> Vec<Archived> {
        let archived = |(age, size): (u64, &Option<u64>)| {
            let date = TONIGHT - Days::new(age);
            Archived { date, name: date.to_string(), size: *size, modified: None }
        };
        let mut history: Vec<Archived> = (1..).zip(sizes).map(archived).collect();
        history.reverse();
        history
    }

    fn of(sizes: &[u64]) -> Vec<Archived> {
        nights(&sizes.iter().copied().map(Some).collect::<Vec<_>>())
    }

    fn tonight(size: u64, history: &[Archived]) -> Option<Suspicion> {
        suspicion(BOUNDS, TONIGHT, size, history)
    }

    #[test]
    fn a_size_is_suspicious_only_beyond_the_bounds() {
        let history = of(&[100; 7]);
        for size in [50, 51, 100, 299, 300] {
            assert_eq!(tonight(size, &history), None, "{size}");
        }
        let beyond = |size| tonight(size, &history).map(|suspicion| suspicion.beyond);
        for size in [0, 1, 49] {
            assert_eq!(beyond(size), Some(Beyond::Lower(50)), "{size}");
        }
        for size in [301, 1_000, u64::MAX] {
            assert_eq!(beyond(size), Some(Beyond::Upper(300)), "{size}");
        }
    }

    #[test]
    fn the_middle_of_the_last_seven_counts_whatever_lies_around_it() {
        let history = of(&[1, 9_000, 100, 2, 100, 100, 8_000, 77_777, 77_777, 77_777]);
        assert_eq!(
            tonight(49, &history),
            Some(Suspicion { size: 49, median: 100, compared: Compared::Last(7), beyond: Beyond::Lower(50) })
        );
    }

    #[test]
    fn a_new_size_that_stays_is_the_usual_one_after_four_nights() {
        let mut sizes = vec![Some(1_000); 7];
        let mut alarms = 0;
        while tonight(10, &nights(&sizes)).is_some() {
            alarms += 1;
            sizes.insert(0, Some(10));
        }
        assert_eq!(alarms, 4);
    }

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        let history = of(&[10, 400, 200, 9_000]);
        assert_eq!(tonight(149, &history).unwrap().median, 300);
        assert_eq!(tonight(150, &history), None);
    }

    #[test]
    fn with_nothing_to_compare_with_no_size_is_suspicious() {
        assert_eq!(tonight(1, &[]), None);
        assert_eq!(tonight(1, &nights(&[None, None])), None);
    }

    #[test]
    fn an_archive_whose_size_is_not_known_makes_room_for_an_older_one() {
        let history = nights(&[None, Some(10), None, Some(20), Some(90)]);
        let Suspicion { median, compared, .. } = tonight(9, &history).unwrap();
        assert_eq!((median, compared), (20, Compared::Last(3)));
    }

    #[test]
    fn only_archives_of_earlier_nights_are_compared_with() {
        let mut history = of(&[100]);
        for age in 0..5 {
            let date = TONIGHT + Days::new(age);
            history.push(Archived { date, name: date.to_string(), size: Some(1), modified: None });
        }
        assert_eq!(tonight(10, &history).unwrap().median, 100);
        assert_eq!(tonight(10, &history[1..]), None);
    }

    #[test]
    fn a_warning_says_what_is_unusual_and_what_to_do() {
        let told = |size, history: &[Archived]| tonight(size, history).unwrap().to_string();
        let week = of(&[5 * MIB; 7]);
        insta::assert_snapshot!(told(MIB, &week), @"the new archive of 1.00 MiB has 20 % of the median size of the last 7 (5.00 MiB); look at the dump, and if it is as it should be, lower alarm.smaller_than_percent (now 50)");
        insta::assert_snapshot!(told(30 * MIB, &week), @"the new archive of 30.00 MiB has 600 % of the median size of the last 7 (5.00 MiB); look at the dump, and if it is as it should be, raise alarm.larger_than_percent (now 300)");
        insta::assert_snapshot!(told(200, &of(&[5 * MIB])), @"the new archive of 200 B has less than 1 % of the size of the last one (5.00 MiB); look at the dump, and if it is as it should be, lower alarm.smaller_than_percent (now 50)");
    }

    #[test]
    fn a_percentage_is_seen_to_be_beyond_its_bound() {
        let told = |size| tonight(size, &of(&[1_000_000; 7])).unwrap().to_string();
        assert!(told(499_999).contains(" 49 % "), "{}", told(499_999));
        assert!(told(3_000_001).contains(" 301 % "), "{}", told(3_000_001));
    }

    #[test]
    fn a_replaced_archive_is_compared_with_but_a_good_one_may_follow_a_bad_one() {
        let beside = |size, history: &[Archived]| {
            let suspicion = beside(BOUNDS, size, 100, history)?;
            Some((suspicion.compared, suspicion.beyond))
        };
        for history in [of(&[]), of(&[100])] {
            assert_eq!(beside(3, &history), Some((Compared::Replaced, Beyond::Lower(50))));
            assert_eq!(beside(100, &history), None);
        }
        assert_eq!(beside(400, &of(&[])), Some((Compared::Replaced, Beyond::Upper(300))));
        assert_eq!(beside(400, &of(&[400])), None);
    }

    proptest! {
        #[test]
        fn wider_bounds_suspect_no_more(
            sizes in prop::collection::vec(prop::option::of(1_u64..), 0..10),
            size in any::<u64>(),
            bounds in (0_u32..=100, 100_u32..=1_000_000),
            wider in (0_u32..=100, 0_u32..=1_000_000),
        ) {
            let history = nights(&sizes);
            let bounds = Bounds { smaller_than_percent: bounds.0, larger_than_percent: bounds.1 };
            let wide = Bounds {
                smaller_than_percent: bounds.smaller_than_percent.saturating_sub(wider.0),
                larger_than_percent: bounds.larger_than_percent + wider.1,
            };
            let suspected = suspicion(bounds, TONIGHT, size, &history);
            prop_assert!(suspected.is_some() || suspicion(wide, TONIGHT, size, &history).is_none());
            if let Some(suspected) = suspected {
                prop_assert!(suspected.median > 0 && matches!(suspected.compared, Compared::Last(1..=7)));
                let _ = suspected.to_string();
            }
        }
    }
}
