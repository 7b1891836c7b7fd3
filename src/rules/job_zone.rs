//! The job's time zone and its offsets from UTC.

use std::sync::Arc;

use chrono::{
    FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset as _, TimeDelta, TimeZone, Utc,
};
use chrono_tz::Tz;

#[derive(Debug, Clone)]
pub enum JobZone {
    /// From a zone file of this machine, or a POSIX TZ string.
    Machine(Arc<tz::TimeZone>),
    /// From the built-in IANA database.
    BuiltIn(Tz),
    /// Only for [`TimeZone::from_offset`].
    Fixed(FixedOffset),
}

impl JobZone {
    fn offset_at(&self, utc: &NaiveDateTime) -> FixedOffset {
        let zone = match self {
            JobZone::Fixed(offset) => return *offset,
            JobZone::BuiltIn(zone) => return zone.offset_from_utc_datetime(utc).fix(),
            JobZone::Machine(zone) => zone.as_ref().as_ref(),
        };
        // A file without rules for the time after its last transition (RFC 9636, section 3.3) keeps that offset.
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

    /// Only the offsets a day earlier and a day later are possible: no zone changes twice within that time.
    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> MappedLocalTime<FixedOffset> {
        let candidate = |days| {
            let offset = self.offset_at(&local.checked_add_signed(TimeDelta::days(days))?);
            (self.offset_at(&local.checked_sub_offset(offset)?) == offset).then_some(offset)
        };
        match (candidate(-1), candidate(1)) {
            (Some(before), Some(after)) if before != after => MappedLocalTime::Ambiguous(before, after),
            (Some(offset), _) | (None, Some(offset)) => MappedLocalTime::Single(offset),
            (None, None) => MappedLocalTime::None,
        }
    }

    fn offset_from_utc_date(&self, utc: &NaiveDate) -> FixedOffset {
        self.offset_at(&utc.and_time(NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> FixedOffset {
        self.offset_at(utc)
    }
}
