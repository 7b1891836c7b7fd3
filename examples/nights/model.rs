//! What must be in the folder after a night, reckoned without the program's own code: from what was there before, what
//! the web server had, how the run ended, and the retention rule.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};

use super::dump::Dump;
use super::folder::{Item, Listing, differences};

/// The retention that is configured.
pub const KEEP_DAYS: u64 = 10;
/// So many archives stay however old they are.
pub const KEEP_AT_LEAST: usize = 3;

/// Archives by the night that they are of.
type Archives = BTreeMap<NaiveDate, Vec<u8>>;

/// The folder, sorted by what its names mean.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// Under their final names.
    pub archives: Archives,
    /// Moved aside, as `.old`.
    pub aside: Archives,
    /// Under way, as `.part`.
    pub parts: BTreeSet<NaiveDate>,
    /// What is none of the program's business.
    pub foreign: Listing,
}

/// A night's work.
#[derive(Debug, Clone)]
pub struct Night {
    /// The date that the run is for.
    pub date: NaiveDate,
    /// The fresh dumps that the web server had during the run: several where the ZIP changed; none where all was stale.
    pub dumps: Vec<Dump>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this exit code.
    Code(i32),
    /// It was killed.
    Killed,
}

impl Night {
    /// Whether `archive` is of one of this night's dumps.
    fn is_archive_of_dump(&self, archive: &[u8]) -> bool {
        self.dumps.iter().any(|dump| dump.difference(archive).is_none())
    }
}

impl Model {
    /// What `listing` means.
    pub fn of(listing: Listing) -> Model {
        let mut model = Model::default();
        for (name, item) in listing {
            let leftover = |suffix: &str| date_of(name.strip_prefix('.')?.strip_suffix(suffix)?);
            match (&item, date_of(&name), leftover(".part"), leftover(".old")) {
                (Item::File(bytes), Some(date), _, _) if !bytes.is_empty() => {
                    model.archives.insert(date, bytes.clone());
                }
                (Item::File(_), _, Some(date), _) => {
                    model.parts.insert(date);
                }
                (Item::File(bytes), _, _, Some(date)) => {
                    model.aside.insert(date, bytes.clone());
                }
                _ => {
                    model.foreign.insert(name, item);
                }
            }
        }
        model
    }

    /// Whether tonight's archive, of one of tonight's dumps, has its final name.
    pub fn has_delivered(&self, night: &Night) -> bool {
        self.archives.get(&night.date).is_some_and(|archive| night.is_archive_of_dump(archive))
    }

    /// Goes on to what was `found` after a run, and tells all that must not be so.
    ///
    /// Where `could_finish`, an exit code of 0 or 1 means that all that had to go is gone; else, as after a kill,
    /// anything between the state before and that is right.
    pub fn follow(&mut self, night: &Night, ending: Ending, could_finish: bool, found: Listing) -> Vec<String> {
        let found = Model::of(found);
        let mut faults = differences(&self.foreign, &found.foreign);
        let before = self.as_put_back();
        let after = found.as_put_back();

        let is_there = found.has_delivered(night);
        let has_ended_well = matches!(ending, Ending::Code(0 | 1));
        if has_ended_well && !night.dumps.is_empty() && !is_there {
            let archive = found.archives.get(&night.date);
            let difference = archive.and_then(|archive| night.dumps[0].difference(archive));
            let difference = difference.unwrap_or_else(|| "it is not there".to_owned());
            faults.push(format!("no archive of {} though the run ended well: {difference}", night.date));
        }
        let mut target = before;
        if is_there && (has_ended_well || ending == Ending::Killed) {
            target.insert(night.date, found.archives[&night.date].clone());
        }
        let removes = is_there || night.dumps.is_empty();
        let expired = if removes && !matches!(ending, Ending::Code(code) if code > 1) {
            expired(target.keys().copied(), night.date)
        } else {
            BTreeSet::new()
        };
        let is_finished = has_ended_well && could_finish;
        for (date, bytes) in &target {
            match after.get(date) {
                None if expired.contains(date) => {}
                None => faults.push(format!("the archive of {date} is gone")),
                Some(there) if there != bytes => faults.push(format!("the archive of {date} has other bytes")),
                Some(_) if is_finished && expired.contains(date) => {
                    faults.push(format!("the archive of {date} is expired and still there"));
                }
                Some(_) => {}
            }
        }
        let appeared = after.keys().filter(|date| !target.contains_key(date));
        faults.extend(appeared.map(|date| format!("an archive of {date} has appeared")));
        faults.extend(self.leftover_faults(&found, night, is_finished));
        *self = found;
        faults
    }

    /// What of the leftovers in `found` must not be there.
    fn leftover_faults(&self, found: &Model, night: &Night, is_finished: bool) -> Vec<String> {
        let mut faults = Vec::new();
        for date in &found.parts {
            let may_be = self.parts.contains(date) || (*date == night.date && !night.dumps.is_empty());
            if is_finished || !may_be {
                faults.push(format!("there is a .part of {date}"));
            }
        }
        for (date, bytes) in &found.aside {
            let stood = *date == night.date && self.archives.get(date) == Some(bytes);
            if is_finished || !(stood || self.aside.get(date) == Some(bytes)) {
                faults.push(format!("there is an .old of {date}"));
            }
        }
        faults
    }

    /// The archives, with those back under their names whose successor never came.
    fn as_put_back(&self) -> Archives {
        let mut archives = self.archives.clone();
        for (date, bytes) in &self.aside {
            archives.entry(*date).or_insert_with(|| bytes.clone());
        }
        archives
    }
}

/// Which of the archives of `dates` go after a run for `today`: those older than the policy allows, counted from the
/// newest not after today, except the newest few.
fn expired(dates: impl Iterator<Item = NaiveDate>, today: NaiveDate) -> BTreeSet<NaiveDate> {
    let mut counting: Vec<NaiveDate> = dates.filter(|date| *date <= today).collect();
    counting.sort();
    counting.reverse();
    let Some(oldest_kept) = counting.first().map(|newest| *newest - Days::new(KEEP_DAYS)) else {
        return BTreeSet::new();
    };
    counting.into_iter().skip(KEEP_AT_LEAST).filter(|date| *date < oldest_kept).collect()
}

/// The name of the archive of `date`: year, day, month.
pub fn archive_name(date: NaiveDate) -> String {
    date.format("%Y%d%m.tgz").to_string()
}

/// The date of which `name` is an archive's.
fn date_of(name: &str) -> Option<NaiveDate> {
    let digits = name.strip_suffix(".tgz").filter(|it| it.len() == 8 && it.bytes().all(|b| b.is_ascii_digit()))?;
    let number = |range: std::ops::Range<usize>| digits[range].parse().ok();
    NaiveDate::from_ymd_opt(number(0..4)? as i32, number(6..8)?, number(4..6)?)
}
