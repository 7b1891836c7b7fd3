//! Which files on the server stay and which go, each with its reason.
//!
//! [`plan`] is the decision; carrying it out is the destination's business.

mod keeping;
mod reason;
mod witness;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use crate::rules::alarm::Suspicion;
use crate::rules::archive_name::{ArchiveName, OLD, PART};
use crate::rules::history;
pub use keeping::{Rule, Slot};
pub use reason::{HoldBack, Reason};
use witness::Witness;
pub use witness::server_now;

/// How much history stays: whatever any of the rules keeps. Beside the days and the floor, which are always there, those of
/// the calendar are off at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// An archive this many days older than the reference day stays; an older one is expired. At least 1.
    pub keep_days: u32,
    /// The newest so many stay however old they are. At least 1.
    pub keep_at_least: u32,
    /// The newest archive of each of the last so many days that have one stays.
    pub keep_daily: u32,
    /// The newest archive of each of the last so many weeks (ISO 8601) that have one stays.
    pub keep_weekly: u32,
    /// The newest archive of each of the last so many months that have one stays.
    pub keep_monthly: u32,
    /// The newest archive of each of the last so many years that have one stays.
    pub keep_yearly: u32,
}

/// What sort of thing a directory entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link, whatever it points to.
    Symlink,
    /// Anything else, and what has a name that is not UTF-8.
    Other,
}

/// One entry of the server's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its size in bytes, where the server tells.
    pub size: Option<u64>,
    /// When it was last written, by the server's clock, where the server tells.
    pub modified: Option<DateTime<Utc>>,
}

/// How the names in the directory are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    /// The pattern of the archives.
    pub archive: ArchiveName,
    /// What temporary names begin with.
    pub temporary_prefix: String,
}

impl Naming {
    /// The name that an archive has until it is verified.
    pub fn part(&self, archive: &str) -> String {
        format!("{}{archive}{PART}", self.temporary_prefix)
    }

    /// The name that an archive has while another takes its place.
    pub fn old(&self, archive: &str) -> String {
        format!("{}{archive}{OLD}", self.temporary_prefix)
    }

    /// The archive that `name` is a leftover of, and which suffix it has; `None` where it is no leftover of ours.
    fn leftover_of<'a>(&self, name: &'a str) -> Option<(&'a str, &'static str)> {
        let rest = name.strip_prefix(self.temporary_prefix.as_str())?;
        let (archive, suffix) =
            [PART, OLD].into_iter().find_map(|suffix| rest.strip_suffix(suffix).map(|archive| (archive, suffix)))?;
        self.archive.date_of(archive).map(|_| (archive, suffix))
    }
}

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
}

/// One entry and what happens to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The entry's name.
    pub name: String,
    /// What happens.
    pub action: Action,
    /// Why.
    pub reason: Reason,
}

/// What happens to every entry of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The day from which ages are counted; `None` where no archive counts.
    pub reference: Option<NaiveDate>,
    /// Why removal is held back, if it is.
    pub held_back: Option<HoldBack>,
    /// Every entry of the listing, in the order of names.
    pub decisions: Vec<Decision>,
}

impl Plan {
    /// What goes.
    pub fn removals(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().filter(|decision| decision.action == Action::Remove)
    }

    /// How many archives of this configuration stay.
    pub fn archives_kept(&self) -> usize {
        self.decisions
            .iter()
            .filter(|decision| match &decision.reason {
                Reason::Kept { .. } | Reason::Future | Reason::WrittenLater { .. } => true,
                Reason::HeldBack(reason) => matches!(**reason, Reason::Expired { .. }),
                _ => false,
            })
            .count()
    }
}

/// What beside the directory and the policy matters to a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circumstances {
    /// The date of the night.
    pub today: NaiveDate,
    /// How far the web server's clock is from ours, in either direction, where that is known.
    pub clock_difference: Option<TimeDelta>,
    /// What is suspicious about the night's new archive, if anything is.
    pub suspicion: Option<Suspicion>,
    /// The time by the SFTP server's clock, from [`server_now`]. `None` where it is not known: then a file's date is the
    /// one in its name, whenever it was written.
    pub server_now: Option<DateTime<Utc>>,
}

impl Circumstances {
    /// A day of which nothing is known that holds removal back.
    pub fn on(today: NaiveDate) -> Circumstances {
        Circumstances { today, clock_difference: None, suspicion: None, server_now: None }
    }
}

