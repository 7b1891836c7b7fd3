//! What is read first of a run: what was sent, removed and missed, what is free, and how old the last good archive is.
//! All reports share it.

use chrono::NaiveDate;
use indicatif::HumanCount;

use crate::record::run_record::{Delivery, FolderFacts, RunRecord};
use crate::record::task::Task;
use crate::report::message::chart;
use crate::report::message::facts::named;
use crate::report::message::headline;
use crate::rules::history;
use crate::rules::listing::Archived;
use crate::rules::retention::Decision;

/// So many stretches of nights are named, the last ones.
const MAX_GAPS: usize = 5;

/// A figure that stands for itself, with what is to be said of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Figure {
    /// What it is about.
    pub(crate) label: &'static str,
    /// The figure.
    pub(crate) value: String,
    /// More about it, a line each.
    pub(crate) notes: Vec<String>,
}

/// How old the last good archive is, as a sentence; `None` after a delivery, of which [`sent`] tells, and after a dry
/// run that saw none.
pub(crate) fn last_good(record: &RunRecord) -> Option<String> {
    if record.is_delivered() {
        return None;
    }
    let sentence = match &record.folder {
        Some(folder) => match folder.archives.last() {
            Some(archive) => format!(
                "The last good archive is {}: {} of {}.",
                age(record, archive),
                archive.name,
                headline::date(archive.date)
            ),
            None => "There is no good archive on the server.".to_owned(),
        },
        None if record.dry_run => return None,
        None => {
            let why = record.folder_unseen.as_deref();
            let why = why.map_or("was not looked at".to_owned(), |why| format!("could not be looked at ({why})"));
            format!("The last good archive is not known: the folder on the server {why}.")
        }
    };
    Some(record.clean(&sentence))
}

/// "3 days old", as of the day of the run.
fn age(record: &RunRecord, archive: &Archived) -> String {
    match (record.started.date_naive() - archive.date).num_days() {
        ..=0 => "of today".to_owned(),
        days => format!("{} old", headline::count(usize::try_from(days).unwrap_or(usize::MAX), "day")),
    }
}

/// What was sent, how long it took and at which rate; `None` where nothing was delivered.
pub(crate) fn sent(record: &RunRecord) -> Option<Figure> {
    let archive = record.archive.as_ref()?;
    let size = headline::size(archive.size);
    let (value, how) = match record.delivery? {
        Delivery::AlreadyThere => ("nothing".to_owned(), format!(", {size}: the same bytes already lay there")),
        delivery => {
            let pace = record.task(Task::SendArchive).duration.and_then(|took| headline::pace(archive.size, took));
            let pace = pace.map_or(String::new(), |pace| format!(" in {pace}"));
            let replaced = if delivery == Delivery::Replaced { "; it took the place of other content" } else { "" };
            (format!("{size}{pace}"), format!(", read back and verified{replaced}"))
        }
    };
    Some(Figure { label: "Sent", value, notes: vec![record.clean(&format!("{}{how}", archive.name))] })
}

/// What was removed, and why; `None` where removal was not reached.
pub(crate) fn removed(record: &RunRecord) -> Option<Figure> {
    let plan = record.retention.as_ref()?;
    let going: Vec<&Decision> = plan.removals().collect();
    let gone = record.removed as usize;
    let value = match going.len() {
        0 if gone == 0 => "nothing".to_owned(),
        planned if gone < planned => format!("{gone} of {}", headline::count(planned, "file")),
        _ => headline::count(gone, "file"),
    };
    let held_back = plan.held_back.iter().map(|why| format!("held back: {why}"));
    let notes = held_back.chain(named(&going)).map(|line| record.clean(&line)).collect();
    Some(Figure { label: "Removed", value, notes })
}

/// How many nights have no archive, and which; `None` where there is no history that could miss one.
pub(crate) fn nights_without(record: &RunRecord) -> Option<Figure> {
    let folder = record.folder.as_ref()?;
    let (first, last) = chart::nights(record, folder).filter(|(first, last)| first < last)?;
    let nights = (last - first).num_days() + 1;
    let missing = history::days_without(&folder.archives, first, last);
    let value = if missing == 0 { format!("none of {nights}") } else { format!("{missing} of {nights}") };
    let mut notes = vec![format!("counted from {}", headline::date(first))];
    let gaps = chart::gaps(record, folder);
    if let Some((begin, end)) = gaps.last().filter(|(_, end)| *end == last) {
        let since = (*end - *begin).num_days() + 1;
        notes.insert(0, format!("{since} since the last archive"));
    }
    if !gaps.is_empty() {
        let told: Vec<String> = gaps.iter().rev().take(MAX_GAPS).rev().map(|gap| stretch(*gap)).collect();
        let more = if gaps.len() > MAX_GAPS { "…, " } else { "" };
        notes.push(format!("{more}{}", told.join(", ")));
    }
    Some(Figure { label: "Nights without an archive", value, notes })
}

