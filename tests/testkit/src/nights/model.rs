//! The expected content of the folder after a run, computed without the program's own code: from the content before, the
//! published dumps, the end of the run, and the rules of retention and replacement.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate, Utc};

use super::dump::Dump;
use super::folder::{Listing, differences};
use super::names::Name;
pub use super::names::Which;

/// The configured retention.
pub const KEEP_DAYS: u64 = 10;
pub const KEEP_AT_LEAST: usize = 3;
/// A replaced archive is kept until an archive of this many days later is delivered.
const DAYS_SET_ASIDE: Days = Days::new(3);

/// An archive of another job among this many most recent ones protects its older ones.
const LAST: usize = 7;

type Archives = BTreeMap<NaiveDate, Vec<u8>>;
type SetAside = BTreeMap<(NaiveDate, Which), Vec<u8>>;

/// The folder's content by the meaning of its names.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// With their final names.
    pub archives: Archives,
    /// Replaced archives.
    pub set_aside: SetAside,
    /// Unfinished uploads by name.
    pub uploads: BTreeMap<String, Upload>,
    /// Entries that the program must never touch.
    pub foreign: Listing,
    /// The source of each delivered archive.
    sources: BTreeMap<NaiveDate, &'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    pub date: NaiveDate,
    /// The id of its job; uploads of the former version have none.
    pub id: Option<String>,
    pub written: NaiveDate,
    content: Vec<u8>,
}

/// The input of a run.
#[derive(Debug, Clone)]
pub struct Night {
    pub date: NaiveDate,
    /// The date on which the run takes place: later than `date` if a missed night is repeated.
    pub today: NaiveDate,
    /// The fresh dumps on the web server during the run: several if the ZIP changed, none if all were stale.
    pub dumps: Vec<Dump>,
    /// The source of the dumps: another job has another source.
    pub source: &'static str,
    /// The ids of the job; several if machines run it at the same time.
    pub ids: Vec<String>,
    /// Whether the run must remove nothing.
    pub is_held_back: bool,
    /// Whether the folder was copied just before, so that every modification time is new.
    pub is_copied: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Code(i32),
    Killed,
}

/// What has the final name of a run's archive, or will get it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Free,
    /// An archive of one of the run's dumps.
    Same,
    /// An archive of this job with other content.
    Other,
    /// An archive of another job.
    OfAnotherJob,
}

impl Night {
    /// A run of the job `id` for `date`, on that date.
    pub fn new(date: NaiveDate, dumps: Vec<Dump>, source: &'static str, id: &str) -> Night {
        let ids = vec![id.to_owned()];
        Night { date, today: date, dumps, source, ids, is_held_back: false, is_copied: false }
    }

    fn is_archive_of_dump(&self, archive: &[u8]) -> bool {
        self.dumps.iter().any(|dump| dump.difference(archive).is_none())
    }

    fn is_own(&self, upload: &Upload) -> bool {
        upload.id.as_ref().is_some_and(|id| self.ids.contains(id))
    }
}

impl Model {
    /// Uploads count as written on the date of their archive.
    pub fn of(listing: Listing) -> Model {
        let mut model = Model::default();
        for (name, item) in listing {
            match Name::parse(&name, &item) {
                Some((Name::Archive(date), content)) if !content.is_empty() => {
                    model.archives.insert(date, content.to_vec());
                }
                Some((Name::SetAside(date, which), content)) => {
                    model.set_aside.insert((date, which), content.to_vec());
                }
                Some((Name::Upload(date, id), content)) => {
                    model.uploads.insert(name, Upload { date, id, written: date, content: content.to_vec() });
                }
                _ => {
                    model.foreign.insert(name, item);
                }
            }
        }
        model
    }

    /// Takes what was `found` on the date `today` as the current state.
    pub fn observe(&mut self, found: Listing, today: NaiveDate) {
        let mut found = Model::of(found);
        for (name, upload) in &mut found.uploads {
            let known = self.uploads.get(name).filter(|known| known.content == upload.content);
            upload.written = known.map_or(today, |known| known.written);
        }
        let present = found.with_names_back().archives;
        found.sources = std::mem::take(&mut self.sources);
        found.sources.retain(|date, _| present.contains_key(date));
        *self = found;
    }

    pub fn standing(&self, night: &Night) -> Standing {
        match self.with_names_back().archives.get(&night.date) {
            None => Standing::Free,
            Some(_) if self.sources.get(&night.date).is_some_and(|source| *source != night.source) => {
                Standing::OfAnotherJob
            }
            Some(archive) if night.is_archive_of_dump(archive) => Standing::Same,
            Some(_) => Standing::Other,
        }
    }

