//! Decides which files in the server's folder are kept and which are removed, and why. The pipeline removes them.

pub mod keeping;
pub mod reason;
pub mod server_clock;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};

use crate::rules::alarm::Suspicion;
use crate::rules::archive_name::{Leftover, Naming, SetAside};
use crate::rules::listing::{self, Entry, Kind};
use crate::rules::retention::keeping::{Policy, Rule};
use crate::rules::retention::reason::{Reason, RemovalHold};
use crate::rules::retention::server_clock::ServerClock;

/// An older upload of another job is no longer in progress.
const MAX_UPLOAD_TIME: TimeDelta = TimeDelta::hours(24);

/// A replaced archive is kept until an archive with a date this much later has been delivered,
const REPLACED_KEPT_DAYS: Days = Days::new(3);

/// and at least this long after its replacement was written.
const REPLACED_KEPT_TIME: TimeDelta = TimeDelta::hours(48);

/// If the clocks differ by more, removal is held back.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::hours(24);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Keep,
    Remove,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The entry's name.
    pub name: String,
    pub action: Action,
    pub reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Ages are relative to this date: that of the newest archive that counts.
    pub reference: Option<NaiveDate>,
    pub held_back: Option<RemovalHold>,
    /// Every entry of the listing, sorted by name.
    pub decisions: Vec<Decision>,
}

impl Plan {
    pub fn removals(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().filter(|decision| decision.action == Action::Remove)
    }

    /// Holds removal back: only this job's unfinished uploads are still removed. An earlier reason takes precedence.
    pub fn hold_back(mut self, hold: RemovalHold) -> Plan {
        self.keep_instead(|reason| *reason != Reason::UnfinishedUpload, Reason::HeldBack);
        self.held_back.get_or_insert(hold);
        self
    }

    /// Leaves every removal to `prune`.
    pub fn leave_to_prune(mut self) -> Plan {
        self.keep_instead(|_| true, Reason::LeftToPrune);
        self
    }

    fn keep_instead(&mut self, is_kept: fn(&Reason) -> bool, because: fn(Box<Reason>) -> Reason) {
        let removals = self.decisions.iter_mut().filter(|decision| decision.action == Action::Remove);
        for decision in removals.filter(|decision| is_kept(&decision.reason)) {
            decision.action = Action::Keep;
            decision.reason = because(Box::new(decision.reason.clone()));
        }
    }

    /// The number of expired archives that are left to `prune`.
    pub fn count_left_to_prune(&self) -> usize {
        let is_left =
            |reason: &Reason| matches!(reason, Reason::LeftToPrune(why) if matches!(**why, Reason::Expired { .. }));
        self.decisions.iter().filter(|decision| is_left(&decision.reason)).count()
    }

    /// The number of this configuration's archives that are kept.
    pub fn archives_kept(&self) -> usize {
        let is_archive = |decision: &&Decision| match &decision.reason {
            Reason::Kept { .. } | Reason::Future | Reason::WrittenLater { .. } => true,
            Reason::HeldBack(reason) | Reason::LeftToPrune(reason) => matches!(**reason, Reason::Expired { .. }),
            _ => false,
        };
        self.decisions.iter().filter(is_archive).count()
    }
}

/// The facts about a run on which its plan depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circumstances {
    /// The date of the run.
    pub today: NaiveDate,
    /// How far the web server's clock is ahead of this machine's, if known.
    pub clock_difference: Option<TimeDelta>,
    /// About the size of this run's archive.
    pub suspicion: Option<Suspicion>,
    /// The date of the archive that this run has delivered.
    pub delivered: Option<NaiveDate>,
    /// Whether the server failed to sync the new archive to its disk.
    pub is_unsynced: bool,
    /// The time by the SFTP server's clock, from [`server_clock::server_now`]. If unknown, modification times are ignored.
    pub server_now: Option<DateTime<Utc>>,
}

impl Circumstances {
    /// A run on `today`, with everything else unknown.
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

pub fn plan(listing: &[Entry], naming: &Naming, policy: Policy, circumstances: Circumstances) -> Plan {
    let dates: BTreeSet<NaiveDate> =
        listing::archives(listing, naming, circumstances.today).into_iter().map(|archive| archive.date).collect();
    let folder = Folder {
        naming,
        circumstances,
        reference: dates.last().copied(),
        kept: keeping::rules(policy, &dates),
        clock: ServerClock { now: circumstances.server_now, keep_days: policy.keep_days },
        unfinished_replacements: listing::unfinished_replacements(listing, naming)
            .into_iter()
            .flat_map(|(old, _)| [naming.checksum_name(&old), old])
            .collect(),
        entries: listing.iter().map(|entry| (entry.name.as_str(), entry)).collect(),
    };
    let decide = |entry: &Entry| {
        let (action, reason) = folder.decide(entry);
        Decision { name: entry.name.clone(), action, reason }
    };
    let mut decisions: Vec<Decision> = listing.iter().map(decide).collect();
    decisions.sort_by(|a, b| a.name.cmp(&b.name));
    let plan = Plan { reference: folder.reference, held_back: None, decisions };
    match find_hold(listing, naming, circumstances) {
        Some(hold) => plan.hold_back(hold),
        None => plan,
    }
}

/// The facts about the whole folder that each decision needs.
struct Folder<'a> {
    naming: &'a Naming,
    circumstances: Circumstances,
    reference: Option<NaiveDate>,
    /// The rules that keep the archive of a date.
    kept: BTreeMap<NaiveDate, Vec<Rule>>,
    clock: ServerClock,
    /// The current names of the set-aside archives of dates without a final archive, and of their checksum files.
    unfinished_replacements: BTreeSet<String>,
    entries: BTreeMap<&'a str, &'a Entry>,
}

