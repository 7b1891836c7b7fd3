//! The sizes of the last archives as a chart, and in words: what is drawn, whatever it is drawn with.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use crate::record::run_record::{FolderFacts, RunRecord};
use crate::report::message::headline;
use crate::rules::history;
use crate::rules::listing::Archived;

/// So many archives are drawn.
const MAX_ARCHIVES: usize = 30;

/// A longer stretch of nights without an archive is drawn as if it were so long; words tell how long it is.
const LONGEST_GAP: usize = 10;

/// Where there would be more columns than this, nights without an archive have none.
const MAX_COLUMNS: usize = 60;

/// An archive of more than so many times the median is cut off, so that the others can be told apart.
const HIGHEST: u64 = 3;

/// One column of the chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Column {
    /// An archive.
    Archive {
        /// The date in its name.
        date: NaiveDate,
        /// Its size in bytes, where the server tells.
        size: Option<u64>,
        /// Whether this run has delivered it.
        is_tonights: bool,
    },
    /// A night without one.
    Gap(NaiveDate),
}

/// The last archives, oldest first, with the nights in between that have none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chart {
    /// What is drawn, from left to right.
    pub(crate) columns: Vec<Column>,
    /// The size in bytes that is drawn in full height; at least 1.
    pub(crate) ceiling: u64,
    archives: Vec<Archived>,
}

impl Chart {
    /// The chart for `record`; `None` where there is no history to show.
    pub(crate) fn of(record: &RunRecord) -> Option<Chart> {
        let folder = record.folder.as_ref()?;
        let archives = last_archives(folder);
        if archives.len() < 2 {
            return None;
        }
        let sizes = sorted_sizes(archives);
        let largest = *sizes.last()?;
        let median = sizes[sizes.len() / 2];
        let delivered = record.archive.as_ref().filter(|_| record.is_delivered()).map(|archive| archive.name.as_str());
        Some(Chart {
            columns: columns(archives, &gaps(record, folder), delivered),
            ceiling: largest.min(median.saturating_mul(HIGHEST)).max(1),
            archives: archives.to_vec(),
        })
    }

    /// "The last 30 archives".
    pub(crate) fn title(&self) -> String {
        format!("The last {}", headline::count(self.archives.len(), "archive"))
    }

    /// The dates of the first and of the last column.
    pub(crate) fn span(&self) -> Option<(NaiveDate, NaiveDate)> {
        let date = |column: &Column| match column {
            Column::Archive { date, .. } | Column::Gap(date) => *date,
        };
        Some((date(self.columns.first()?), date(self.columns.last()?)))
    }

    /// "12.10 MiB to 14.20 MiB, median 12.90 MiB", where any size is known.
    pub(crate) fn sizes(&self) -> Option<String> {
        let sizes = sorted_sizes(&self.archives);
        let (smallest, largest) = (*sizes.first()?, *sizes.last()?);
        if smallest == largest {
            return Some(format!("each {}", headline::size(largest)));
        }
        let median = headline::size(sizes[sizes.len() / 2]);
        Some(format!("{} to {}, median {median}", headline::size(smallest), headline::size(largest)))
    }

    /// What stands out, as sentences: archives that do not fit into the chart.
    pub(crate) fn cut_off(&self) -> Option<String> {
        let higher: Vec<String> = self
            .archives
            .iter()
            .filter_map(|archive| Some((archive.date, archive.size?)))
            .filter(|(_, size)| self.is_cut_off(*size))
            .map(|(date, size)| format!("{} of {}", headline::size(size), headline::day(date)))
            .collect();
        (!higher.is_empty()).then(|| format!("cut off: {}", higher.join(", ")))
    }

    /// Whether an archive of `size` bytes is higher than the chart.
    pub(crate) fn is_cut_off(&self, size: u64) -> bool {
        size > self.ceiling
    }

    /// The height of an archive of `size` bytes in a chart that is `full` high; at least 1.
    pub(crate) fn height(&self, size: u64, full: u64) -> u64 {
        let exact = u128::from(size.min(self.ceiling)) * u128::from(full) / u128::from(self.ceiling);
        u64::try_from(exact).unwrap_or(full).max(1)
    }

    /// Whether a night without an archive is drawn.
    pub(crate) fn has_gaps(&self) -> bool {
        self.columns.iter().any(|column| matches!(column, Column::Gap(_)))
    }

    /// The chart as one line of block characters; a dot is a night without an archive.
    pub(crate) fn sparkline(&self) -> String {
        const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let block = |column: &Column| match column {
            Column::Archive { size: Some(size), .. } => {
                let height = usize::try_from(self.height(*size, BLOCKS.len() as u64)).unwrap_or(1);
                BLOCKS[height.clamp(1, BLOCKS.len()) - 1]
            }
            Column::Archive { size: None, .. } => '?',
            Column::Gap(_) => '·',
        };
        self.columns.iter().map(block).collect()
    }
}

/// The last archives in `folder` that are drawn, oldest first.
fn last_archives(folder: &FolderFacts) -> &[Archived] {
    &folder.archives[folder.archives.len().saturating_sub(MAX_ARCHIVES)..]
}

/// From which night to which one an archive can be missed: `None` where there is none that could be.
pub(crate) fn nights(record: &RunRecord, folder: &FolderFacts) -> Option<(NaiveDate, NaiveDate)> {
    let (oldest, newest) = (last_archives(folder).first()?.date, folder.archives.last()?.date);
    Some((folder.complete_since?.max(oldest), record.today.max(newest)))
}

