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

/// Compares `size`, the bytes of the archive of `date`, with recent archives of earlier dates. Without earlier archives, no
/// size is suspicious.
pub fn compare_with_earlier(bounds: Bounds, date: NaiveDate, size: u64, history: &[DatedArchive]) -> Option<Suspicion> {
    median_of_earlier(date, history).and_then(|(median, count)| compare(bounds, size, median, Baseline::Last(count)))
}

/// The median size in bytes of up to 7 recent archives from before `date`, and their number. `history` is sorted by date;
/// archives of unknown size are ignored.
pub fn median_of_earlier(date: NaiveDate, history: &[DatedArchive]) -> Option<(u64, usize)> {
    let earlier = history.iter().rev().filter(|archived| archived.date < date);
    let mut sizes: Vec<u64> = earlier.filter_map(|archived| archived.size).take(MAX_COMPARED).collect();
    sizes.sort_unstable();
    let count = sizes.len();
    let (lower, upper) = (sizes.get(count.checked_sub(1)? / 2)?, sizes.get(count / 2)?);
    Some((lower.midpoint(*upper), count))
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
