//! Whether the archives on the server are as they should be: the states of a monitoring check, and what leads to them.

use std::cmp::Ordering;

use chrono::{DateTime, FixedOffset, NaiveTime, TimeDelta};

use crate::rules::alarm::{self, Suspicion};
use crate::rules::history::Archived;
use crate::rules::inventory::{Archive, File, Inventory};
use crate::rules::retention::reason::{Reason, RemovalHold};

/// The states of the Monitoring Plugins Development Guidelines, each with its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Health {
    /// All is as it should be.
    Ok = 0,
    /// Worth a look by day.
    Warning = 1,
    /// There is no good recent archive, or nobody can get at it.
    Critical = 2,
    /// It could not be found out, for a reason that lies here.
    Unknown = 3,
}

/// What is asked of the newest archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// It must not be older.
    pub max_age: TimeDelta,
    /// It must not be smaller, in bytes.
    pub min_size: Option<u64>,
    /// Which sizes are suspicious beside those of the archives before it, if any are.
    pub alarm: Option<alarm::Bounds>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkup {
    /// The newest archive that counts, if there is one.
    pub newest: Option<Newest>,
    /// How many archives count.
    pub archives: usize,
    /// What is not as it should be, the worst first.
    pub findings: Vec<Finding>,
}

/// The newest archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    /// Its name.
    pub name: String,
    /// How old it is; never negative.
    pub age: TimeDelta,
    /// Its size in bytes, where the server tells.
    pub size: Option<u64>,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// No archive counts.
    NoArchive,
    /// The newest archive is older than it may be.
    TooOld,
    /// The newest archive is smaller than it may be.
    TooSmall,
    /// The newest archive may be smaller than it may be: the server does not tell.
    UnknownSize,
    /// The newest archive has an unusual size.
    UnusualSize(Suspicion),
    /// The newest archive was last written in the future, by so much: one of the clocks is wrong, and so is the age.
    ClockAhead {
        /// How far ahead.
        by: TimeDelta,
    },
    /// An archive is dated after today.
    DatedAhead {
        /// Its name.
        name: String,
    },
    /// Nothing is removed.
    HeldBack(RemovalHold),
    /// Interrupted runs left this behind, and no run has cleared it up for longer than the newest archive may be old.
    Leftovers {
        /// How many files.
        count: usize,
        /// The name of one.
        example: String,
    },
}

/// Clocks that differ by less are as good as right.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// How long after the end of its date an archive may be written and still be told by when it was: a run may take hours.
/// One that was copied or sent again later is as old as its date.
const LATEST_AFTER_DATE: TimeDelta = TimeDelta::hours(12);

impl Finding {
    /// The state that this alone leads to.
    pub fn health(&self) -> Health {
        match self {
            Finding::NoArchive | Finding::TooOld | Finding::TooSmall => Health::Critical,
            Finding::UnknownSize
            | Finding::UnusualSize(_)
            | Finding::ClockAhead { .. }
            | Finding::DatedAhead { .. }
            | Finding::HeldBack(_)
            | Finding::Leftovers { .. } => Health::Warning,
        }
    }
}

impl Checkup {
    /// The state: that of the worst finding.
    pub fn health(&self) -> Health {
        self.findings.first().map_or(Health::Ok, Finding::health)
    }
}

/// Holds `inventory` against `bounds` at the moment `now`, which is in the job's zone.
pub fn examine(inventory: &Inventory, bounds: Bounds, now: DateTime<FixedOffset>) -> Checkup {
    let newest = inventory.newest();
    let mut findings = match newest {
        Some(newest) => about_newest(newest, inventory, bounds, now),
        None => vec![Finding::NoArchive],
    };
    let dated_ahead = inventory.archives.iter().find(|archive| archive.date > inventory.today);
    findings.extend(dated_ahead.map(|archive| Finding::DatedAhead { name: archive.file.name.clone() }));
    findings.extend(inventory.held_back.clone().map(Finding::HeldBack));
    findings.extend(old_leftovers(inventory, bounds, now));
    findings.sort_by(|one, other| match (one.health(), other.health()) {
        (one, other) if one == other => Ordering::Equal,
        (Health::Critical, _) => Ordering::Less,
        _ => Ordering::Greater,
    });
    Checkup {
        newest: newest.map(|archive| Newest {
            name: archive.file.name.clone(),
            age: age(archive, now).max(TimeDelta::zero()),
            size: archive.file.size,
        }),
        archives: inventory.archives.iter().filter(|archive| archive.counts).count(),
        findings,
    }
}

fn about_newest(newest: &Archive, inventory: &Inventory, bounds: Bounds, now: DateTime<FixedOffset>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if age(newest, now) > bounds.max_age {
        findings.push(Finding::TooOld);
    }
    match (newest.file.size, bounds.min_size) {
        (Some(size), Some(min_size)) if size < min_size => findings.push(Finding::TooSmall),
        (None, Some(_)) => findings.push(Finding::UnknownSize),
        _ => {}
    }
    let suspicion = bounds.alarm.zip(newest.file.size).and_then(|(alarm, size)| {
        let history: Vec<Archived> = inventory.archives.iter().filter(|archive| archive.counts).map(archived).collect();
        alarm::suspicion(alarm, newest.date, size, &history)
    });
    findings.extend(suspicion.map(Finding::UnusualSize));
    let ahead = newest.file.modified.map(|modified| modified.signed_duration_since(now));
    findings.extend(ahead.filter(|by| *by > CLOCK_TOLERANCE).map(|by| Finding::ClockAhead { by }));
    findings
}

fn archived(archive: &Archive) -> Archived {
    let File { name, size, modified, .. } = &archive.file;
    Archived { date: archive.date, name: name.clone(), size: *size, modified: *modified }
}

/// How long ago `archive` was written: by the server's clock, and by its date where the server does not tell.
fn age(archive: &Archive, now: DateTime<FixedOffset>) -> TimeDelta {
    let midnight = archive.date.succ_opt().unwrap_or(archive.date).and_time(NaiveTime::MIN);
    let since_its_date = now.naive_local() - midnight;
    match archive.file.modified {
        Some(modified) => now.signed_duration_since(modified).max(since_its_date - LATEST_AFTER_DATE),
        None => since_its_date,
    }
}

/// What no run has cleared up for longer than the newest archive may be old. A run that is under way has leftovers too,
/// but younger ones.
fn old_leftovers(inventory: &Inventory, bounds: Bounds, now: DateTime<FixedOffset>) -> Option<Finding> {
    // Held back, they stay for a reason that is told already.
    let is_told = |file: &File| matches!(file.reason, Reason::HeldBack(_));
    let is_old =
        |file: &File| file.modified.is_some_and(|modified| now.signed_duration_since(modified) > bounds.max_age);
    let old: Vec<&File> = inventory.leftovers.iter().filter(|file| is_old(file) && !is_told(file)).collect();
    old.first().map(|example| Finding::Leftovers { count: old.len(), example: example.name.clone() })
}
