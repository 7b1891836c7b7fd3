//! The expected content of the folder after a run, computed without the program's own code: from the content before, the
//! published dumps, the exit code, and the rules of retention and replacement.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate, Utc};

use super::dump::Dump;
use super::folder::{Listing, differences};
use super::names::Name;
pub use super::names::Replaced;

/// The configured retention.
pub const KEEP_DAYS: u64 = 10;
pub const KEEP_AT_LEAST: usize = 3;
/// A replaced archive is kept until the delivery of an archive that is this much newer.
const DAYS_SET_ASIDE: Days = Days::new(3);

/// An archive of another job among this many most recent ones prevents the removal of older archives of another job.
const RECENT: usize = 7;

type Archives = BTreeMap<NaiveDate, Vec<u8>>;
type SetAside = BTreeMap<(NaiveDate, Replaced), Vec<u8>>;

/// The content of the folder, by kind of name.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// Archives with their final names.
    pub archives: Archives,
    /// Replaced archives.
    pub set_aside: SetAside,
    /// Unfinished uploads by name.
    pub uploads: BTreeMap<String, Upload>,
    /// Entries that the program must not touch.
    pub foreign: Listing,
    /// The source of each delivered archive.
    sources: BTreeMap<NaiveDate, &'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    pub date: NaiveDate,
    /// The id of the job; `None` if uploaded by the previous version.
    pub id: Option<String>,
    pub written: NaiveDate,
    content: Vec<u8>,
}

/// The input of a run.
#[derive(Debug, Clone)]
pub struct Run {
    pub date: NaiveDate,
    /// The date of the run itself: later than `date` if a missed run is repeated.
    pub today: NaiveDate,
    /// The fresh dumps on the web server during the run: two if the ZIP changed, none if it was stale.
    pub dumps: Vec<Dump>,
    /// The source of the dumps, different for each job.
    pub source: &'static str,
    /// The ids of the job; several if machines run it at the same time.
    pub ids: Vec<String>,
    /// Whether the run must not remove anything.
    pub holds_removal: bool,
    /// Whether the folder was copied just before the run, so that every modification time is new.
    pub is_copied: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Killed,
}

/// The archive with the final name of a run's archive, or the replaced one that will be restored to that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    None,
    /// It contains one of the run's dumps.
    Same,
    /// It is of the same job, with different content.
    Different,
    OtherJob,
}

impl Run {
    /// A run of the job `id` for `date`, on that date.
    pub fn new(date: NaiveDate, dumps: Vec<Dump>, source: &'static str, id: &str) -> Run {
        let ids = vec![id.to_owned()];
        Run { date, today: date, dumps, source, ids, holds_removal: false, is_copied: false }
    }

    fn is_archive_of_dump(&self, archive: &[u8]) -> bool {
        self.dumps.iter().any(|dump| dump.difference(archive).is_none())
    }

    fn is_own(&self, upload: &Upload) -> bool {
        upload.id.as_ref().is_some_and(|id| self.ids.contains(id))
    }
}