/// Decides what of `listing` stays.
pub fn plan(listing: &[Entry], naming: &Naming, policy: Policy, circumstances: Circumstances) -> Plan {
    let counting: BTreeSet<NaiveDate> =
        history::archives(listing, naming, circumstances.today).into_iter().map(|archived| archived.date).collect();
    let folder = Folder {
        naming,
        today: circumstances.today,
        reference: counting.last().copied(),
        kept: keeping::rules(policy, &counting),
        witness: Witness { server_now: circumstances.server_now, keep_days: policy.keep_days },
        files: listing.iter().filter(|entry| entry.kind == Kind::File).map(|entry| entry.name.as_str()).collect(),
    };
    let held_back = hold_back(listing, naming, circumstances);
    let mut decisions: Vec<Decision> = listing
        .iter()
        .map(|entry| {
            let (action, reason) = match folder.decide(entry) {
                (Action::Remove, reason) if held_back.is_some() => (Action::Keep, Reason::HeldBack(Box::new(reason))),
                decided => decided,
            };
            Decision { name: entry.name.clone(), action, reason }
        })
        .collect();
    decisions.sort_by(|a, b| a.name.cmp(&b.name));
    Plan { reference: folder.reference, held_back, decisions }
}

/// The replaced archives whose successor never came, as (name now, name to have): a run that was killed between
/// the two renames of a replacement left them so.
pub fn to_put_back(listing: &[Entry], naming: &Naming) -> Vec<(String, String)> {
    listing
        .iter()
        .filter(|entry| entry.kind == Kind::File)
        .filter_map(|entry| match naming.leftover_of(&entry.name) {
            Some((archive, OLD)) => Some((entry.name.clone(), archive.to_owned())),
            _ => None,
        })
        .filter(|(_, archive)| !listing.iter().any(|entry| entry.name == *archive))
        .collect()
}

/// What must be known of the whole directory to decide about one entry.
struct Folder<'a> {
    naming: &'a Naming,
    today: NaiveDate,
    reference: Option<NaiveDate>,
    /// The rules that keep the archive of a date.
    kept: BTreeMap<NaiveDate, Vec<Rule>>,
    witness: Witness,
    /// The names of the regular files.
    files: BTreeSet<&'a str>,
}

impl Folder<'_> {
    fn decide(&self, entry: &Entry) -> (Action, Reason) {
        let leftover = self.naming.leftover_of(&entry.name);
        let date = self.naming.archive.date_of(&entry.name);
        if date.is_none() && leftover.is_none() {
            return (Action::Keep, Reason::Foreign);
        }
        if entry.kind != Kind::File {
            return (Action::Keep, Reason::NotAFile);
        }
        if let Some((archive, suffix)) = leftover {
            return match suffix {
                PART => (Action::Remove, Reason::UnfinishedUpload),
                _ if self.files.contains(archive) => (Action::Remove, Reason::Replaced),
                _ => (Action::Keep, Reason::AwaitsItsName),
            };
        }
        if entry.size == Some(0) {
            return (Action::Keep, Reason::Empty);
        }
        // Without a reference day no archive counts, so that this one is of a day to come as well.
        let (Some(date), Some(reference)) = (date.filter(|date| *date <= self.today), self.reference) else {
            return (Action::Keep, Reason::Future);
        };
        let age = (reference - date).num_days();
        if let Some(rules) = self.kept.get(&date) {
            return (Action::Keep, Reason::Kept { age, rules: rules.clone() });
        }
        match self.witness.days_since_written(entry.modified, date) {
            Some(written) => (Action::Keep, Reason::WrittenLater { written, named: (self.today - date).num_days() }),
            None => (Action::Remove, Reason::Expired { age }),
        }
    }
}

/// Clocks that differ by more than this hold removal back.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::hours(24);

/// The first reason to hold removal back: before all others the one that another night would not tell again.
fn hold_back(listing: &[Entry], naming: &Naming, circumstances: Circumstances) -> Option<HoldBack> {
    if let Some(suspicion) = circumstances.suspicion {
        return Some(HoldBack::UnusualSize(suspicion));
    }
    let clock_difference = circumstances.clock_difference;
    if let Some(difference) = clock_difference.map(|difference| difference.abs()).filter(|it| *it > CLOCK_TOLERANCE) {
        return Some(HoldBack::ClockDiffers { hours: difference.num_hours() });
    }
    let swapped = naming.archive.with_day_and_month_swapped()?;
    listing
        .iter()
        .filter(|entry| entry.kind == Kind::File)
        .find(|entry| naming.archive.date_of(&entry.name).is_none() && swapped.date_of(&entry.name).is_some())
        .map(|entry| HoldBack::DayAndMonthSwapped { example: entry.name.clone() })
}

#[cfg(test)]
mod tests;
