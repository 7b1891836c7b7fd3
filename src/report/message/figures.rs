//! The key figures: data sent, files removed, missing archives, free space, and the age of the last good archive.

use chrono::NaiveDate;

use crate::record::run_record::{Delivery, FolderFacts, RunRecord};
use crate::record::task::Task;
use crate::report::message::chart::{self, Chart};
use crate::report::message::headline;
use crate::rules::retention::Decision;
use crate::rules::{history, units};

/// Only the latest gaps are listed.
const MAX_GAPS: usize = 5;

/// The log lists all files.
const MAX_LISTED: usize = 20;

/// A labelled value without secrets and control characters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Figure {
    pub(crate) label: &'static str,
    pub(crate) value: String,
    /// Further lines.
    pub(crate) notes: Vec<String>,
}

impl Figure {
    pub(crate) fn lines(&self) -> impl Iterator<Item = &String> {
        [&self.value].into_iter().chain(&self.notes)
    }
}

/// A sentence about the age of the last good archive; `None` after a delivery, for a drill, or if a dry run did not list the folder.
pub(crate) fn last_good(record: &RunRecord) -> Option<String> {
    if record.is_delivered() || record.drill.is_some() || record.not_begun.is_some() {
        return None;
    }
    let sentence = match &record.folder {
        Some(folder) => match folder.archives.last() {
            Some(archive) => {
                let age = match (record.started.date_naive() - archive.date).num_days() {
                    ..=0 => "from today".to_owned(),
                    days => format!("{} old", units::count(days, "day")),
                };
                let date = headline::date(archive.date);
                format!("The last good archive is {age}: {}, dated {date}.", archive.name)
            }
            None => "There is no good archive on the server.".to_owned(),
        },
        None if record.dry_run => return None,
        None => {
            let reason = record.listing_error.as_deref();
            let problem = reason.map_or("was not listed".to_owned(), |why| format!("could not be listed ({why})"));
            format!("The last good archive is unknown: the folder on the server {problem}.")
        }
    };
    Some(record.clean(&sentence))
}

/// The size, duration and rate of the upload; `None` if nothing was delivered.
pub(crate) fn sent(record: &RunRecord) -> Option<Figure> {
    let archive = record.archive.as_ref()?;
    let size = units::size(archive.size);
    let (value, note) = match record.delivery? {
        Delivery::AlreadyThere => {
            ("nothing".to_owned(), format!(", {size}: the same bytes were already on the server"))
        }
        delivery => {
            let pace = record.task(Task::SendArchive).duration.and_then(|took| {
                let rate = units::rate(archive.size, took)?;
                Some(format!("{}, {rate}", units::duration(took)))
            });
            let pace = pace.map_or(String::new(), |pace| format!(" in {pace}"));
            let replaced = if delivery == Delivery::Replaced { "; replaced an archive of the same date" } else { "" };
            (format!("{size}{pace}"), format!(", read back and verified{replaced}"))
        }
    };
    Some(Figure { label: "Sent", value, notes: vec![record.clean(&format!("{}{note}", archive.name))] })
}

/// The chart as a line of text; `None` without a history.
pub(crate) fn last_archives(record: &RunRecord) -> Option<Figure> {
    let chart = Chart::for_run(record)?;
    let dates =
        chart.date_range().map(|(first, last)| format!("{} to {}", headline::date(first), headline::date(last)));
    let dot = chart.has_gaps().then(|| "a dot is a night without an archive".to_owned());
    let notes = [dates, Some(chart.sizes()), chart.cut_off(), dot].into_iter().flatten().collect();
    Some(Figure { label: "Last archives", value: chart.sparkline(), notes })
}

/// Removed files, missing archives and free space, as far as they are known.
pub(crate) fn folder_figures(record: &RunRecord) -> impl Iterator<Item = Figure> {
    [removed(record), missing(record), free(record)].into_iter().flatten()
}

fn removed(record: &RunRecord) -> Option<Figure> {
    let plan = record.retention.as_ref()?;
    let planned: Vec<&Decision> = plan.removals().collect();
    let removed = record.removed as usize;
    let value = match planned.len() {
        0 if removed == 0 => "nothing".to_owned(),
        planned if removed < planned => format!("{removed} of {}", units::count(planned, "planned file")),
        _ => units::count(removed, "file"),
    };
    let held_back = plan.held_back.iter().map(|why| format!("held back: {why}"));
    let notes = held_back.chain(list(&planned)).map(|line| record.clean(&line)).collect();
    Some(Figure { label: "Removed", value, notes })
}

/// Each file with its reason, up to [`MAX_LISTED`] files.
pub(crate) fn list(decisions: &[&Decision]) -> Vec<String> {
    let line = |decision: &&Decision| format!("{}: {}", decision.name, decision.reason);
    let mut lines: Vec<String> = decisions.iter().take(MAX_LISTED).map(line).collect();
    if decisions.len() > MAX_LISTED {
        lines.push(format!("and {} more", decisions.len() - MAX_LISTED));
    }
    lines
}

