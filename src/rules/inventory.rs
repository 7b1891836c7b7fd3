//! The server's folder in the operator's terms: archives by date, gaps, leftovers, other files.

use std::collections::HashMap;

use chrono::{DateTime, Days, FixedOffset, NaiveDate, Utc};

use crate::rules::archive_name::Naming;
use crate::rules::history;
use crate::rules::listing::{self, DatedArchive, Entry, Kind};
use crate::rules::retention::keeping::Policy;
use crate::rules::retention::reason::{Reason, RemovalHold};
use crate::rules::retention::{self, Action, Circumstances, Decision, Plan};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    pub policy: Policy,
    pub today: NaiveDate,
    /// The date of the newest archive that counts.
    pub reference: Option<NaiveDate>,
    /// The date of the next run: today, or tomorrow if today's archive exists. The planned actions are those of that run
    /// after a delivery; ages in their reasons are relative to that date.
    pub next_run: NaiveDate,
    /// All regular files with an archive's name, oldest first, including empty ones and those dated after today.
    pub archives: Vec<PlannedArchive>,
    /// Oldest first: between two archives that count, and from the newest to yesterday.
    pub gaps: Vec<Gap>,
    /// Sorted by name.
    pub leftovers: Vec<PlannedFile>,
    /// The replaced archives that are still kept, oldest first. None of them counts.
    pub replaced: Vec<PlannedArchive>,
    /// The names of entries that have an archive's or a leftover's name but are not regular files.
    pub irregular: Vec<String>,
    /// The names of all other entries.
    pub foreign: Vec<String>,
    pub held_back: Option<RemovalHold>,
}

/// A file of this job, with the action of the next run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedFile {
    pub name: String,
    /// In bytes, if the server reports it.
    pub size: Option<u64>,
    /// When it was last written, by the server's clock, if the server reports it.
    pub modified: Option<DateTime<Utc>>,
    pub action: Action,
    pub reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedArchive {
    /// The date in its name.
    pub date: NaiveDate,
    /// Whether it is not empty and dated up to today.
    pub counts: bool,
    /// Whether a checksum file is in the same folder.
    pub has_checksum: bool,
    pub file: PlannedFile,
}

/// Consecutive nights without an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    pub first: NaiveDate,
    pub last: NaiveDate,
    /// Whether retention keeps only some archives of this period, so that the gap is expected.
    pub is_thinned: bool,
}

impl Gap {
    /// At least 1.
    pub fn nights(&self) -> i64 {
        (self.last - self.first).num_days() + 1
    }
}

impl PlannedArchive {
    /// Negative for a date after `today`.
    pub fn age_days(&self, today: NaiveDate) -> i64 {
        (today - self.date).num_days()
    }
}

impl Inventory {
    /// `now` is in the job's zone; the server's clock is assumed to agree.
    pub fn new(listing: &[Entry], naming: &Naming, policy: Policy, now: DateTime<FixedOffset>) -> Inventory {
        let today = now.date_naive();
        let circumstances = Circumstances { server_now: Some(now.to_utc()), ..Circumstances::on(today) };
        let plan = plan_next_run(listing, naming, policy, circumstances);
        let entries: HashMap<&str, &Entry> = listing.iter().map(|entry| (entry.name.as_str(), entry)).collect();
        let mut inventory = Inventory {
            policy,
            today,
            reference: plan.reference,
            next_run: next_run_date(plan.reference, today),
            archives: Vec::new(),
            gaps: gaps(&listing::archives(listing, naming, today), policy, today),
            leftovers: Vec::new(),
            replaced: Vec::new(),
            irregular: Vec::new(),
            foreign: Vec::new(),
            held_back: plan.held_back,
        };
        for decision in plan.decisions {
            let entry = entries.get(decision.name.as_str());
            let date = naming.archive.date_of(&decision.name);
            match decision.reason {
                Reason::Foreign => inventory.foreign.push(decision.name),
                Reason::NotAFile => inventory.irregular.push(decision.name),
                Reason::Checksum => {}
                _ if naming.set_aside(&decision.name).is_some_and(|set_aside| set_aside.is_checksum) => {}
                reason => {
                    let file = PlannedFile {
                        name: decision.name,
                        size: entry.and_then(|entry| entry.size),
                        modified: entry.and_then(|entry| entry.modified),
                        action: decision.action,
                        reason,
                    };
                    let replaced =
                        naming.set_aside(&file.name).filter(|_| file.reason != Reason::UnfinishedReplacement);
                    let has_checksum = entries.contains_key(naming.checksum_name(&file.name).as_str());
                    match (date, replaced.map(|replaced| replaced.date)) {
                        (Some(date), _) => {
                            let counts = date <= today && file.size != Some(0);
                            inventory.archives.push(PlannedArchive { date, counts, has_checksum, file });
                        }
                        (None, Some(date)) => {
                            inventory.replaced.push(PlannedArchive { date, counts: false, has_checksum, file });
                        }
                        (None, None) => inventory.leftovers.push(file),
                    }
                }
            }
        }
        for archives in [&mut inventory.archives, &mut inventory.replaced] {
            archives.sort_by(|a, b| (a.date, &a.file.name).cmp(&(b.date, &b.file.name)));
        }
        inventory
    }

