//! Which files on the server stay and which go, each with its reason.
//!
//! [`plan`] is the decision; carrying it out is the destination's business.

pub mod keeping;
pub mod reason;
pub mod witness;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};

use crate::rules::alarm::Suspicion;
use crate::rules::history;
use crate::rules::naming::{Leftover, Naming, SetAside, Which};
use crate::rules::retention::witness::Witness;
pub use keeping::{Rule, Slot};
pub use reason::{Reason, RemovalHold};
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
    pub held_back: Option<RemovalHold>,
    /// Every entry of the listing, in the order of names.
    pub decisions: Vec<Decision>,
}

impl Plan {
    /// What goes.
    pub fn removals(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().filter(|decision| decision.action == Action::Remove)
    }

    /// The same plan with removal held back: nothing is removed but own uploads, which hold nothing that is needed. A plan that
    /// is held back already keeps its reason.
    pub fn hold_back(mut self, why: RemovalHold) -> Plan {
        let kept = self.decisions.iter_mut().filter(|decision| decision.action == Action::Remove);
        for decision in kept.filter(|decision| decision.reason != Reason::UnfinishedUpload) {
            decision.action = Action::Keep;
            decision.reason = Reason::HeldBack(Box::new(decision.reason.clone()));
        }
        self.held_back.get_or_insert(why);
        self
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
    /// The date whose archive this run has delivered, if it has delivered one.
    pub delivered: Option<NaiveDate>,
    /// Whether the server failed to sync the new archive to its disk.
    pub is_unsynced: bool,
    /// The time by the SFTP server's clock, from [`server_now`]. `None` where it is not known: then a file's date is the
    /// one in its name, whenever it was written.
    pub server_now: Option<DateTime<Utc>>,
}

impl Circumstances {
    /// A day of which nothing is known that holds removal back.
    pub fn on(today: NaiveDate) -> Circumstances {
        Circumstances {
            today,
            clock_difference: None,
            suspicion: None,
            delivered: None,
            is_unsynced: false,
            server_now: None,
        }
    }
}

/// Decides what of `listing` stays.
pub fn plan(listing: &[Entry], naming: &Naming, policy: Policy, circumstances: Circumstances) -> Plan {
    let counting: BTreeSet<NaiveDate> =
        history::archives(listing, naming, circumstances.today).into_iter().map(|archived| archived.date).collect();
    let folder = Folder {
        naming,
        circumstances,
        reference: counting.last().copied(),
        kept: keeping::rules(policy, &counting),
        witness: Witness { server_now: circumstances.server_now, keep_days: policy.keep_days },
        to_put_back: to_put_back(listing, naming).into_iter().map(|(old, _)| old).collect(),
        written: listing.iter().filter_map(|entry| Some((entry.name.as_str(), entry.modified?))).collect(),
    };
    let mut decisions: Vec<Decision> = listing
        .iter()
        .map(|entry| {
            let (action, reason) = folder.decide(entry);
            Decision { name: entry.name.clone(), action, reason }
        })
        .collect();
    decisions.sort_by(|a, b| a.name.cmp(&b.name));
    let plan = Plan { reference: folder.reference, held_back: None, decisions };
    match hold_back(listing, naming, circumstances) {
        Some(why) => plan.hold_back(why),
        None => plan,
    }
}

/// The set-aside archives that have no successor under the final name, as (current name, final name): a run that was
/// killed between the two renames of a replacement leaves one. Where several are left of a date, the latest is meant.
pub fn to_put_back(listing: &[Entry], naming: &Naming) -> Vec<(String, String)> {
    let mut latest: BTreeMap<&str, (Which, &str)> = BTreeMap::new();
    for entry in listing.iter().filter(|entry| entry.kind == Kind::File) {
        if let Some(SetAside { archive, which, .. }) = naming.set_aside(&entry.name) {
            let latest = latest.entry(archive).or_insert((which, &entry.name));
            *latest = (*latest).max((which, &entry.name));
        }
    }
    latest.retain(|archive, _| !listing.iter().any(|entry| entry.name == *archive));
    latest.into_iter().map(|(archive, (_, name))| (name.to_owned(), archive.to_owned())).collect()
}

/// The uploads that earlier runs of this job did not finish. They hold nothing that a later run needs.
pub fn own_uploads(listing: &[Entry], naming: &Naming) -> Vec<String> {
    listing
        .iter()
        .filter(|entry| entry.kind == Kind::File && naming.leftover(&entry.name) == Some(Leftover::OwnUpload))
        .map(|entry| entry.name.clone())
        .collect()
}

/// What must be known of the whole directory to decide about one entry.
struct Folder<'a> {
    naming: &'a Naming,
    circumstances: Circumstances,
    reference: Option<NaiveDate>,
    /// The rules that keep the archive of a date.
    kept: BTreeMap<NaiveDate, Vec<Rule>>,
    witness: Witness,
    /// The names of the set-aside archives that are to get their final name back.
    to_put_back: BTreeSet<String>,
    /// When each file was last written, where that is known.
    written: BTreeMap<&'a str, DateTime<Utc>>,
}