impl Folder<'_> {
    fn decide(&self, entry: &Entry) -> (Action, Reason) {
        let leftover = self.naming.leftover(&entry.name);
        let date = self.naming.archive.date_of(&entry.name);
        if let Some(archive) = self.naming.checksum_of(&entry.name).filter(|_| entry.kind == Kind::File) {
            return self.decide_checksum(entry, archive);
        }
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
        // Without a reference date no archive counts, so this one must be dated after today.
        let (Some(date), Some(reference)) = (date.filter(|date| *date <= self.circumstances.today), self.reference)
        else {
            return (Action::Keep, Reason::Future);
        };
        let age = (reference - date).num_days();
        if let Some(rules) = self.kept.get(&date) {
            return (Action::Keep, Reason::Kept { age, rules: rules.clone() });
        }
        match self.clock.days_since_written(entry.modified, date) {
            Some(written) => {
                (Action::Keep, Reason::WrittenLater { written, named: (self.circumstances.today - date).num_days() })
            }
            None => (Action::Remove, Reason::Expired { age }),
        }
    }

    fn decide_checksum(&self, entry: &Entry, archive: &str) -> (Action, Reason) {
        match self.entries.get(archive) {
            Some(archive) => (self.decide(archive).0, Reason::Checksum),
            None if self.age(entry.modified).is_some_and(|age| age > MAX_UPLOAD_TIME) => {
                (Action::Remove, Reason::UselessChecksum)
            }
            None => (Action::Keep, Reason::NewChecksum),
        }
    }

    /// The time since `modified`.
    fn age(&self, modified: Option<DateTime<Utc>>) -> Option<TimeDelta> {
        self.circumstances.server_now.zip(modified).map(|(now, modified)| now - modified)
    }

    fn decide_leftover(&self, entry: &Entry, leftover: Leftover<'_>) -> (Action, Reason) {
        match leftover {
            Leftover::OwnUpload => (Action::Remove, Reason::UnfinishedUpload),
            Leftover::OtherUpload => match self.age(entry.modified).filter(|age| *age > MAX_UPLOAD_TIME) {
                Some(age) => (Action::Remove, Reason::AbandonedUpload { hours: age.num_hours() }),
                None => (Action::Keep, Reason::OtherUpload),
            },
            Leftover::SetAside(_) if self.unfinished_replacements.contains(&entry.name) => {
                (Action::Keep, Reason::UnfinishedReplacement)
            }
            Leftover::SetAside(SetAside { date, .. }) => {
                let until = date.checked_add_days(REPLACED_KEPT_DAYS).unwrap_or(NaiveDate::MAX);
                // A run with --date replaces an archive long after its date.
                let replacements = self.naming.file_names(date);
                let mut replacements = replacements.iter().filter_map(|name| self.entries.get(name.as_str()));
                let is_recent =
                    replacements.any(|entry| self.age(entry.modified).is_some_and(|age| age < REPLACED_KEPT_TIME));
                match self.circumstances.delivered {
                    Some(delivered) if delivered >= until && is_recent => (Action::Keep, Reason::ReplacedRecently),
                    Some(delivered) if delivered >= until => (Action::Remove, Reason::Replaced),
                    _ => (Action::Keep, Reason::SetAside { until }),
                }
            }
        }
    }
}

/// The first reason to hold removal back. A suspicious size comes first, because no later run would report it.
fn find_hold(listing: &[Entry], naming: &Naming, circumstances: Circumstances) -> Option<RemovalHold> {
    if let Some(suspicion) = circumstances.suspicion {
        return Some(RemovalHold::UnusualSize(suspicion));
    }
    if circumstances.is_unsynced {
        return Some(RemovalHold::NotSynced);
    }
    if let Some(difference) = circumstances.clock_difference.map(|it| it.abs()).filter(|it| *it > CLOCK_TOLERANCE) {
        return Some(RemovalHold::ClockDiffers { hours: difference.num_hours() });
    }
    let swapped = naming.archive.with_day_and_month_swapped()?;
    let is_swapped = |name: &str| naming.archive.date_of(name).is_none() && swapped.date_of(name).is_some();
    let mut files = listing.iter().filter(|entry| entry.kind == Kind::File);
    let example = files.find(|entry| is_swapped(&entry.name))?.name.clone();
    Some(RemovalHold::DayAndMonthSwapped { example })
}
