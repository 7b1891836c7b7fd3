//! The job's time zone, resolved once: `TZ`, otherwise /etc/localtime, otherwise UTC.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use chrono::{
    FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset as _, TimeDelta, TimeZone, Utc,
};
use chrono_tz::Tz;
use tz::TimeZoneSettings;

use super::mistakes::{Refusal, did_you_mean, quoted, refuse};
use crate::disk::bounded_read;

const LOCALTIME: &str = "/etc/localtime";
const FIX: &str = "write a name such as \"Europe/Berlin\" or \"UTC\"";

/// Longest zone file that is read, in bytes; those of the IANA database have a few thousand.
const MAX_ZONE_BYTES: u64 = 1024 * 1024;

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
    /// The zone that `TZ` names: in the database of this machine (in `TZDIR` where that is set), as the path of a zone file,
    /// by rules (POSIX.1-2017, section 8.3), or in the database that is built in.
    pub(super) fn of(tz: Option<&OsStr>, tzdir: Option<&OsStr>) -> Result<JobZone, Refusal> {
        let Some(text) = tz.map(OsStr::to_string_lossy) else { return local() };
        let name = text.strip_prefix(':').unwrap_or(&text);
        match name {
            "" => return Ok(JobZone::BuiltIn(Tz::UTC)),
            "localtime" | LOCALTIME => return local(),
            _ => {}
        }
        let read = |path: &str| Ok(bounded_read::read(Path::new(path), MAX_ZONE_BYTES)?);
        let tzdir = tzdir.and_then(OsStr::to_str).filter(|folder| !folder.is_empty());
        let folders = tzdir.as_ref().map_or(TimeZoneSettings::DEFAULT_DIRECTORIES, std::slice::from_ref);
        if let Ok(zone) = TimeZoneSettings::new(folders, read).parse_posix_tz(&text) {
            return Ok(JobZone::Machine(Arc::new(zone)));
        }
        if name.starts_with('/') {
            return refuse(format!("{} is not a zone file", quoted(name)), FIX);
        }
        iana(name).map(JobZone::BuiltIn)
    }

    /// How far the zone's clocks are ahead of UTC.
    fn ahead(&self, utc: &NaiveDateTime) -> FixedOffset {
        let zone = match self {
            JobZone::Fixed(offset) => return *offset,
            JobZone::BuiltIn(zone) => return zone.offset_from_utc_datetime(utc).fix(),
            JobZone::Machine(zone) => zone.as_ref().as_ref(),
        };
        // Some files have no rules for the time after their last transition (RFC 9636, section 3.3): what it began goes on.
        let kind = zone.find_local_time_type(utc.and_utc().timestamp()).ok().or_else(|| {
            zone.transitions().last().and_then(|last| zone.local_time_types().get(last.local_time_type_index()))
        });
        kind.and_then(|kind| FixedOffset::east_opt(kind.ut_offset())).unwrap_or(Utc.fix())
    }
}

/// The zone of this machine.
fn local() -> Result<JobZone, Refusal> {
    let error = match bounded_read::read(Path::new(LOCALTIME), MAX_ZONE_BYTES) {
        Ok(bytes) => match tz::TimeZone::from_tz_data(&bytes) {
            Ok(zone) => return Ok(JobZone::Machine(Arc::new(zone))),
            Err(error) => error.to_string(),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // Where the machine has no database, the link still names the zone.
            let target = std::fs::read_link(LOCALTIME).unwrap_or_default();
            let name = target.to_str().and_then(|target| target.split_once("zoneinfo/"));
            return Ok(JobZone::BuiltIn(name.and_then(|(_, name)| name.parse().ok()).unwrap_or(Tz::UTC)));
        }
        Err(error) => error.to_string(),
    };
    let fix = format!("set TZ where the job is started, or link {LOCALTIME} to a zone");
    refuse(format!("is not set, and {LOCALTIME} is not a zone file ({error})"), fix)
}

/// The zone called `name` in the IANA database that is built in.
pub(super) fn iana(name: &str) -> Result<Tz, Refusal> {
    name.parse().map_err(|_| {
        let names: Vec<&str> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
        let fix = did_you_mean(name, &names).unwrap_or_else(|| FIX.to_owned());
        Refusal::new(format!("{} is not a zone of the IANA database", quoted(name)), fix)
    })
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
