//! Decides the state of a monitoring check from the archives on the server.

use std::cmp::Reverse;

use chrono::{DateTime, FixedOffset, NaiveTime, TimeDelta};

use crate::rules::alarm::{self, Suspicion};
use crate::rules::drill_history::DrillHistory;
use crate::rules::inventory::{Inventory, PlannedArchive, PlannedFile};
use crate::rules::listing::DatedArchive;
use crate::rules::retention::keeping::{Policy, Remover};
use crate::rules::retention::reason::{Reason, RemovalHold};

/// The states of the Monitoring Plugins Development Guidelines, each with its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Health {
    Ok = 0,
    /// Somebody should look at it within a day.
    Warning = 1,
    /// There is no good recent archive, or it cannot be reached.
    Critical = 2,
    /// The check failed for a reason on this machine.
    Unknown = 3,
}

/// The requirements on the newest archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub max_age: TimeDelta,
    /// In bytes.
    pub min_size: Option<u64>,
    pub alarm: Option<alarm::Bounds>,
    pub max_drill_age: Option<TimeDelta>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthReport {
    /// The newest archive that counts.
    pub newest: Option<Newest>,
    /// The number of archives that count.
    pub archives: usize,
    /// Of the last drill that passed, if that is required.
    pub drill_age: Option<TimeDelta>,
    /// The worst first.
    pub problems: Vec<Problem>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    pub name: String,
    /// Never negative.
    pub age: TimeDelta,
    /// In bytes, if the server reports it.
    pub size: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// No archive counts.
    NoArchive,
    /// The newest archive is older than `max_age`.
    TooOld,
    /// No drill passed within `max_drill_age`, or the last one failed; the text of the history.
    NoDrill(String),
    /// The newest archive is smaller than `min_size`.
    TooSmall,
    /// The server does not report the size of the newest archive, so that `min_size` cannot be checked.
    UnknownSize,
    /// The newest archive has an unusual size.
    UnusualSize(Suspicion),
    /// The newest archive was written in the future: a clock is wrong, and so is the age.
    ClockAhead {
        by: TimeDelta,
    },
    /// An archive is dated after today.
    DatedAhead {
        name: String,
    },
    HeldBack(RemovalHold),
    /// Only `prune` removes files, and it has not removed these archives for a week.
    Unpruned {
        count: usize,
    },
    /// Leftovers of interrupted runs, older than `max_age`.
    Leftovers {
        count: usize,
        example: String,
    },
}

/// A smaller difference between the clocks is fine.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// A run may end this long after the end of its date. An archive written later was copied or sent again, and is as old as its
/// date says.
const MAX_DELAY: TimeDelta = TimeDelta::hours(12);

impl Problem {
    pub fn health(&self) -> Health {
        match self {
            Problem::NoArchive | Problem::TooOld | Problem::TooSmall | Problem::NoDrill(_) => Health::Critical,
            _ => Health::Warning,
        }
    }
}

impl HealthReport {
    pub fn health(&self) -> Health {
        self.problems.first().map_or(Health::Ok, Problem::health)
    }
}

/// Checks `inventory` and the last `drills` at the time `now`, in the job's zone.
pub fn check(inventory: &Inventory, drills: &DrillHistory, limits: Limits, now: DateTime<FixedOffset>) -> HealthReport {
    let newest = inventory.newest();
    let mut problems = match newest {
        Some(newest) => problems_of_newest(newest, inventory, limits, now),
        None => vec![Problem::NoArchive],
    };
    let drill_age = drills.age(now).filter(|_| limits.max_drill_age.is_some());
    if limits.max_drill_age.is_some_and(|max| drills.failed.is_some() || drill_age.is_none_or(|age| age > max)) {
        problems.push(Problem::NoDrill(drills.text(now)));
    }
    let dated_ahead = inventory.archives.iter().find(|archive| archive.date > inventory.today);
    problems.extend(dated_ahead.map(|archive| Problem::DatedAhead { name: archive.file.name.clone() }));
    problems.extend(inventory.held_back.clone().map(Problem::HeldBack));
    problems.extend(find_unpruned(inventory));
    problems.extend(find_old_leftovers(inventory, limits, now));
    problems.sort_by_key(|problem| Reverse(problem.health() as u8));
    HealthReport {
        newest: newest.map(|archive| Newest {
            name: archive.file.name.clone(),
            age: age(archive, now).max(TimeDelta::zero()),
            size: archive.file.size,
        }),
        archives: inventory.archives.iter().filter(|archive| archive.counts).count(),
        drill_age,
        problems,
    }
}

