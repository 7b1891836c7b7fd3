//! Which archives are kept, and by which rules of the policy: one rule is enough.
//!
//! The calendar rules count as `restic forget` does with `--keep-daily` to `--keep-yearly` (restic's manual, "Removing
//! snapshots according to a policy"): days, weeks, months and years without an archive do not count; of each that counts,
//! the newest archive is kept; and while there are fewer than a rule asks for, it keeps the oldest archive of all too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{Datelike as _, Days, IsoWeek, NaiveDate};

/// How much history is kept. The calendar rules are off at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Keeps archives up to this many days older than the reference day. At least 1.
    pub keep_days: u32,
    /// Keeps this many of the newest archives, however old they are. At least 1.
    pub keep_at_least: u32,
    /// Keeps the newest archive of each of the last N days that have one.
    pub keep_daily: u32,
    /// … of each of the last N weeks (ISO 8601) that have one.
    pub keep_weekly: u32,
    /// … of each of the last N months that have one.
    pub keep_monthly: u32,
    /// … of each of the last N years that have one.
    pub keep_yearly: u32,
}

/// A part of the calendar of which one archive is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    Day(NaiveDate),
    /// From Monday to Sunday; a week around New Year belongs to the year of its Thursday (ISO 8601).
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

/// Why an archive is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// `keep_days`.
    Age,
    /// `keep_at_least`.
    Floor,
    /// It is the newest of a slot that counts.
    NewestOf(Slot),
    /// It is the oldest archive of all, in this slot, and its rule asks for more slots than there are.
    Oldest(Slot),
}

/// The rules of `policy` that keep the archive of each date, in the policy's order. Dates without a rule are missing.
pub(super) fn rules(policy: Policy, dates: &BTreeSet<NaiveDate>) -> BTreeMap<NaiveDate, Vec<Rule>> {
    let slots: [(u32, SlotOf); 4] = [
        (policy.keep_daily, Slot::Day),
        (policy.keep_weekly, |date| Slot::Week(date.iso_week())),
        (policy.keep_monthly, |date| Slot::Month { year: date.year(), month: date.month() }),
        (policy.keep_yearly, |date| Slot::Year(date.year())),
    ];
    let mut rules = by_age(dates, policy.keep_days);
    rules.extend(dates.iter().rev().take(policy.keep_at_least as usize).map(|date| (*date, Rule::Floor)));
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
    let has_room = newest.len() < count;
    let oldest = oldest.filter(|oldest| has_room && newest.last() != Some(oldest));
    newest.truncate(count);
    let newest = newest.into_iter().map(|(date, slot)| (date, Rule::NewestOf(slot)));
    newest.chain(oldest.map(|(date, slot)| (date, Rule::Oldest(slot)))).collect()
}