impl Model {
    /// Assumes that each upload was written on the date of its archive.
    pub fn new(listing: Listing) -> Model {
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

    /// Replaces the state by the content of the folder on the date `today`.
    pub fn update(&mut self, listing: Listing, today: NaiveDate) {
        let mut updated = Model::new(listing);
        for (name, upload) in &mut updated.uploads {
            let known = self.uploads.get(name).filter(|known| known.content == upload.content);
            upload.written = known.map_or(today, |known| known.written);
        }
        let restored = updated.with_restored_names().archives;
        updated.sources = std::mem::take(&mut self.sources);
        updated.sources.retain(|date, _| restored.contains_key(date));
        *self = updated;
    }

    pub fn existing(&self, run: &Run) -> Existing {
        match self.with_restored_names().archives.get(&run.date) {
            None => Existing::None,
            Some(_) if self.sources.get(&run.date).is_some_and(|source| *source != run.source) => Existing::OtherJob,
            Some(archive) if run.is_archive_of_dump(archive) => Existing::Same,
            Some(_) => Existing::Different,
        }
    }

    /// Whether a complete run would remove an archive of another job while one of the recent ones is from another job.
    /// Then it removes nothing.
    pub fn is_shared(&self, run: &Run) -> bool {
        let is_of_other_job = |date: &NaiveDate| self.sources.get(date).is_some_and(|source| *source != run.source);
        let before = self.with_restored_names();
        let delivered = (!run.dumps.is_empty()).then_some(run.date);
        let dates: BTreeSet<NaiveDate> = before.archives.keys().copied().chain(delivered).collect();
        let is_expired =
            |date: &NaiveDate| !run.is_copied && delivered.is_some_and(|delivered| *date + DAYS_SET_ASIDE <= delivered);
        let replaced = before.set_aside.keys().map(|(date, _)| *date).filter(is_expired);
        let mut removed = expired(dates.iter().copied(), run).into_iter().chain(replaced);
        let mut recent = dates.iter().rev().filter(|date| **date <= run.date).take(RECENT);
        removed.any(|date| is_of_other_job(&date)) && recent.any(is_of_other_job)
    }

    pub fn has_delivered(&self, run: &Run) -> bool {
        self.archives.get(&run.date).is_some_and(|archive| run.is_archive_of_dump(archive))
    }

    /// Checks the content of the folder after a run, and takes it as the new state. Returns every violation of the rules.
    ///
    /// After an exit code of 0 or 1 with `could_finish`, everything that expired must be removed; otherwise, as after a
    /// kill, each removal is optional.
    pub fn check_run(&mut self, run: &Run, exit: Exit, could_finish: bool, listing: Listing) -> Vec<String> {
        let before = self.with_restored_names();
        let names_before: BTreeSet<NaiveDate> = self.archives.keys().copied().collect();
        let was_of_another_job = self.existing(run) == Existing::OtherJob;
        let foreign = std::mem::take(&mut self.foreign);
        let uploads = self.uploads.clone();
        self.update(listing, run.today);
        let mut errors = differences(&foreign, &self.foreign);
        let succeeded = matches!(exit, Exit::Code(0 | 1));
        let is_delivered = self.has_delivered(run);
        if succeeded && !run.dumps.is_empty() && !is_delivered {
            let archive = self.archives.get(&run.date);
            let difference = archive.and_then(|archive| run.dumps[0].difference(archive));
            let difference = difference.unwrap_or_else(|| "it is missing".to_owned());
            errors.push(format!("no archive of {} after a successful run: {difference}", run.date));
        }
        let mut target = before;
        if is_delivered && !was_of_another_job && (succeeded || exit == Exit::Killed) {
            target.deliver(run.date, self.archives[&run.date].clone());
            self.sources.insert(run.date, run.source);
        }
        let may_remove =
            (is_delivered || run.dumps.is_empty()) && !run.holds_removal && (succeeded || exit == Exit::Killed);
        let expired = if may_remove { expired(target.archives.keys().copied(), run) } else { BTreeSet::new() };
        let check = Check {
            run,
            expired: &expired,
            may_remove,
            succeeded,
            is_finished: succeeded && could_finish && !run.holds_removal,
        };
        // An expired archive may be removed before the archive that it replaced, which is then renamed and expires, too.
        let is_removed = |date: &NaiveDate| expired.contains(date) && names_before.contains(date);
        let after = self.with_restored_names_unless(is_removed);
        errors.extend(check.archive_errors(&target.archives, &after.archives));
        errors.extend(check.set_aside_errors(&target.set_aside, &after.set_aside));
        errors.extend(check.upload_errors(&uploads, &self.uploads));
        errors
    }

    /// Delivers the archive of `date`, and keeps the first and the latest archive that it replaces.
    fn deliver(&mut self, date: NaiveDate, archive: Vec<u8>) {
        let replaced = self.archives.insert(date, archive);
        if let Some(replaced) = replaced.filter(|replaced| *replaced != self.archives[&date]) {
            let is_first = !self.set_aside.contains_key(&(date, Replaced::First));
            self.set_aside.insert((date, if is_first { Replaced::First } else { Replaced::Last }), replaced);
        }
    }

    /// The model after restoring, for each date without an archive, the latest replaced one.
    fn with_restored_names(&self) -> Model {
        self.with_restored_names_unless(|_| false)
    }

    fn with_restored_names_unless(&self, is_removed: impl Fn(&NaiveDate) -> bool) -> Model {
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

/// The check of a run that has exited.
struct Check<'a> {
    run: &'a Run,
    /// The dates of the archives that the run may have removed.
    expired: &'a BTreeSet<NaiveDate>,
    may_remove: bool,
    succeeded: bool,
    /// Whether the run must have removed everything that expired.
    is_finished: bool,
}

impl Check<'_> {
    fn archive_errors(&self, target: &Archives, after: &Archives) -> Vec<String> {
        let changes = changes(target, after, |date| self.expired.contains(date), self.is_finished);
        changes.map(|(date, what)| format!("the archive of {date} {what}")).collect()
    }

    fn set_aside_errors(&self, target: &SetAside, after: &SetAside) -> Vec<String> {
        let Run { date: delivered, dumps, .. } = self.run;
        // In a copied folder, all later archives have new modification times.
        let is_expired = |(date, _): &(NaiveDate, Replaced)| {
            self.may_remove && !self.run.is_copied && !dumps.is_empty() && *date + DAYS_SET_ASIDE <= *delivered
        };
        // The latest replaced archive is removed before the next one is renamed.
        let may_be_overwritten =
            |key: &(NaiveDate, Replaced)| *key == (*delivered, Replaced::Last) && !self.succeeded && !dumps.is_empty();
        // If two machines replace an archive at the same time, one may replace the archive that the other has delivered.
        let is_concurrent = |key: &(NaiveDate, Replaced)| {
            key.0 == *delivered && self.run.ids.len() > 1 && self.run.is_archive_of_dump(&after[key])
        };
        let changes = changes(target, after, |key| is_expired(key) || may_be_overwritten(key), false);
        let kept = after.keys().filter(|key| self.is_finished && is_expired(key)).map(|key| (key, "was not removed"));
        changes
            .chain(kept)
            .filter(|(key, what)| !(*what == APPEARED && is_concurrent(key)))
            .map(|((date, which), what)| format!("the replaced archive of {date} ({which:?}) {what}"))
            .collect()
    }

    fn upload_errors(&self, before: &BTreeMap<String, Upload>, after: &BTreeMap<String, Upload>) -> Vec<String> {
        let mut errors = Vec::new();
        // An upload of another job counts as abandoned after 24 hours.
        let is_abandoned = |upload: &Upload| self.may_remove && !self.run.is_copied && upload.written < self.run.today;
        for (name, upload) in before.iter().filter(|(_, upload)| !self.run.is_own(upload)) {
            match after.get(name) {
                None if is_abandoned(upload) => {}
                None => errors.push(format!("{name} is gone, though it may be in progress")),
                Some(current) if current.content != upload.content => errors.push(format!("{name} has changed")),
                Some(_) if self.is_finished && is_abandoned(upload) => errors.push(format!("{name} was not removed")),
                Some(_) => {}
            }
        }
        for (name, upload) in after {
            let is_current = upload.date == self.run.date && !self.run.dumps.is_empty();
            let may_be_left = self.run.is_own(upload) && (is_current || before.contains_key(name));
            if !before.contains_key(name) && !may_be_left || self.run.is_own(upload) && self.is_finished {
                errors.push(format!("{name} is left"));
            }
        }
        errors
    }
}

const APPEARED: &str = "has appeared";

/// The differences between `after` and `target`. Entries for which `may_be_gone` returns true may be missing, and must
/// be missing if `is_finished`.
fn changes<'a, K: Ord>(
    target: &'a BTreeMap<K, Vec<u8>>,
    after: &'a BTreeMap<K, Vec<u8>>,
    may_be_gone: impl Fn(&K) -> bool + 'a,
    is_finished: bool,
) -> impl Iterator<Item = (&'a K, &'static str)> {
    let changed = target.iter().filter_map(move |(key, content)| match after.get(key) {
        None if may_be_gone(key) => None,
        None => Some((key, "is gone")),
        Some(current) if current != content => Some((key, "has different bytes")),
        Some(_) if is_finished && may_be_gone(key) => Some((key, "has expired and was not removed")),
        Some(_) => None,
    });
    changed.chain(after.keys().filter(|key| !target.contains_key(key)).map(|key| (key, APPEARED)))
}

/// The dates of the archives that expire. Age counts from the newest archive that is not after the run date. The newest
/// [`KEEP_AT_LEAST`] archives, and those written long after their date, do not expire.
fn expired(dates: impl Iterator<Item = NaiveDate>, run: &Run) -> BTreeSet<NaiveDate> {
    let mut candidates: Vec<NaiveDate> = dates.filter(|date| *date <= run.date).collect();
    candidates.sort();
    candidates.reverse();
    let Some(oldest_kept) = candidates.first().map(|newest| *newest - Days::new(KEEP_DAYS)) else {
        return BTreeSet::new();
    };
    let was_written_later = |date: &NaiveDate| run.is_copied && *date + Days::new(2) <= Utc::now().date_naive();
    candidates.into_iter().skip(KEEP_AT_LEAST).filter(|date| *date < oldest_kept && !was_written_later(date)).collect()
}