fn problems_of_newest(
    newest: &PlannedArchive,
    inventory: &Inventory,
    limits: Limits,
    now: DateTime<FixedOffset>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    if age(newest, now) > limits.max_age {
        problems.push(Problem::TooOld);
    }
    match (newest.file.size, limits.min_size) {
        (Some(size), Some(min_size)) if size < min_size => problems.push(Problem::TooSmall),
        (None, Some(_)) => problems.push(Problem::UnknownSize),
        _ => {}
    }
    let suspicion = limits.alarm.zip(newest.file.size).and_then(|(alarm, size)| {
        let history: Vec<DatedArchive> =
            inventory.archives.iter().filter(|archive| archive.counts).map(archived).collect();
        alarm::compare_with_earlier(alarm, newest.date, size, &history)
    });
    problems.extend(suspicion.map(Problem::UnusualSize));
    let ahead = newest.file.modified.map(|modified| modified.signed_duration_since(now));
    problems.extend(ahead.filter(|by| *by > CLOCK_TOLERANCE).map(|by| Problem::ClockAhead { by }));
    problems
}

fn archived(archive: &PlannedArchive) -> DatedArchive {
    let PlannedFile { name, size, modified, .. } = &archive.file;
    DatedArchive { date: archive.date, name: name.clone(), size: *size, modified: *modified }
}

/// The time since `archive` was written: by the server's clock, or by its date if the server reports no times.
fn age(archive: &PlannedArchive, now: DateTime<FixedOffset>) -> TimeDelta {
    let midnight = archive.date.succ_opt().unwrap_or(archive.date).and_time(NaiveTime::MIN);
    let since_date = now.naive_local() - midnight;
    match archive.file.modified {
        Some(modified) => now.signed_duration_since(modified).max(since_date - MAX_DELAY),
        None => since_date,
    }
}

/// Where only `prune` removes files, finds expired archives that are older than `keep_days` by more than a week, if there are
/// at least three: a weekly `prune` leaves at most a few, which other rules kept until then.
fn find_unpruned(inventory: &Inventory) -> Option<Problem> {
    let Policy { keep_days, remover, .. } = inventory.policy;
    let is_overdue = |reason: &Reason| matches!(reason, Reason::Expired { age } if *age > i64::from(keep_days) + 7);
    let count = inventory.archives.iter().filter(|archive| is_overdue(&archive.file.reason)).count();
    (remover == Remover::Prune && count >= 3).then_some(Problem::Unpruned { count })
}

/// Finds leftovers older than `max_age`. A run in progress has none that old.
fn find_old_leftovers(inventory: &Inventory, limits: Limits, now: DateTime<FixedOffset>) -> Option<Problem> {
    // `Problem::HeldBack` reports these.
    let is_reported = |file: &PlannedFile| matches!(file.reason, Reason::HeldBack(_));
    let is_old =
        |file: &PlannedFile| file.modified.is_some_and(|modified| now.signed_duration_since(modified) > limits.max_age);
    let old: Vec<&PlannedFile> = inventory.leftovers.iter().filter(|file| is_old(file) && !is_reported(file)).collect();
    old.first().map(|example| Problem::Leftovers { count: old.len(), example: example.name.clone() })
}