/// "3 Nov", "3 Nov to 5 Nov".
fn stretch((first, last): (NaiveDate, NaiveDate)) -> String {
    if first == last { headline::day(first) } else { format!("{} to {}", headline::day(first), headline::day(last)) }
}

/// What is free on the server; `None` where the folder was not seen or the server does not tell.
pub(crate) fn free(record: &RunRecord) -> Option<Figure> {
    let folder = record.folder.as_ref()?;
    let free = folder.free?;
    Some(Figure {
        label: "Free on the server",
        value: headline::size(free),
        notes: room(folder, free).into_iter().collect(),
    })
}

fn room(folder: &FolderFacts, free: u64) -> Option<String> {
    let size = folder.archives.last()?.size.filter(|size| *size > 0)?;
    Some(match free / size {
        0 => "too little for another archive like the last".to_owned(),
        1 => "room for one more archive like the last".to_owned(),
        more => format!("room for {} more like the last", HumanCount(more)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::message::samples;
    use crate::rules::retention::Action;
    use crate::rules::retention::reason::Reason;

    #[test]
    fn a_failure_says_how_old_the_last_good_archive_is() {
        let mut record = samples::unreachable_web_server();
        let told = |record: &RunRecord| last_good(record).unwrap();
        assert_eq!(told(&record), "The last good archive is 3 days old: 20262011.tgz of 20 Nov 2026.");
        record.folder.as_mut().unwrap().archives.clear();
        assert_eq!(told(&record), "There is no good archive on the server.");
        record.folder = None;
        assert_eq!(told(&record), "The last good archive is not known: the folder on the server was not looked at.");
        record.folder_unseen = Some("no connection".to_owned());
        assert_eq!(
            told(&record),
            "The last good archive is not known: the folder on the server could not be looked at (no connection)."
        );
        assert_eq!(last_good(&samples::good_night()), None);
    }

    #[test]
    fn what_lay_there_already_was_not_sent() {
        let mut record = samples::clean_night();
        record.delivery = Some(Delivery::AlreadyThere);
        let sent = sent(&record).unwrap();
        assert_eq!(sent.value, "nothing");
        assert_eq!(sent.notes, ["20262311.tgz, 12.50 MiB: the same bytes already lay there"]);
    }

    #[test]
    fn a_removal_that_failed_is_not_counted_as_done() {
        let mut record = samples::clean_night();
        record.removed = 0;
        assert_eq!(removed(&record).unwrap().value, "0 of 1 file");
    }

    #[test]
    fn a_long_list_of_files_is_cut_and_says_so() {
        let mut record = samples::clean_night();
        record.removed = 27;
        record.retention.as_mut().unwrap().decisions = (0..27)
            .map(|number| Decision {
                name: format!("{number}.tgz"),
                action: Action::Remove,
                reason: Reason::Expired { age: 99 },
            })
            .collect();
        let removed = removed(&record).unwrap();
        assert_eq!((removed.value.as_str(), removed.notes.len()), ("27 files", 21));
        assert_eq!(removed.notes.last().unwrap(), "and 7 more");
    }

    #[test]
    fn a_full_server_is_told_by_what_no_longer_fits() {
        let mut record = samples::good_night();
        let mut room = |free| {
            record.folder.as_mut().unwrap().free = Some(free);
            super::free(&record).unwrap().notes.join(" ")
        };
        assert_eq!(room(1_000), "too little for another archive like the last");
        assert_eq!(room(14_000_000), "room for one more archive like the last");
    }

    #[test]
    fn a_night_that_is_repeated_later_does_not_miss_those_after_it() {
        let mut record = samples::good_night();
        let folder = record.folder.as_mut().unwrap();
        let next = record.today.succ_opt().unwrap();
        folder.archives.push(Archived { date: next, name: "next".to_owned(), size: Some(1), modified: None });
        assert_eq!(nights_without(&record).unwrap().value, "4 of 34");
    }

    #[test]
    fn a_name_on_the_server_cannot_forge_a_line() {
        let mut record = samples::stale_after_many_nights();
        record.folder.as_mut().unwrap().archives.last_mut().unwrap().name = "a\nb".to_owned();
        record.retention.as_mut().unwrap().decisions.iter_mut().for_each(|it| it.name = "c\nd".to_owned());
        assert!(last_good(&record).unwrap().contains("a\\nb"));
        assert!(removed(&record).unwrap().notes.iter().all(|note| note.starts_with("c\\nd")));
    }
}
