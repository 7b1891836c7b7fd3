//! Whether a dump is fresh: was it modified on the day that the run is for?

use std::fmt;

use chrono::{DateTime, Days, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// A dump of an earlier date that is not older than this was probably made for this run, before midnight.
const SAME_NIGHT: TimeDelta = TimeDelta::hours(12);

/// When a ZIP says that an entry was modified, in the best of the forms that it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DumpTime {
    /// An instant: the extended timestamp or the NTFS time.
    Instant(DateTime<Utc>),
    /// The DOS time: a clock on a wall in an unnamed zone, in steps of two seconds.
    WallClock(NaiveDateTime),
    /// None, or none that exists.
    Missing,
}

/// Whether a dump is shipped tonight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Modified on the day that counts.
    Fresh,
    /// Not, and why.
    Stale(Staleness),
}

/// Why a dump is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Staleness {
    /// Modified on an earlier day.
    Old {
        /// That day.
        modified: NaiveDate,
        /// How many days before today it was.
        days: i64,
    },
    /// Modified on a day after the date of the run.
    Future {
        /// That day.
        modified: NaiveDate,
    },
    /// The ZIP does not say when it was modified, or names a time that does not exist.
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

/// A dump's modification time and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// When the dump was modified, in the job's zone.
    pub modified: Option<DateTime<FixedOffset>>,
    /// Whether it is shipped.
    pub freshness: Freshness,
}

impl Judgement {
    /// What the operator can do about a stale dump whose ZIP gives `time`. The run for `today` compares dates at `now`,
    /// in the job's zone.
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
                 --date sends the one that is there"
            ),
            (Freshness::Stale(Staleness::Future { .. }), _, DumpTime::WallClock(naive)) => {
                let zone = source_zone.map_or_else(
                    || format!("the job's zone ({})", now.format("%:z")),
                    |zone| format!("{zone} (source.timezone)"),
                );
                format!(
                    "The ZIP says {naive} without a zone, which was read in {zone}. Put the zone of the machine that \
                     makes the ZIP into source.timezone; if it is the right one, check that machine's clock"
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
            _ => "Look at what dumps the database".to_owned(),
        }
    }
}

/// Judges a dump modified at `time` on a run whose date is `today`. A wall clock's time is read in `source_zone`,
/// or in the job's where that is `None`; the instant's date in `job_zone` is what counts, up to `max_age_days`
/// before today.
///
/// Info-ZIP rounds a DOS time *up* to the next even second, so 23:59:59 reads as tomorrow's midnight: a wall clock
/// at that very instant counts as today.
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

/// The instant at which the clocks of `zone` show `naive`: the first of two where they are set back. Where they are
/// set forward over it, the offset from before the jump is used, as elsewhere: 02:30 is half an hour after 02:00.
fn instant_of<Z: TimeZone>(zone: &Z, naive: NaiveDateTime) -> Option<DateTime<Utc>> {
    if let Some(found) = zone.from_local_datetime(&naive).earliest() {
        return Some(found.with_timezone(&Utc));
    }
    let day_before = zone.from_local_datetime(&(naive - TimeDelta::days(1))).earliest()?;
    Some((naive - day_before.offset().fix()).and_utc())
}

#[cfg(test)]
mod tests {
    use chrono_tz::Europe::Paris;
    use chrono_tz::{Africa, America, Asia};
    use proptest::prelude::*;

    use super::*;

    const TODAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();

    fn wall_clock(text: &str) -> DumpTime {
        DumpTime::WallClock(text.parse().unwrap())
    }

    fn instant(text: &str) -> DumpTime {
        DumpTime::Instant(text.parse().unwrap())
    }

    fn in_paris(time: DumpTime) -> Freshness {
        judge(time, None, &Paris, TODAY, 0).freshness
    }

