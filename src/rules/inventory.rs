//! What lies in the server's directory, in the operator's terms: archives by date, nights without one, leftovers, the rest.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Days, FixedOffset, NaiveDate, Utc};

use crate::rules::history::{self, Archived};
use crate::rules::naming::Naming;
use crate::rules::retention::reason::{Reason, RemovalHold};
use crate::rules::retention::{self, Action, Circumstances, Decision, Entry, Kind, Plan, Policy};

/// The directory on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// The day that everything is as of.
    pub today: NaiveDate,
    /// The day of the newest archive that counts; `None` where none does.
    pub reference: Option<NaiveDate>,
    /// The day of the next run: today, unless today's archive is there. What happens to archives is what happens once that
    /// run has delivered; their ages in its reasons count to that day.
    pub next_run: NaiveDate,
    /// The regular files with an archive's name, oldest first. Empty ones and those dated after today are among them.
    pub archives: Vec<Archive>,
    /// The stretches of nights without an archive that counts, oldest first: between two archives, and from the newest to
    /// yesterday.
    pub gaps: Vec<Gap>,
    /// What interrupted runs left behind, by name.
    pub leftovers: Vec<File>,
    /// The replaced archives that are still kept, oldest first. None of them counts.
    pub replaced: Vec<Archive>,
    /// The names of what is named like an archive or a leftover, but is no regular file.
    pub irregular: Vec<String>,
    /// The names of all else.
    pub foreign: Vec<String>,
    /// Why removal is held back, if it is.
    pub held_back: Option<RemovalHold>,
}

/// A file of ours, and what retention will do to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its size in bytes, where the server tells.
    pub size: Option<u64>,
    /// When it was last written, by the server's clock, where the server tells.
    pub modified: Option<DateTime<Utc>>,
    /// What happens to it.
    pub action: Action,
    /// Why.
    pub reason: Reason,
}

/// An archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// The date in its name.
    pub date: NaiveDate,
    /// Whether it is an archive to go by: it is not empty, and its date is not yet to come.
    pub counts: bool,
    /// The file.
    pub file: File,
}

/// Nights without an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The first of them.
    pub first: NaiveDate,
    /// The last of them.
    pub last: NaiveDate,
    /// Whether they lie where retention keeps only an archive of some nights: there, nothing may have gone wrong.
    pub is_thinned: bool,
}

impl Gap {
    /// How many nights they are; at least 1.
    pub fn nights(&self) -> i64 {
        (self.last - self.first).num_days() + 1
    }
}

impl Archive {
    /// Days from the date in its name to `today`; negative where that is yet to come.
    pub fn age_days(&self, today: NaiveDate) -> i64 {
        (today - self.date).num_days()
    }
}

impl Inventory {
    /// The inventory of `listing` at the time `now`, in the job's zone; `policy` decides which files are kept. The server's
    /// clock is taken to agree.
    pub fn of(listing: &[Entry], naming: &Naming, policy: Policy, now: DateTime<FixedOffset>) -> Inventory {
        let today = now.date_naive();
        let circumstances = Circumstances { server_now: Some(now.to_utc()), ..Circumstances::on(today) };
        let counting = history::archives(listing, naming, today);
        let plan = plan_of_next_run(listing, naming, policy, circumstances);
        let entries: HashMap<&str, &Entry> = listing.iter().map(|entry| (entry.name.as_str(), entry)).collect();
        let counting_names: BTreeSet<&str> = counting.iter().map(|archive| archive.name.as_str()).collect();
        let mut inventory = Inventory {
            today,
            reference: plan.reference,
            next_run: day_of_next_run(plan.reference, today),
            archives: Vec::new(),
            gaps: gaps(&counting, policy, today),
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
                reason => {
                    let counts = counting_names.contains(decision.name.as_str());
                    let file = File {
                        name: decision.name,
                        size: entry.and_then(|entry| entry.size),
                        modified: entry.and_then(|entry| entry.modified),
                        action: decision.action,
                        reason,
                    };
                    let replaced = naming.set_aside(&file.name).filter(|_| file.reason != Reason::AwaitsItsName);
                    match (date, replaced.map(|replaced| replaced.date)) {
                        (Some(date), _) => inventory.archives.push(Archive { date, counts, file }),
                        (None, Some(date)) => inventory.replaced.push(Archive { date, counts, file }),
                        (None, None) => inventory.leftovers.push(file),
                    }
                }
            }
        }
        for archives in [&mut inventory.archives, &mut inventory.replaced] {
            archives.sort_by(|one, other| (one.date, &one.file.name).cmp(&(other.date, &other.file.name)));
        }
        inventory
    }

    /// The newest archive that counts.
    pub fn newest(&self) -> Option<&Archive> {
        self.archives.iter().rev().find(|archive| archive.counts)
    }

    /// Nights without an archive where there should be one of every night.
    pub fn nights_without(&self) -> i64 {
        self.gaps.iter().filter(|gap| !gap.is_thinned).map(Gap::nights).sum()
    }
}