/// The stretches of nights without an archive, as the first and the last night of each.
pub(crate) fn gaps(record: &RunRecord, folder: &FolderFacts) -> Vec<(NaiveDate, NaiveDate)> {
    nights(record, folder).map(|(first, last)| history::gaps(&folder.archives, first, last)).unwrap_or_default()
}

fn columns(archives: &[Archived], gaps: &[(NaiveDate, NaiveDate)], delivered: Option<&str>) -> Vec<Column> {
    let bars = archives.iter().map(|archive| {
        let is_tonights = delivered == Some(archive.name.as_str());
        (archive.date, Column::Archive { date: archive.date, size: archive.size, is_tonights })
    });
    let nights: BTreeSet<NaiveDate> = gaps
        .iter()
        // The last nights of a long one: it ends beside the archive that ended it.
        .flat_map(|(first, last)| {
            first.iter_days().take_while(|day| day <= last).collect::<Vec<_>>().into_iter().rev().take(LONGEST_GAP)
        })
        .collect();
    let mut columns: Vec<(NaiveDate, Column)> = bars.collect();
    if columns.len() + nights.len() <= MAX_COLUMNS {
        columns.extend(nights.into_iter().map(|night| (night, Column::Gap(night))));
    }
    columns.sort_by_key(|(date, _)| *date);
    columns.into_iter().map(|(_, column)| column).collect()
}

fn sorted_sizes(archives: &[Archived]) -> Vec<u64> {
    let mut sizes: Vec<u64> = archives.iter().filter_map(|archive| archive.size).collect();
    sizes.sort_unstable();
    sizes
}

#[cfg(test)]
mod tests {
    use chrono::Days;

    use super::*;
    use crate::report::message::samples;

    /// A run after which archives of so many days and bytes lie on the server, retention keeping each of the last 1000 days.
    fn after(archives: &[(u64, u64)]) -> RunRecord {
        let mut record = samples::begun();
        let archives: Vec<Archived> = archives
            .iter()
            .map(|(age, size)| {
                let date = record.today - Days::new(*age);
                Archived { date, name: date.to_string(), size: Some(*size), modified: None }
            })
            .collect();
        let complete_since = archives.first().map(|archive| archive.date);
        record.folder = Some(FolderFacts { archives, complete_since, free: None });
        record
    }

    #[test]
    fn the_sparkline_shows_sizes_from_zero_on_and_nights_without() {
        let chart = Chart::of(&after(&[(5, 800), (4, 400), (2, 100), (1, 750), (0, 1)])).unwrap();
        assert_eq!(chart.sparkline(), "█▄·▁▇▁");
        assert_eq!(chart.sizes().unwrap(), "1 B to 800 B, median 400 B");
    }

    #[test]
    fn one_archive_alone_is_no_history() {
        assert_eq!(Chart::of(&after(&[(0, 5)])), None);
        assert_eq!(Chart::of(&after(&[])), None);
        assert_eq!(Chart::of(&samples::begun()), None);
    }

    #[test]
    fn an_archive_far_beyond_the_others_is_cut_off_and_told() {
        let chart = Chart::of(&after(&[(3, 100), (2, 5_000_000), (1, 120), (0, 110)])).unwrap();
        assert_eq!((chart.ceiling, chart.sparkline().as_str()), (360, "▂█▂▂"));
        assert_eq!(chart.cut_off().unwrap(), "cut off: 4.77 MiB of 21 Nov");
    }

    #[test]
    fn an_archive_whose_size_the_server_does_not_tell_is_shown_all_the_same() {
        let mut record = after(&[(1, 7), (0, 7)]);
        record.folder.as_mut().unwrap().archives[0].size = None;
        let chart = Chart::of(&record).unwrap();
        assert_eq!((chart.sparkline().as_str(), chart.sizes().unwrap().as_str()), ("?█", "each 7 B"));
    }

    #[test]
    fn only_the_last_archives_are_drawn_and_long_gaps_are_shortened() {
        let ages: Vec<(u64, u64)> = (0..50).rev().map(|age| (age + 100, 9)).collect();
        let chart = Chart::of(&after(&ages)).unwrap();
        assert_eq!(chart.title(), "The last 30 archives");
        assert_eq!(chart.sparkline(), format!("{}{}", "█".repeat(30), "·".repeat(LONGEST_GAP)));
        // Where many nights are missing, the archives alone are drawn.
        let ages: Vec<(u64, u64)> = (0..50).rev().map(|number| (number * 7, 9)).collect();
        assert_eq!(Chart::of(&after(&ages)).unwrap().sparkline(), "█".repeat(30));
    }

    #[test]
    fn nights_that_retention_has_thinned_out_are_not_missed() {
        let mut record = after(&[(40, 9), (10, 9), (2, 9), (1, 9), (0, 9)]);
        record.folder.as_mut().unwrap().complete_since = Some(record.today - Days::new(2));
        assert_eq!(Chart::of(&record).unwrap().sparkline(), "█████");
    }

    #[test]
    fn archives_of_no_known_size_have_no_chart() {
        let mut record = after(&[(1, 7), (0, 7)]);
        record.folder.as_mut().unwrap().archives.iter_mut().for_each(|archive| archive.size = None);
        assert_eq!(Chart::of(&record), None);
    }
}