    #[test]
    fn the_date_in_the_jobs_zone_counts() {
        assert_eq!(in_paris(instant("2026-11-22T23:00:00Z")), Freshness::Fresh);
        assert_eq!(
            in_paris(instant("2026-11-22T22:59:59Z")),
            Freshness::Stale(Staleness::Old { modified: TODAY.pred_opt().unwrap(), days: 1 })
        );
        assert_eq!(
            in_paris(instant("2026-11-23T23:00:00Z")),
            Freshness::Stale(Staleness::Future { modified: TODAY.succ_opt().unwrap() })
        );
    }

    #[test]
    fn a_wall_clock_is_read_in_the_zone_of_whoever_wrote_it() {
        let early_morning_in_tokyo = wall_clock("2026-11-24T06:00:00");
        assert_eq!(judge(early_morning_in_tokyo, Some(Asia::Tokyo), &Paris, TODAY, 0).freshness, Freshness::Fresh);
        assert!(matches!(in_paris(early_morning_in_tokyo), Freshness::Stale(Staleness::Future { .. })));
    }

    #[test]
    fn only_a_wall_clock_at_tomorrows_midnight_counts_as_today() {
        assert_eq!(in_paris(wall_clock("2026-11-24T00:00:00")), Freshness::Fresh);
        assert!(matches!(in_paris(wall_clock("2026-11-24T00:00:02")), Freshness::Stale(_)));
        assert!(matches!(in_paris(instant("2026-11-23T23:00:00Z")), Freshness::Stale(_)));
    }

    #[test]
    fn a_day_that_begins_an_hour_late_has_its_midnight_too() {
        // Cairo's clocks jumped from 00:00 to 01:00 on 2024-04-26.
        let today = NaiveDate::from_ymd_opt(2024, 4, 25).unwrap();
        let judged = judge(wall_clock("2024-04-26T00:00:00"), None, &Africa::Cairo, today, 0);
        assert_eq!(judged.freshness, Freshness::Fresh);
    }

    #[test]
    fn a_time_that_the_clocks_skip_or_repeat_is_still_a_time() {
        let spring = NaiveDate::from_ymd_opt(2026, 3, 29).unwrap();
        let skipped = judge(wall_clock("2026-03-29T02:30:00"), None, &Paris, spring, 0);
        assert_eq!(skipped.modified.unwrap().to_rfc3339(), "2026-03-29T03:30:00+02:00");
        let autumn = NaiveDate::from_ymd_opt(2026, 11, 1).unwrap();
        let repeated = judge(wall_clock("2026-11-01T01:30:00"), None, &America::New_York, autumn, 0);
        assert_eq!(repeated.modified.unwrap().to_rfc3339(), "2026-11-01T01:30:00-04:00");
        assert_eq!(repeated.freshness, Freshness::Fresh);
    }

    #[test]
    fn some_days_of_age_can_be_allowed() {
        let yesterday = instant("2026-11-22T12:00:00Z");
        assert_eq!(judge(yesterday, None, &Utc, TODAY, 1).freshness, Freshness::Fresh);
        assert!(matches!(judge(yesterday, None, &Utc, TODAY, 0).freshness, Freshness::Stale(_)));
    }

    #[test]
    fn a_missing_time_is_stale_and_says_so() {
        assert_eq!(in_paris(DumpTime::Missing), Freshness::Stale(Staleness::Unknown));
    }

    proptest! {
        #[test]
        fn a_dump_is_fresh_on_exactly_one_day(seconds in 0_i64..4_000_000_000) {
            let time = DumpTime::Instant(DateTime::from_timestamp(seconds, 0).unwrap());
            let date = judge(time, None, &Paris, TODAY, 0).modified.unwrap().date_naive();
            let fresh_days = [date.pred_opt().unwrap(), date, date.succ_opt().unwrap()]
                .into_iter()
                .filter(|day| judge(time, None, &Paris, *day, 0).freshness == Freshness::Fresh)
                .count();
            prop_assert_eq!(fresh_days, 1);
        }
    }
}