    /// Whether a complete run would remove an archive of another job while one of the last seven is another job's:
    /// then it removes nothing.
    pub fn is_shared(&self, night: &Night) -> bool {
        let is_theirs = |date: &NaiveDate| self.sources.get(date).is_some_and(|source| *source != night.source);
        let before = self.with_names_back();
        let delivered = (!night.dumps.is_empty()).then_some(night.date);
        let dates: BTreeSet<NaiveDate> = before.archives.keys().copied().chain(delivered).collect();
        let is_over = |date: &NaiveDate| {
            !night.is_copied && delivered.is_some_and(|delivered| *date + DAYS_SET_ASIDE <= delivered)
        };
        let replaced = before.set_aside.keys().map(|(date, _)| *date).filter(is_over);
        let mut removed = expired(dates.iter().copied(), night).into_iter().chain(replaced);
        let mut recent = dates.iter().rev().filter(|date| **date <= night.date).take(LAST);
        removed.any(|date| is_theirs(&date)) && recent.any(is_theirs)
    }

    pub fn has_delivered(&self, night: &Night) -> bool {
        self.archives.get(&night.date).is_some_and(|archive| night.is_archive_of_dump(archive))
    }

    /// Advances to what was `found` after a run, and returns every contradiction to the rules.
    ///
    /// Where `could_finish`, an exit code of 0 or 1 means that everything to be removed is gone; else, as after a kill,
    /// anything between the state before and that is right.
    pub fn follow(&mut self, night: &Night, ending: Ending, could_finish: bool, found: Listing) -> Vec<String> {
        let before = self.with_names_back();
        let names_before: BTreeSet<NaiveDate> = self.archives.keys().copied().collect();
        let was_of_another_job = self.standing(night) == Standing::OfAnotherJob;
        let foreign = std::mem::take(&mut self.foreign);
        let uploads = self.uploads.clone();
        self.observe(found, night.today);
        let mut faults = differences(&foreign, &self.foreign);
        let has_ended_well = matches!(ending, Ending::Code(0 | 1));
        let is_there = self.has_delivered(night);
        if has_ended_well && !night.dumps.is_empty() && !is_there {
            let archive = self.archives.get(&night.date);
            let difference = archive.and_then(|archive| night.dumps[0].difference(archive));
            let difference = difference.unwrap_or_else(|| "it is not there".to_owned());
            faults.push(format!("no archive of {} though the run ended well: {difference}", night.date));
        }
        let mut target = before;
        if is_there && !was_of_another_job && (has_ended_well || ending == Ending::Killed) {
            target.deliver(night.date, self.archives[&night.date].clone());
            self.sources.insert(night.date, night.source);
        }
        let may_remove =
            (is_there || night.dumps.is_empty()) && !night.is_held_back && (has_ended_well || ending == Ending::Killed);
        let expired = if may_remove { expired(target.archives.keys().copied(), night) } else { BTreeSet::new() };
        let run = Run {
            night,
            expired: &expired,
            may_remove,
            has_ended_well,
            is_finished: has_ended_well && could_finish && !night.is_held_back,
        };
        // An expired archive may be removed before the one it replaced, which then gets its name and expires as well.
        let is_removed = |date: &NaiveDate| expired.contains(date) && names_before.contains(date);
        let after = self.with_names_back_unless(is_removed);
        faults.extend(run.archive_faults(&target.archives, &after.archives));
        faults.extend(run.set_aside_faults(&target.set_aside, &after.set_aside));
        faults.extend(run.upload_faults(&uploads, &self.uploads));
        faults
    }

    /// Delivers the archive of `date`; of the archives that it replaces, the first and the latest are kept.
    fn deliver(&mut self, date: NaiveDate, archive: Vec<u8>) {
        let replaced = self.archives.insert(date, archive);
        if let Some(replaced) = replaced.filter(|replaced| *replaced != self.archives[&date]) {
            let is_first = !self.set_aside.contains_key(&(date, Which::First));
            self.set_aside.insert((date, if is_first { Which::First } else { Which::Last }), replaced);
        }
    }

    /// The model after each date without an archive got its latest replaced one back.
    fn with_names_back(&self) -> Model {
        self.with_names_back_unless(|_| false)
    }

    fn with_names_back_unless(&self, is_removed: impl Fn(&NaiveDate) -> bool) -> Model {
        let mut model = self.clone();
        for ((date, which), archive) in self.set_aside.iter().rev() {
            if !model.archives.contains_key(date) && !is_removed(date) {
                model.archives.insert(*date, archive.clone());
                model.set_aside.remove(&(*date, *which));
            }
        }
        model
    }
}

/// A finished run.
struct Run<'a> {
    night: &'a Night,
    /// The dates of the archives that it may have removed.
    expired: &'a BTreeSet<NaiveDate>,
    /// Whether it may have removed anything.
    may_remove: bool,
    has_ended_well: bool,
    /// Whether it must have removed everything due.
    is_finished: bool,
}

