//! Decides whether a dump is fresh: last modified on the date of the run.

use std::fmt;

use chrono::{DateTime, Days, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// A dump of an earlier date that is younger than this was probably made for this run before midnight.
const SAME_NIGHT: TimeDelta = TimeDelta::hours(12);

/// An entry's modification time, from the most precise field of the ZIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DumpTime {
    /// The extended timestamp or the NTFS time.
    Instant(DateTime<Utc>),
    /// The DOS time: local time in an unknown zone, in steps of two seconds.
    WallClock(NaiveDateTime),
    /// None, or an impossible one.
    Missing,
}

/// Only a fresh dump is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    Fresh,
    Stale(Staleness),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Staleness {
    /// Modified on an earlier day.
    Old {
        modified: NaiveDate,
        /// Days before the date of the run.
        days: i64,
    },
    /// Modified on a day after the date of the run.
    Future { modified: NaiveDate },
    /// The ZIP has no modification time for it, or an impossible one.
    Unknown,
}

impl fmt::Display for Staleness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Staleness::Old { modified, days: 1 } => write!(f, "it was last modified on {modified}, 1 day ago"),
            Staleness::Old { modified, days } => write!(f, "it was last modified on {modified}, {days} days ago"),
            Staleness::Future { modified } => write!(f, "it was modified on {modified}, after the date of the run"),
            Staleness::Unknown => f.write_str("the ZIP gives no modification time for it, or an impossible one"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// In the job's zone.
    pub modified: Option<DateTime<FixedOffset>>,
    pub freshness: Freshness,
}

impl Judgement {
    /// Advice to the operator about a stale dump. `time` is the ZIP's, `today` the date of the run, `now` the current time in
    /// the job's zone.
    pub fn advice(
        &self,
        time: DumpTime,
        source_zone: Option<Tz>,
        today: NaiveDate,
        now: DateTime<FixedOffset>,
    ) -> String {
        match (self.freshness, self.modified, time) {
            (Freshness::Stale(Staleness::Future { modified: date }), Some(modified), _) if modified <= now => format!(
                "The web server now has the dump of {date}: the one of {today} can no longer be sent. A run without \
                 --date sends the current dump"
            ),
            (Freshness::Stale(Staleness::Future { .. }), _, DumpTime::WallClock(naive)) => {
                let zone = source_zone.map_or_else(
                    || format!("the job's zone ({})", now.format("%:z")),
                    |zone| format!("{zone} (source.timezone)"),
                );
                format!(
                    "The ZIP says {naive} without a zone, which was read in {zone}. Put the zone of the machine that \
                     makes the ZIP into source.timezone; if that is the zone already, check that machine's clock"
                )
            }
            (Freshness::Stale(Staleness::Future { .. }), ..) => {
                "Check the clocks of this machine and of the one that makes the ZIP".to_owned()
            }
            (Freshness::Stale(Staleness::Old { days, .. }), Some(modified), _) if now - modified < SAME_NIGHT => {
                format!(
                    "It was made at {}. If dumps are made before midnight and sent after it, set source.max_age_days to {days}",
                    modified.format("%F %T %:z")
                )
            }
            _ => "Check the program that dumps the database".to_owned(),
        }
    }
}

/// Judges a dump modified at `time` for the run of `today`. Reads a wall clock's time in `source_zone`, or in `job_zone` if
/// that is `None`. The dump is fresh if its date in `job_zone` is `today` or up to `max_age_days` earlier.
///
/// Info-ZIP rounds a DOS time *up* to the next even second, so that 23:59:59 reads as the next midnight: a wall clock at
/// exactly that time counts as `today`.
pub fn judge<J: TimeZone>(
    time: DumpTime,
    source_zone: Option<Tz>,
    job_zone: &J,
    today: NaiveDate,
    max_age_days: u32,
) -> Judgement {
    let instant = match time {
        DumpTime::Instant(instant) => Some(instant),
        DumpTime::WallClock(naive) => match source_zone {
            Some(zone) => instant_of(&zone, naive),
            None => instant_of(job_zone, naive),
        },
        DumpTime::Missing => None,
    };
    let Some(instant) = instant else {
        return Judgement { modified: None, freshness: Freshness::Stale(Staleness::Unknown) };
    };
    let local = instant.with_timezone(job_zone);
    let modified = local.with_timezone(&local.offset().fix());
    let rounded_up_from_today = matches!(time, DumpTime::WallClock(_))
        && today
            .checked_add_days(Days::new(1))
            .and_then(|tomorrow| instant_of(job_zone, tomorrow.and_time(NaiveTime::MIN)))
            .is_some_and(|midnight| midnight == instant);
    let date = if rounded_up_from_today { today } else { modified.date_naive() };
    let days = (today - date).num_days();
    let freshness = if days < 0 {
        Freshness::Stale(Staleness::Future { modified: date })
    } else if days <= i64::from(max_age_days) {
        Freshness::Fresh
    } else {
        Freshness::Stale(Staleness::Old { modified: date, days })
    };
    Judgement { modified: Some(modified), freshness }
}

/// The time at which the clocks of `zone` show `naive`: the first one if they are set back. If they skip it, the offset before
/// the jump is used: 02:30 is half an hour after 02:00.
fn instant_of<Z: TimeZone>(zone: &Z, naive: NaiveDateTime) -> Option<DateTime<Utc>> {
    if let Some(instant) = zone.from_local_datetime(&naive).earliest() {
        return Some(instant.with_timezone(&Utc));
    }
    let day_before = zone.from_local_datetime(&(naive - TimeDelta::days(1))).earliest()?;
    Some((naive - day_before.offset().fix()).and_utc())
}
