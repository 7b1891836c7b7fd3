//! The job's time zone, and the offsets that it has.

use std::sync::Arc;

use chrono::{
    FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset as _, TimeDelta, TimeZone, Utc,
};
use chrono_tz::Tz;

/// The time zone in which the job's dates and times are.
#[derive(Debug, Clone)]
pub enum JobZone {
    /// From a zone file of this machine, or from rules as POSIX writes them.
    Machine(Arc<tz::TimeZone>),
    /// From the IANA database that is built in.
    BuiltIn(Tz),
    /// The same at any time: what chrono makes of one moment's offset.
    Fixed(FixedOffset),
}

impl JobZone {
    /// How far the zone's clocks are ahead of UTC.
    fn ahead(&self, utc: &NaiveDateTime) -> FixedOffset {
        let zone = match self {
            JobZone::Fixed(offset) => return *offset,
            JobZone::BuiltIn(zone) => return zone.offset_from_utc_datetime(utc).fix(),
            JobZone::Machine(zone) => zone.as_ref().as_ref(),
        };
        // Some files have no rules for the time after their last transition (RFC 9636, section 3.3): its offset continues.
        let kind = zone.find_local_time_type(utc.and_utc().timestamp()).ok().or_else(|| {
            zone.transitions().last().and_then(|last| zone.local_time_types().get(last.local_time_type_index()))
        });
        kind.and_then(|kind| FixedOffset::east_opt(kind.ut_offset())).unwrap_or(Utc.fix())
    }
}

impl TimeZone for JobZone {
    type Offset = FixedOffset;

    fn from_offset(offset: &FixedOffset) -> JobZone {
        JobZone::Fixed(*offset)
    }

    fn offset_from_local_date(&self, local: &NaiveDate) -> MappedLocalTime<FixedOffset> {
        self.offset_from_local_datetime(&local.and_time(NaiveTime::MIN))
    }

    /// The offsets of the days before and after are the only two possible: no zone changes twice in that time.
    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> MappedLocalTime<FixedOffset> {
        let candidate = |days| {
            let ahead = self.ahead(&local.checked_add_signed(TimeDelta::days(days))?);
            (self.ahead(&local.checked_sub_offset(ahead)?) == ahead).then_some(ahead)
        };
        match (candidate(-1), candidate(1)) {
            (Some(before), Some(after)) if before != after => MappedLocalTime::Ambiguous(before, after),
            (Some(offset), _) | (None, Some(offset)) => MappedLocalTime::Single(offset),
            (None, None) => MappedLocalTime::None,
        }
    }

    fn offset_from_utc_date(&self, utc: &NaiveDate) -> FixedOffset {
        self.ahead(&utc.and_time(NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> FixedOffset {
        self.ahead(utc)
    }
}