/// How many and which nights have no archive; `None` without a history.
fn missing(record: &RunRecord) -> Option<Figure> {
    let folder = record.folder.as_ref()?;
    let (first, last) = chart::counted_nights(record, folder).filter(|(first, last)| first < last)?;
    let nights = (last - first).num_days() + 1;
    let value = match history::count_missing_days(&folder.archives, first, last) {
        0 => format!("none in {nights} nights"),
        missing => format!("{missing} of {nights} nights"),
    };
    let gaps = chart::gaps(record, folder);
    let mut notes = Vec::new();
    if let Some((begin, end)) = gaps.last().filter(|(_, end)| *end == last) {
        let nights = usize::try_from((*end - *begin).num_days() + 1).unwrap_or(usize::MAX);
        notes.push(format!("{} since the last archive", units::count(nights, "night")));
    }
    if !gaps.is_empty() {
        let latest: Vec<String> = gaps.iter().skip(gaps.len().saturating_sub(MAX_GAPS)).map(gap).collect();
        notes.push(format!("{}{}", if gaps.len() > MAX_GAPS { "…, " } else { "" }, latest.join(", ")));
    }
    notes.push(format!("counted since {}", headline::date(first)));
    Some(Figure { label: "Missing archives", value, notes })
}

/// "3 Nov", "3 Nov to 5 Nov".
fn gap((first, last): &(NaiveDate, NaiveDate)) -> String {
    if first == last { headline::day(*first) } else { format!("{} to {}", headline::day(*first), headline::day(*last)) }
}

/// `None` if the folder was not listed or the server does not report free space.
pub(crate) fn free(record: &RunRecord) -> Option<Figure> {
    let folder = record.folder.as_ref()?;
    let free = folder.free?;
    let notes = archives_that_fit(folder, free).into_iter().collect();
    Some(Figure { label: "Free on the server", value: units::size(free), notes })
}

fn archives_that_fit(folder: &FolderFacts, free: u64) -> Option<String> {
    let size = folder.archives.last()?.size.filter(|size| *size > 0)?;
    Some(match free / size {
        0 => "no room for another archive of the latest size".to_owned(),
        1 => "room for one more archive of the latest size".to_owned(),
        more => format!("room for {} more archives of the latest size", units::number(more)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::message::samples;
    use crate::rules::listing::DatedArchive;
    use crate::rules::retention::Action;
    use crate::rules::retention::reason::Reason;

    #[test]
    fn a_failed_run_reports_the_age_of_the_last_good_archive() {
        let mut record = samples::unreachable_web_server();
        let mut sentences = vec![last_good(&record)];
        record.folder.as_mut().unwrap().archives.clear();
        sentences.push(last_good(&record));
        record.folder = None;
        sentences.push(last_good(&record));
        record.listing_error = Some("no connection".to_owned());
        sentences.push(last_good(&record));
        insta::assert_snapshot!(sentences.into_iter().map(Option::unwrap).collect::<Vec<_>>().join("\n"), @r"
        The last good archive is 3 days old: 20262011.tgz, dated 20 Nov 2026.
        There is no good archive on the server.
        The last good archive is unknown: the folder on the server was not listed.
        The last good archive is unknown: the folder on the server could not be listed (no connection).
        ");
        assert_eq!(last_good(&samples::delivered_with_history()), None);
    }

    #[test]
    fn an_archive_that_already_existed_is_not_reported_as_sent() {
        let mut record = samples::delivered();
        record.delivery = Some(Delivery::AlreadyThere);
        let sent = sent(&record).unwrap();
        assert_eq!(sent.value, "nothing");
        assert_eq!(sent.notes, ["20262311.tgz, 12.50 MiB: the same bytes were already on the server"]);
    }

    #[test]
    fn failed_removals_are_not_counted_and_long_lists_are_shortened() {
        let mut record = samples::delivered();
        record.removed = 0;
        assert_eq!(removed(&record).unwrap().value, "0 of 1 planned file");
        record.removed = 27;
        let expired = |number| Decision {
            name: format!("{number}.tgz"),
            action: Action::Remove,
            reason: Reason::Expired { age: 99 },
        };
        record.retention.as_mut().unwrap().decisions = (0..27).map(expired).collect();
        let removed = removed(&record).unwrap();
        assert_eq!((removed.value.as_str(), removed.notes.len()), ("27 files", 21));
        assert_eq!(removed.notes.last().unwrap(), "and 7 more");
    }

    #[test]
    fn a_nearly_full_server_is_reported() {
        let mut record = samples::delivered_with_history();
        let mut note = |free| {
            record.folder.as_mut().unwrap().free = Some(free);
            super::free(&record).unwrap().notes.join(" ")
        };
        assert_eq!(note(1_000), "no room for another archive of the latest size");
        assert_eq!(note(14_000_000), "room for one more archive of the latest size");
    }

    #[test]
    fn a_run_for_a_past_date_counts_the_nights_after_it() {
        let mut record = samples::delivered_with_history();
        let folder = record.folder.as_mut().unwrap();
        let next = record.today.succ_opt().unwrap();
        folder.archives.push(DatedArchive { date: next, name: "next".to_owned(), size: Some(1), modified: None });
        assert_eq!(missing(&record).unwrap().value, "4 of 34 nights");
    }

    #[test]
    fn a_file_name_cannot_forge_a_line() {
        let mut record = samples::stale_with_history();
        record.folder.as_mut().unwrap().archives.last_mut().unwrap().name = "a\nb".to_owned();
        record.retention.as_mut().unwrap().decisions.iter_mut().for_each(|file| file.name = "c\nd".to_owned());
        assert!(last_good(&record).unwrap().contains("a\\nb"));
        assert!(removed(&record).unwrap().notes.iter().all(|note| note.starts_with("c\\nd")));
    }
}
