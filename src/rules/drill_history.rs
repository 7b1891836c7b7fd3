//! The last drills of a job, and how reports show them.

use chrono::{DateTime, FixedOffset, TimeDelta};
use serde::{Deserialize, Serialize};

use crate::rules::units;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillHistory {
    /// The last drill that passed.
    pub passed: Option<PassedDrill>,
    /// When the last drill failed, in Unix time, if none has passed since.
    pub failed: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedDrill {
    /// Unix time.
    pub time: i64,
    /// The archive's name.
    pub archive: String,
    /// Such as "PostgreSQL 15.14".
    pub server: String,
    pub tables: u64,
    pub rows: u64,
}

impl DrillHistory {
    /// The age of the last drill that passed. `None` also if it is in the future: a wrong clock must not silence an alarm.
    pub fn age(&self, now: DateTime<FixedOffset>) -> Option<TimeDelta> {
        since(self.passed.as_ref()?.time, now).filter(|age| *age >= TimeDelta::zero())
    }

    /// "last passed 3 days ago (20262311.tgz)".
    pub fn text(&self, now: DateTime<FixedOffset>) -> String {
        let ago = |age: TimeDelta| match age.num_days() {
            ..2 => format!("{} ago", units::age(age)),
            days => format!("{days} days ago"),
        };
        let passed = self.passed.as_ref().zip(self.age(now));
        let passed = passed.map(|(passed, age)| format!("last passed {} ({})", ago(age), passed.archive));
        let failed = self.failed.and_then(|time| since(time, now)).map(|age| format!("; failed {}", ago(age)));
        passed.unwrap_or_else(|| "never passed".to_owned()) + &failed.unwrap_or_default()
    }
}

fn since(time: i64, now: DateTime<FixedOffset>) -> Option<TimeDelta> {
    DateTime::from_timestamp(time, 0).map(|time| now.signed_duration_since(time))
}