impl Folder<'_> {
    fn decide(&self, entry: &Entry) -> (Action, Reason) {
        let leftover = self.naming.leftover(&entry.name);
        let date = self.naming.archive.date_of(&entry.name);
        if date.is_none() && leftover.is_none() {
            return (Action::Keep, Reason::Foreign);
        }
        if entry.kind != Kind::File {
            return (Action::Keep, Reason::NotAFile);
        }
        if let Some(leftover) = leftover {
            return self.decide_leftover(entry, leftover);
        }
        if entry.size == Some(0) {
            return (Action::Keep, Reason::Empty);
        }
        // Without a reference day no archive counts, so that this one is of a day to come as well.
        let (Some(date), Some(reference)) = (date.filter(|date| *date <= self.circumstances.today), self.reference)
        else {
            return (Action::Keep, Reason::Future);
        };
        let age = (reference - date).num_days();
        if let Some(rules) = self.kept.get(&date) {
            return (Action::Keep, Reason::Kept { age, rules: rules.clone() });
        }
        match self.witness.days_since_written(entry.modified, date) {
            Some(written) => {
                (Action::Keep, Reason::WrittenLater { written, named: (self.circumstances.today - date).num_days() })
            }
            None => (Action::Remove, Reason::Expired { age }),
        }
    }

    fn decide_leftover(&self, entry: &Entry, leftover: Leftover<'_>) -> (Action, Reason) {
        match leftover {
            Leftover::OwnUpload => (Action::Remove, Reason::UnfinishedUpload),
            Leftover::OtherUpload => {
                let age = self.circumstances.server_now.zip(entry.modified).map(|(now, then)| now - then);
                match age.filter(|age| *age > OTHERS_UPLOAD_TIME) {
                    Some(age) => (Action::Remove, Reason::AbandonedUpload { hours: age.num_hours() }),
                    None => (Action::Keep, Reason::OtherUpload),
                }
            }
            Leftover::SetAside(_) if self.to_put_back.contains(&entry.name) => (Action::Keep, Reason::AwaitsItsName),
            Leftover::SetAside(SetAside { archive, date, .. }) => {
                let until = date.checked_add_days(DAYS_SET_ASIDE).unwrap_or(NaiveDate::MAX);
                // A past night that is repeated replaces an archive long after its date.
                let written = self.circumstances.server_now.zip(self.written.get(archive));
                let is_recent = written.is_some_and(|(now, then)| now - *then < LATELY);
                match self.circumstances.delivered {
                    Some(delivered) if delivered >= until && is_recent => (Action::Keep, Reason::ReplacedLately),
                    Some(delivered) if delivered >= until => (Action::Remove, Reason::Replaced),
                    _ => (Action::Keep, Reason::SetAside { until }),
                }
            }
        }
    }
}

/// Another job's upload may be under way for this long.
const OTHERS_UPLOAD_TIME: TimeDelta = TimeDelta::hours(24);

/// A replaced archive is kept until an archive of so many days after its own date has been delivered.
const DAYS_SET_ASIDE: Days = Days::new(3);

/// And in any case for so long after its successor was written.
const LATELY: TimeDelta = TimeDelta::hours(48);

/// Clocks that differ by more than this hold removal back.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::hours(24);

/// The first reason to hold removal back: before all others the one that another night would not tell again.
fn hold_back(listing: &[Entry], naming: &Naming, circumstances: Circumstances) -> Option<RemovalHold> {
    if let Some(suspicion) = circumstances.suspicion {
        return Some(RemovalHold::UnusualSize(suspicion));
    }
    if circumstances.is_unsynced {
        return Some(RemovalHold::NotSynced);
    }
    let clock_difference = circumstances.clock_difference;
    if let Some(difference) = clock_difference.map(|difference| difference.abs()).filter(|it| *it > CLOCK_TOLERANCE) {
        return Some(RemovalHold::ClockDiffers { hours: difference.num_hours() });
    }
    let swapped = naming.archive.with_day_and_month_swapped()?;
    listing
        .iter()
        .filter(|entry| entry.kind == Kind::File)
        .find(|entry| naming.archive.date_of(&entry.name).is_none() && swapped.date_of(&entry.name).is_some())
        .map(|entry| RemovalHold::DayAndMonthSwapped { example: entry.name.clone() })
}
