//! Which archives stay, by which of the policy's rules: an archive stays where any of them keeps it.
//!
//! The rules of the calendar count as `restic forget` does with `--keep-daily` to `--keep-yearly` (restic's manual,
//! "Removing snapshots according to a policy"): days, weeks, months and years without an archive do not count, the newest
//! archive of each one that counts stays, and while there are fewer of them than a rule asks for, the oldest archive of
//! all stays for it too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{Datelike as _, Days, IsoWeek, NaiveDate};

use crate::rules::retention::Policy;

/// A stretch of the calendar of which one archive stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// A day.
    Day(NaiveDate),
    /// A week from Monday to Sunday; those around New Year belong to the year of their Thursday (ISO 8601).
    Week(IsoWeek),
    /// A month.
    Month {
        /// Its year.
        year: i32,
        /// From 1.
        month: u32,
    },
    /// A year.
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

/// What keeps an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// `keep_days`: it is not older than that.
    Age,
    /// `keep_at_least`: it is one of the newest.
    Floor,
    /// It is the newest of a slot that still counts.
    NewestOf(Slot),
    /// It is the oldest archive of all, in this slot, and its rule asks for more slots than there are.
    Oldest(Slot),
}

/// The rules of `policy` that keep an archive, by its date, in the order of the policy; for all of `dates` of which any
/// does.
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

/// What a rule keeps that has room for `count` slots.
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
