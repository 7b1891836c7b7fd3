//! The sizes of the last archives, as columns of a chart and in words.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use crate::record::run_record::{FolderFacts, RunRecord};
use crate::report::message::headline;
use crate::rules::listing::DatedArchive;
use crate::rules::{history, units};

const MAX_ARCHIVES: usize = 30;

/// Nights of one gap that are drawn; a figure states its real length.
const MAX_GAP: usize = 10;

/// With more columns than this, nights without an archive are not drawn.
const MAX_COLUMNS: usize = 60;

/// Bars are cut off at this multiple of the median size, so that the others still differ visibly.
const MAX_MEDIANS: u64 = 3;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Column {
    /// `size` in bytes, if the server reports it; `is_new` if this run delivered it.
    Archive { date: NaiveDate, size: Option<u64>, is_new: bool },
    /// A night without an archive.
    Gap(NaiveDate),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chart {
    /// Oldest first.
    pub(crate) columns: Vec<Column>,
    /// The size in bytes of a bar of full height; at least 1.
    ceiling: u64,
    /// The known sizes, sorted; at least one.
    sizes: Vec<u64>,
}

impl Chart {
    /// `None` for fewer than two archives, or if no size is known.
    pub(crate) fn for_run(record: &RunRecord) -> Option<Chart> {
        let folder = record.folder.as_ref()?;
        let archives = last_archives(folder);
        if archives.len() < 2 {
            return None;
        }
        let mut sizes: Vec<u64> = archives.iter().filter_map(|archive| archive.size).collect();
        sizes.sort_unstable();
        let highest = sizes.get(sizes.len() / 2)?.saturating_mul(MAX_MEDIANS);
        let delivered = record.archive.as_ref().filter(|_| record.is_delivered()).map(|archive| archive.name.as_str());
        Some(Chart {
            columns: columns(archives, &gaps(record, folder), delivered),
            ceiling: highest.min(*sizes.last()?).max(1),
            sizes,
        })
    }

    pub(crate) fn date_range(&self) -> Option<(NaiveDate, NaiveDate)> {
        let date = |column: &Column| match column {
            Column::Archive { date, .. } | Column::Gap(date) => *date,
        };
        Some((date(self.columns.first()?), date(self.columns.last()?)))
    }

    /// "12.10 MiB to 14.20 MiB, median 12.90 MiB".
    pub(crate) fn sizes(&self) -> String {
        let [smallest, median, largest] =
            [0, self.sizes.len() / 2, self.sizes.len() - 1].map(|index| units::size(self.sizes[index]));
        if smallest == largest {
            format!("{largest} each")
        } else {
            format!("{smallest} to {largest}, median {median}")
        }
    }

    /// "bar clipped: 27.38 MiB on 10 Nov", if any.
    pub(crate) fn cut_off(&self) -> Option<String> {
        let label = |column: &Column| match column {
            Column::Archive { date, size: Some(size), .. } if self.is_cut_off(*size) => {
                Some(format!("{} on {}", units::size(*size), headline::day(*date)))
            }
            _ => None,
        };
        let labels: Vec<String> = self.columns.iter().filter_map(label).collect();
        (!labels.is_empty()).then(|| format!("bar clipped: {}", labels.join(", ")))
    }

    pub(crate) fn caption(&self) -> String {
        let archives = self.columns.iter().filter(|column| matches!(column, Column::Archive { .. })).count();
        let cut_off = self.cut_off().map_or(String::new(), |cut_off| format!("; {cut_off}"));
        format!("The last {archives} archives: {}{cut_off}", self.sizes())
    }

    pub(crate) fn is_cut_off(&self, size: u64) -> bool {
        size > self.ceiling
    }

    /// The height of an archive of `size` bytes in a chart of height `full`; at least 1.
    pub(crate) fn height(&self, size: u64, full: u64) -> u64 {
        let exact = u128::from(size.min(self.ceiling)) * u128::from(full) / u128::from(self.ceiling);
        u64::try_from(exact).unwrap_or(full).max(1)
    }

    pub(crate) fn has_gaps(&self) -> bool {
        self.columns.iter().any(|column| matches!(column, Column::Gap(_)))
    }

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

/// The archives that are drawn, oldest first.
fn last_archives(folder: &FolderFacts) -> &[DatedArchive] {
    &folder.archives[folder.archives.len().saturating_sub(MAX_ARCHIVES)..]
}

/// The first and the last night that count when looking for missing archives.
pub(crate) fn counted_nights(record: &RunRecord, folder: &FolderFacts) -> Option<(NaiveDate, NaiveDate)> {
    let (oldest, newest) = (last_archives(folder).first()?.date, folder.archives.last()?.date);
    Some((folder.complete_since?.max(oldest), record.today.max(newest)))
}

/// The first and the last night of each gap.
pub(crate) fn gaps(record: &RunRecord, folder: &FolderFacts) -> Vec<(NaiveDate, NaiveDate)> {
    counted_nights(record, folder).map(|(first, last)| history::gaps(&folder.archives, first, last)).unwrap_or_default()
}

fn columns(archives: &[DatedArchive], gaps: &[(NaiveDate, NaiveDate)], delivered: Option<&str>) -> Vec<Column> {
    let bars = archives.iter().map(|archive| {
        let is_new = delivered == Some(archive.name.as_str());
        (archive.date, Column::Archive { date: archive.date, size: archive.size, is_new })
    });
    let nights: BTreeSet<NaiveDate> = gaps
        .iter()
        // Only the last nights of a long gap, next to the archive that ended it.
        .flat_map(|(first, last)| {
            first.iter_days().take_while(|day| day <= last).collect::<Vec<_>>().into_iter().rev().take(MAX_GAP)
        })
        .collect();
    let mut columns: Vec<(NaiveDate, Column)> = bars.collect();
    if columns.len() + nights.len() <= MAX_COLUMNS {
        columns.extend(nights.into_iter().map(|night| (night, Column::Gap(night))));
    }
    columns.sort_by_key(|(date, _)| *date);
    columns.into_iter().map(|(_, column)| column).collect()
}

#[cfg(test)]
mod tests {
    use chrono::Days;

    use super::*;
    use crate::report::message::samples;

    /// A run with archives of these ages in days and sizes in bytes on the server.
    fn record_with(archives: &[(u64, u64)]) -> RunRecord {
        let mut record = samples::started();
        let archives: Vec<DatedArchive> = archives
            .iter()
            .map(|(age, size)| {
                let date = record.today - Days::new(*age);
                DatedArchive { date, name: date.to_string(), size: Some(*size), modified: None }
            })
            .collect();
        let complete_since = archives.first().map(|archive| archive.date);
        record.folder = Some(FolderFacts { archives, complete_since, free: None });
        record
    }

    fn sparkline(archives: &[(u64, u64)]) -> String {
        Chart::for_run(&record_with(archives)).unwrap().sparkline()
    }

    #[test]
    fn the_sparkline_starts_at_zero_and_shows_gaps() {
        let chart = Chart::for_run(&record_with(&[(5, 800), (4, 400), (2, 100), (1, 750), (0, 1)])).unwrap();
        assert_eq!(chart.sparkline(), "█▄·▁▇▁");
        assert_eq!(chart.sizes(), "1 B to 800 B, median 400 B");
    }

    #[test]
    fn a_chart_needs_two_archives_and_a_size() {
        let mut unknown = record_with(&[(1, 7), (0, 7)]);
        unknown.folder.as_mut().unwrap().archives.iter_mut().for_each(|archive| archive.size = None);
        for record in [record_with(&[(0, 5)]), record_with(&[]), samples::started(), unknown] {
            assert_eq!(Chart::for_run(&record), None);
        }
    }

    #[test]
    fn a_much_larger_archive_is_cut_off_and_labelled() {
        let chart = Chart::for_run(&record_with(&[(3, 100), (2, 5_000_000), (1, 120), (0, 110)])).unwrap();
        assert_eq!((chart.ceiling, chart.sparkline().as_str()), (360, "▂█▂▂"));
        assert_eq!(chart.cut_off().unwrap(), "bar clipped: 4.77 MiB on 21 Nov");
    }

    #[test]
    fn an_archive_of_unknown_size_is_shown() {
        let mut record = record_with(&[(1, 7), (0, 7)]);
        record.folder.as_mut().unwrap().archives[0].size = None;
        let chart = Chart::for_run(&record).unwrap();
        assert_eq!((chart.sparkline().as_str(), chart.sizes().as_str()), ("?█", "7 B each"));
    }

    #[test]
    fn only_the_last_archives_are_drawn_and_long_gaps_are_shortened() {
        let ages: Vec<(u64, u64)> = (0..50).rev().map(|age| (age + 100, 9)).collect();
        assert_eq!(sparkline(&ages), format!("{}{}", "█".repeat(30), "·".repeat(MAX_GAP)));
        // With too many gaps, only the archives are drawn.
        let ages: Vec<(u64, u64)> = (0..50).rev().map(|number| (number * 7, 9)).collect();
        assert_eq!(sparkline(&ages), "█".repeat(30));
    }

    #[test]
    fn nights_before_the_kept_period_are_not_missing() {
        let mut record = record_with(&[(40, 9), (10, 9), (2, 9), (1, 9), (0, 9)]);
        record.folder.as_mut().unwrap().complete_since = Some(record.today - Days::new(2));
        assert_eq!(Chart::for_run(&record).unwrap().sparkline(), "█████");
    }
}