impl Run<'_> {
    fn archive_faults(&self, target: &Archives, after: &Archives) -> Vec<String> {
        let changes = changes(target, after, |date| self.expired.contains(date), self.is_finished);
        changes.map(|(date, what)| format!("the archive of {date} {what}")).collect()
    }

    fn set_aside_faults(&self, target: &SetAside, after: &SetAside) -> Vec<String> {
        let Night { date: delivered, dumps, .. } = self.night;
        // In a copied folder, all later archives have new modification times.
        let is_over = |(date, _): &(NaiveDate, Which)| {
            self.may_remove && !self.night.is_copied && !dumps.is_empty() && *date + DAYS_SET_ASIDE <= *delivered
        };
        // The latest replaced archive is removed before the next one gets its name.
        let gives_way =
            |key: &(NaiveDate, Which)| *key == (*delivered, Which::Last) && !self.has_ended_well && !dumps.is_empty();
        // If two machines replace an archive at once, one may replace what the other has just delivered.
        let is_twin = |key: &(NaiveDate, Which)| {
            key.0 == *delivered && self.night.ids.len() > 1 && self.night.is_archive_of_dump(&after[key])
        };
        let changes = changes(target, after, |key| is_over(key) || gives_way(key), false);
        let kept = after.keys().filter(|key| self.is_finished && is_over(key)).map(|key| (key, "is still there"));
        changes
            .chain(kept)
            .filter(|(key, what)| !(*what == APPEARED && is_twin(key)))
            .map(|((date, which), what)| format!("the archive of {date} that was set aside ({which:?}) {what}"))
            .collect()
    }

    fn upload_faults(&self, before: &BTreeMap<String, Upload>, after: &BTreeMap<String, Upload>) -> Vec<String> {
        let mut faults = Vec::new();
        // After 24 hours an upload of another job counts as abandoned.
        let is_abandoned =
            |upload: &Upload| self.may_remove && !self.night.is_copied && upload.written < self.night.today;
        for (name, upload) in before.iter().filter(|(_, upload)| !self.night.is_own(upload)) {
            match after.get(name) {
                None if is_abandoned(upload) => {}
                None => faults.push(format!("{name}, which may be under way, is gone")),
                Some(there) if there.content != upload.content => faults.push(format!("{name} has changed")),
                Some(_) if self.is_finished && is_abandoned(upload) => faults.push(format!("{name} is still there")),
                Some(_) => {}
            }
        }
        for (name, upload) in after {
            let is_tonights = upload.date == self.night.date && !self.night.dumps.is_empty();
            let is_left = self.night.is_own(upload) && (is_tonights || before.contains_key(name));
            if !before.contains_key(name) && !is_left || self.night.is_own(upload) && self.is_finished {
                faults.push(format!("there is {name}"));
            }
        }
        faults
    }
}

const APPEARED: &str = "has appeared";

/// The differences between `after` and `target`. What `may_be_gone` may be missing, and must be missing if
/// `is_finished`.
fn changes<'a, K: Ord>(
    target: &'a BTreeMap<K, Vec<u8>>,
    after: &'a BTreeMap<K, Vec<u8>>,
    may_be_gone: impl Fn(&K) -> bool + 'a,
    is_finished: bool,
) -> impl Iterator<Item = (&'a K, &'static str)> {
    let of_target = target.iter().filter_map(move |(key, content)| match after.get(key) {
        None if may_be_gone(key) => None,
        None => Some((key, "is gone")),
        Some(there) if there != content => Some((key, "has other bytes")),
        Some(_) if is_finished && may_be_gone(key) => Some((key, "is expired and still there")),
        Some(_) => None,
    });
    of_target.chain(after.keys().filter(|key| !target.contains_key(key)).map(|key| (key, APPEARED)))
}

/// The archives of `dates` that expire: those older than the policy allows, counted from the newest not after the run
/// date, except the newest few and those written long after their date.
fn expired(dates: impl Iterator<Item = NaiveDate>, night: &Night) -> BTreeSet<NaiveDate> {
    let mut counting: Vec<NaiveDate> = dates.filter(|date| *date <= night.date).collect();
    counting.sort();
    counting.reverse();
    let Some(oldest_kept) = counting.first().map(|newest| *newest - Days::new(KEEP_DAYS)) else {
        return BTreeSet::new();
    };
    let is_written_later = |date: &NaiveDate| night.is_copied && *date + Days::new(2) <= Utc::now().date_naive();
    counting.into_iter().skip(KEEP_AT_LEAST).filter(|date| *date < oldest_kept && !is_written_later(date)).collect()
}
