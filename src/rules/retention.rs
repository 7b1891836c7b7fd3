//! Which files on the server stay and which go, each with its reason.
//!
//! [`plan`] is the decision; carrying it out is the destination's business.

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};

use crate::rules::archive_name::{ArchiveName, OLD, PART};
use crate::rules::history;

/// How much history stays.
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

/// Why a file stays or goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Not a name of ours.
    Foreign,
    /// A name of ours, but no regular file.
    NotAFile,
    /// An archive dated after today.
    Future,
    /// An archive without content.
    Empty,
    /// Not older than the policy allows.
    Recent {
        /// Days before the reference day.
        age: i64,
    },
    /// Old, but among the newest that always stay.
    Floor {
        /// Days before the reference day.
        age: i64,
    },
    /// Older than the policy allows.
    Expired {
        /// Days before the reference day.
        age: i64,
    },
    /// An upload that an earlier run did not finish.
    UnfinishedUpload,
    /// What a replaced archive left behind; its successor is in place.
    Replaced,
    /// A replaced archive whose successor never came: it must be put back, not removed.
    AwaitsItsName,
    /// It would go, but removal is held back tonight.
    HeldBack(Box<Reason>),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Foreign => f.write_str("not one of this configuration's archives"),
            Reason::NotAFile => f.write_str("named like an archive, but not a regular file"),
            Reason::Future => f.write_str("dated after today"),
            Reason::Empty => f.write_str("empty"),
            Reason::Recent { age } => write!(f, "{} old", days(*age)),
            Reason::Floor { age } => write!(f, "{} old, but one of the newest that always stay", days(*age)),
            Reason::Expired { age } => write!(f, "expired, {} old", days(*age)),
            Reason::UnfinishedUpload => f.write_str("an unfinished upload of an earlier run"),
            Reason::Replaced => f.write_str("was replaced, its successor is in place"),
            Reason::AwaitsItsName => f.write_str("to be put back: its successor never came"),
            Reason::HeldBack(reason) => write!(f, "{reason}; removal is held back"),
        }
    }
}

fn days(count: i64) -> String {
    if count == 1 { "1 day".to_owned() } else { format!("{count} days") }
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

/// Why nothing at all is removed tonight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldBack {
    /// The web server's clock and ours differ by this many hours.
    ClockDiffers {
        /// Whole hours, without sign.
        hours: i64,
    },
    /// The archive pattern was changed over a folder of old names.
    DayAndMonthSwapped {
        /// One of the names.
        example: String,
    },
}

impl fmt::Display for HoldBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HoldBack::ClockDiffers { hours } => write!(
                f,
                "the web server's clock and this machine's differ by {hours} hours; set the one that is wrong"
            ),
            HoldBack::DayAndMonthSwapped { example } => write!(
                f,
                "{example:?} fits archive.name only with day and month swapped, so the pattern seems to have been \
                 changed over a folder of older names; rename those files, or move them away"
            ),
        }
    }
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
                Reason::Recent { .. } | Reason::Floor { .. } | Reason::Future => true,
                Reason::HeldBack(reason) => matches!(**reason, Reason::Expired { .. }),
                _ => false,
            })
            .count()
    }
}

/// Decides what of `listing` stays on a night whose date is `today`. `clock_difference` is how far the web server's
/// clock is from ours, in either direction, where that is known.
pub fn plan(
    listing: &[Entry],
    naming: &Naming,
    policy: Policy,
    today: NaiveDate,
    clock_difference: Option<TimeDelta>,
) -> Plan {
    let counting = history::archives(listing, naming, today);
    let newest_first = || counting.iter().rev();
    let reference = newest_first().next().map(|archive| archive.date);
    let floor: BTreeSet<&str> =
        newest_first().take(policy.keep_at_least as usize).map(|archive| archive.name.as_str()).collect();
    let held_back = hold_back(listing, naming, clock_difference);

    let files: BTreeSet<&str> =
        listing.iter().filter(|entry| entry.kind == Kind::File).map(|entry| entry.name.as_str()).collect();
    let mut decisions: Vec<Decision> = listing
        .iter()
        .map(|entry| {
            let (action, reason) = decide(entry, naming, policy, today, reference, &floor, &files);
            match action {
                Action::Remove if held_back.is_some() => Decision {
                    name: entry.name.clone(),
                    action: Action::Keep,
                    reason: Reason::HeldBack(Box::new(reason)),
                },
                _ => Decision { name: entry.name.clone(), action, reason },
            }
        })
        .collect();
    decisions.sort_by(|a, b| a.name.cmp(&b.name));
    Plan { reference, held_back, decisions }
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

fn decide(
    entry: &Entry,
    naming: &Naming,
    policy: Policy,
    today: NaiveDate,
    reference: Option<NaiveDate>,
    floor: &BTreeSet<&str>,
    files: &BTreeSet<&str>,
) -> (Action, Reason) {
    let leftover = naming.leftover_of(&entry.name);
    let date = naming.archive.date_of(&entry.name);
    if date.is_none() && leftover.is_none() {
        return (Action::Keep, Reason::Foreign);
    }
    if entry.kind != Kind::File {
        return (Action::Keep, Reason::NotAFile);
    }
    if let Some((archive, suffix)) = leftover {
        return match suffix {
            PART => (Action::Remove, Reason::UnfinishedUpload),
            _ if files.contains(archive) => (Action::Remove, Reason::Replaced),
            _ => (Action::Keep, Reason::AwaitsItsName),
        };
    }
    let (Some(date), Some(reference)) = (date, reference) else {
        // Without a reference day, no archive counts: each is empty or dated after today.
        return (Action::Keep, if entry.size == Some(0) { Reason::Empty } else { Reason::Future });
    };
    if entry.size == Some(0) {
        return (Action::Keep, Reason::Empty);
    }
    if date > today {
        return (Action::Keep, Reason::Future);
    }
    let age = (reference - date).num_days();
    let oldest_kept = reference.checked_sub_days(Days::new(policy.keep_days.into())).unwrap_or(NaiveDate::MIN);
    if date >= oldest_kept {
        (Action::Keep, Reason::Recent { age })
    } else if floor.contains(entry.name.as_str()) {
        (Action::Keep, Reason::Floor { age })
    } else {
        (Action::Remove, Reason::Expired { age })
    }
}

/// Clocks that differ by more than this hold removal back.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::hours(24);

fn hold_back(listing: &[Entry], naming: &Naming, clock_difference: Option<TimeDelta>) -> Option<HoldBack> {
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