    /// The newest archive that counts.
    pub fn newest(&self) -> Option<&PlannedArchive> {
        self.archives.iter().rev().find(|archive| archive.counts)
    }

    /// The number of nights that should have an archive but have none.
    pub fn count_missing_nights(&self) -> i64 {
        self.gaps.iter().filter(|gap| !gap.is_thinned).map(Gap::nights).sum()
    }
}

/// Tomorrow if `newest`, the date of the newest archive, is today; otherwise today.
fn next_run_date(newest: Option<NaiveDate>, today: NaiveDate) -> NaiveDate {
    if newest == Some(today) { today + Days::new(1) } else { today }
}

/// Plans the next run, assuming that it delivers: archives have the ages that they will have then. Everything else is as
/// in `circumstances`.
pub fn plan_next_run(listing: &[Entry], naming: &Naming, policy: Policy, circumstances: Circumstances) -> Plan {
    let mut plan = retention::plan(listing, naming, policy, circumstances);
    let today = next_run_date(plan.reference, circumstances.today);
    let name = naming.file_name(today);
    let mut next_listing = listing.to_vec();
    next_listing.push(Entry { name, kind: Kind::File, size: Some(1), modified: None });
    let server_now = circumstances.server_now.map(|now| now + (today - circumstances.today));
    let circumstances = Circumstances { today, server_now, delivered: Some(today), ..circumstances };
    let next = retention::plan(&next_listing, naming, policy, circumstances);
    let next: HashMap<&str, &Decision> = next.decisions.iter().map(|it| (it.name.as_str(), it)).collect();
    let depends_on_age = |reason: &Reason| {
        matches!(reason, Reason::Kept { .. } | Reason::Expired { .. } | Reason::WrittenLater { .. })
            || matches!(
                reason,
                Reason::SetAside { .. } | Reason::ReplacedRecently | Reason::Replaced | Reason::Checksum
            )
    };
    for decision in &mut plan.decisions {
        let changes = match &decision.reason {
            Reason::HeldBack(reason) => depends_on_age(reason),
            reason => depends_on_age(reason),
        };
        if let Some(next) = next.get(decision.name.as_str()).filter(|_| changes) {
            decision.clone_from(next);
        }
    }
    plan
}

/// The gaps from the oldest of `archives` to yesterday.
fn gaps(archives: &[DatedArchive], policy: Policy, today: NaiveDate) -> Vec<Gap> {
    let (Some(oldest), Some(yesterday)) = (archives.first(), today.pred_opt()) else { return Vec::new() };
    let complete_since = history::complete_since(archives, policy);
    history::gaps(archives, oldest.date, yesterday)
        .into_iter()
        .map(|(first, last)| Gap { first, last, is_thinned: complete_since.is_some_and(|since| last < since) })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::rules::archive_name::ArchiveName;
    use crate::rules::retention::keeping::Remover;

    pub(crate) const POLICY: Policy = Policy {
        keep_days: 10,
        keep_at_least: 3,
        keep_daily: 0,
        keep_weekly: 0,
        keep_monthly: 0,
        keep_yearly: 0,
        remover: Remover::Run,
    };

    /// Shared because parsing a pattern is slow.
    pub(crate) static NAMING: LazyLock<Naming> = LazyLock::new(|| Naming {
        archive: ArchiveName::new("%Y%d%m").unwrap(),
        temporary_prefix: ".".to_owned(),
        id: "0a1b2c3d".to_owned(),
        is_encrypted: false,
    });
}