/// Today, unless `newest` is the day of an archive of today.
fn day_of_next_run(newest: Option<NaiveDate>, today: NaiveDate) -> NaiveDate {
    if newest == Some(today) { today + Days::new(1) } else { today }
}

/// The plan of the next run, if it delivers: archives are as old as they will be then, and so is what expires. All else is
/// as `circumstances` have it.
pub fn plan_of_next_run(listing: &[Entry], naming: &Naming, policy: Policy, circumstances: Circumstances) -> Plan {
    let mut plan = retention::plan(listing, naming, policy, circumstances);
    let today = day_of_next_run(plan.reference, circumstances.today);
    let name = naming.archive.file_name(today);
    let mut then = listing.to_vec();
    then.push(Entry { name, kind: Kind::File, size: Some(1), modified: None });
    let server_now = circumstances.server_now.map(|now| now + (today - circumstances.today));
    let circumstances = Circumstances { today, server_now, delivered: Some(today), ..circumstances };
    let then = retention::plan(&then, naming, policy, circumstances);
    let then: HashMap<&str, &Decision> = then.decisions.iter().map(|it| (it.name.as_str(), it)).collect();
    let ages = |reason: &Reason| {
        matches!(reason, Reason::Kept { .. } | Reason::Expired { .. } | Reason::WrittenLater { .. })
            || matches!(reason, Reason::SetAside { .. } | Reason::ReplacedLately | Reason::Replaced)
    };
    for decision in &mut plan.decisions {
        let is_archive = match &decision.reason {
            Reason::HeldBack(reason) => ages(reason),
            reason => ages(reason),
        };
        if let Some(then) = then.get(decision.name.as_str()).filter(|_| is_archive) {
            decision.clone_from(then);
        }
    }
    plan
}

