//! The rules of the policy. An archive is kept if any rule keeps it.
//!
//! The calendar rules work like `--keep-daily` to `--keep-yearly` of `restic forget` (restic's manual, "Removing snapshots
//! according to a policy"): days, weeks, months and years without an archive do not count; the newest archive of each
//! that counts is kept; a rule with fewer of them than its limit also keeps the oldest archive.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{Datelike as _, Days, IsoWeek, NaiveDate};

/// The command that removes what the policy does not keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remover {
    Run,
    Prune,
}

/// How much history is kept, and who removes the rest. 0 disables a calendar rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Keeps archives up to this many days older than the reference day. At least 1.
    pub keep_days: u32,
    /// Keeps this many of the newest archives, however old they are. At least 1.
    pub keep_at_least: u32,
    /// Keeps the newest archive of each of the last N days that have one.
    pub keep_daily: u32,
    /// The same for weeks (ISO 8601).
    pub keep_weekly: u32,
    pub keep_monthly: u32,
    pub keep_yearly: u32,
    pub remover: Remover,
}

/// A calendar period of which one archive is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    Day(NaiveDate),
    /// Monday to Sunday; a week around New Year belongs to the year of its Thursday (ISO 8601).
    Week(IsoWeek),
    Month {
        year: i32,
        /// From 1.
        month: u32,
    },
    Year(i32),
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Slot::Day(date) => write!(f, "daily {date}"),
            Slot::Week(week) => write!(f, "weekly {}-W{:02}", week.year(), week.week()),
            Slot::Month { year, month } => write!(f, "monthly {year}-{month:02}"),
            Slot::Year(year) => write!(f, "yearly {year}"),
        }
    }
}

type SlotOf = fn(NaiveDate) -> Slot;

/// A rule that keeps an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// `keep_days`.
    Age,
    /// `keep_at_least`.
    Minimum,
    /// A calendar rule: the archive is the newest of the slot.
    NewestOf(Slot),
    /// A calendar rule that has fewer slots than its limit: the archive is the oldest of all.
    Oldest(Slot),
}

/// The rules of `policy` that keep the archive of each date, in the policy's order. Dates that no rule keeps are omitted.
pub(super) fn rules(policy: Policy, dates: &BTreeSet<NaiveDate>) -> BTreeMap<NaiveDate, Vec<Rule>> {
    let slots: [(u32, SlotOf); 4] = [
        (policy.keep_daily, Slot::Day),
        (policy.keep_weekly, |date| Slot::Week(date.iso_week())),
        (policy.keep_monthly, |date| Slot::Month { year: date.year(), month: date.month() }),
        (policy.keep_yearly, |date| Slot::Year(date.year())),
    ];
    let mut rules = by_age(dates, policy.keep_days);
    rules.extend(dates.iter().rev().take(policy.keep_at_least as usize).map(|date| (*date, Rule::Minimum)));
    for (count, slot_of) in slots {
        rules.extend(by_slot(dates, count as usize, slot_of));
    }
    let mut by_date: BTreeMap<NaiveDate, Vec<Rule>> = BTreeMap::new();
    for (date, rule) in rules {
        by_date.entry(date).or_default().push(rule);
    }
    by_date
}

fn by_age(dates: &BTreeSet<NaiveDate>, keep_days: u32) -> Vec<(NaiveDate, Rule)> {
    let Some(reference) = dates.last() else { return Vec::new() };
    let oldest_kept = reference.checked_sub_days(Days::new(keep_days.into())).unwrap_or(NaiveDate::MIN);
    dates.range(oldest_kept..).map(|date| (*date, Rule::Age)).collect()
}

fn by_slot(dates: &BTreeSet<NaiveDate>, count: usize, slot_of: SlotOf) -> Vec<(NaiveDate, Rule)> {
    let mut newest: Vec<(NaiveDate, Slot)> = dates.iter().rev().map(|date| (*date, slot_of(*date))).collect();
    let oldest = newest.last().copied();
    newest.dedup_by_key(|(_, slot)| *slot);
    let is_below_limit = newest.len() < count;
    let oldest = oldest.filter(|oldest| is_below_limit && newest.last() != Some(oldest));
    newest.truncate(count);
    let newest = newest.into_iter().map(|(date, slot)| (date, Rule::NewestOf(slot)));
    newest.chain(oldest.map(|(date, slot)| (date, Rule::Oldest(slot)))).collect()
}