/// The nights that none of `archives` is of, from the oldest of them to yesterday: tonight's is yet to come.
fn gaps(archives: &[Archived], policy: Policy, today: NaiveDate) -> Vec<Gap> {
    let (Some(oldest), Some(yesterday)) = (archives.first(), today.pred_opt()) else { return Vec::new() };
    let complete_since = history::complete_since(archives, policy);
    history::gaps(archives, oldest.date, yesterday)
        .into_iter()
        .map(|(first, last)| Gap { first, last, is_thinned: complete_since.is_some_and(|since| last < since) })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use chrono::NaiveTime;

    use super::*;
    use crate::rules::archive_name::ArchiveName;

    const TODAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();

    const POLICY: Policy =
        Policy { keep_days: 10, keep_at_least: 3, keep_daily: 0, keep_weekly: 0, keep_monthly: 0, keep_yearly: 0 };

    /// Judging a pattern takes a while.
    fn naming() -> &'static Naming {
        static NAMING: LazyLock<Naming> = LazyLock::new(|| Naming {
            archive: ArchiveName::new("%Y%d%m").unwrap(),
            temporary_prefix: ".".to_owned(),
            id: "0a1b2c3d".to_owned(),
        });
        &NAMING
    }

    fn entry(name: &str) -> Entry {
        Entry { name: name.to_owned(), kind: Kind::File, size: Some(1), modified: None }
    }

    fn archive(days_ago: i64) -> Entry {
        entry(&naming().archive.file_name(TODAY - chrono::TimeDelta::days(days_ago)))
    }

    fn inventory(listing: &[Entry], policy: Policy) -> Inventory {
        Inventory::of(listing, naming(), policy, TODAY.and_time(NaiveTime::MIN).and_utc().fixed_offset())
    }

    fn gaps_of(days_ago: &[i64], policy: Policy) -> Vec<(i64, i64, bool)> {
        let listing: Vec<Entry> = days_ago.iter().map(|days| archive(*days)).collect();
        let told = |gap: &Gap| ((TODAY - gap.first).num_days(), (TODAY - gap.last).num_days(), gap.is_thinned);
        inventory(&listing, policy).gaps.iter().map(told).collect()
    }

    #[test]
    fn everything_has_its_place() {
        let mut listing = vec![
            archive(0),
            archive(12),
            archive(-1),
            Entry { size: Some(0), ..archive(2) },
            Entry { kind: Kind::Directory, ..archive(3) },
            entry(".20261211.tgz.0a1b2c3d.part"),
            entry("20262311.tgz.old"),
            entry("notes.txt"),
        ];
        let inventory = inventory(&listing, POLICY);
        let archives: Vec<(&str, bool)> =
            inventory.archives.iter().map(|archive| (archive.file.name.as_str(), archive.counts)).collect();
        let expected =
            [("20261111.tgz", true), ("20262111.tgz", false), ("20262311.tgz", true), ("20262411.tgz", false)];
        assert_eq!(archives, expected);
        assert_eq!(inventory.newest().unwrap().file.name, "20262311.tgz");
        assert_eq!(inventory.leftovers[0].reason, Reason::UnfinishedUpload);
        assert_eq!((inventory.replaced.len(), inventory.replaced[0].date), (1, TODAY));
        assert_eq!(
            (inventory.irregular, inventory.foreign),
            (vec!["20262011.tgz".to_owned()], vec!["notes.txt".to_owned()])
        );
        assert_eq!(inventory.reference, Some(TODAY));
        listing.push(entry("20261123.tgz"));
        let held = self::inventory(&listing, POLICY);
        assert!(held.held_back.is_some());
        assert_eq!((held.archives[0].file.action, held.leftovers[0].action), (Action::Keep, Action::Remove));
    }

    #[test]
    fn nights_without_an_archive_are_told_but_for_the_one_to_come() {
        assert_eq!(gaps_of(&[0, 1, 5], POLICY), [(4, 2, false)]);
        assert_eq!(gaps_of(&[1], POLICY), []);
        assert_eq!(gaps_of(&[3], POLICY), [(2, 1, false)]);
        assert_eq!(gaps_of(&[-1], POLICY), []);
        assert_eq!(gaps_of(&[], POLICY), []);
    }

    #[test]
    fn where_retention_keeps_an_archive_of_some_nights_alone_nothing_is_missing() {
        let weekly = Policy { keep_weekly: 5, ..POLICY };
        assert_eq!(
            gaps_of(&[0, 3, 10, 17, 24], weekly),
            [(23, 18, true), (16, 11, true), (9, 4, false), (2, 1, false)]
        );
        let daily = Policy { keep_daily: 4, ..weekly };
        assert_eq!(gaps_of(&[0, 3, 10, 17, 24], daily)[1], (16, 11, false));
    }

    #[test]
    fn only_real_gaps_are_counted() {
        let listing = [archive(0), archive(3), archive(17)];
        assert_eq!(inventory(&listing, Policy { keep_weekly: 5, ..POLICY }).nights_without(), 2 + 13);
        let thinned = Policy { keep_days: 1, keep_at_least: 1, keep_weekly: 5, ..POLICY };
        assert_eq!(inventory(&listing, thinned).nights_without(), 2);
    }
}
