//! Finds the job's time zone: `TZ`, otherwise /etc/localtime, otherwise UTC.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use chrono_tz::Tz;
use tz::TimeZoneSettings;

use super::mistakes::{Refusal, quote, refuse};
use crate::disk::bounded_read::{self, ReadError};
use crate::rules::job_zone::JobZone;
use crate::rules::spelling::did_you_mean;

const LOCALTIME: &str = "/etc/localtime";
const FIX: &str = "write a name such as \"Europe/Berlin\" or \"UTC\"";

/// The zone files of the IANA database have a few thousand bytes.
const MAX_ZONE_BYTES: u64 = 1024 * 1024;

/// The zone of `TZ`: a name in the database of this machine (in `TZDIR` if set), the path of a zone file, rules
/// (POSIX.1-2017, section 8.3), or a name in the built-in database.
pub(super) fn resolve(tz: Option<&OsStr>, tzdir: Option<&OsStr>) -> Result<JobZone, Refusal> {
    let Some(text) = tz.map(OsStr::to_string_lossy) else { return machine_zone() };
    let name = text.strip_prefix(':').unwrap_or(&text);
    match name {
        "" => return Ok(JobZone::BuiltIn(Tz::UTC)),
        "localtime" | LOCALTIME => return machine_zone(),
        _ => {}
    }
    let read = |path: &str| Ok(bounded_read::read(Path::new(path), MAX_ZONE_BYTES)?);
    let tzdir = tzdir.and_then(OsStr::to_str).filter(|folder| !folder.is_empty());
    let folders = tzdir.as_ref().map_or(TimeZoneSettings::DEFAULT_DIRECTORIES, std::slice::from_ref);
    if let Ok(zone) = TimeZoneSettings::new(folders, read).parse_posix_tz(&text) {
        return Ok(JobZone::Machine(Arc::new(zone)));
    }
    if name.starts_with('/') {
        return refuse(format!("{} is not a zone file", quote(name)), FIX);
    }
    iana(name).map(JobZone::BuiltIn).map_err(|refusal| refusal.about(quote(name)))
}

fn machine_zone() -> Result<JobZone, Refusal> {
    let error = match bounded_read::read(Path::new(LOCALTIME), MAX_ZONE_BYTES) {
        Ok(bytes) => match tz::TimeZone::from_tz_data(&bytes) {
            Ok(zone) => return Ok(JobZone::Machine(Arc::new(zone))),
            Err(error) => error.to_string(),
        },
        Err(ReadError::Io(error)) if error.kind() == ErrorKind::NotFound => {
            // Even without a database on this machine, the link names the zone.
            let target = std::fs::read_link(LOCALTIME).unwrap_or_default();
            let name = target.to_str().and_then(|target| target.split_once("zoneinfo/"));
            return Ok(JobZone::BuiltIn(name.and_then(|(_, name)| name.parse().ok()).unwrap_or(Tz::UTC)));
        }
        Err(error) => error.to_string(),
    };
    let fix = format!("set TZ where the job is started, or link {LOCALTIME} to a zone");
    refuse(format!("is not set, and {LOCALTIME} is not a zone file ({error})"), fix)
}

/// The zone called `name` in the built-in IANA database.
pub(super) fn iana(name: &str) -> Result<Tz, Refusal> {
    name.parse().map_err(|_| {
        let names: Vec<&str> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
        let fix = did_you_mean(name, &names).unwrap_or_else(|| FIX.to_owned());
        Refusal::new("is not a zone of the IANA database", fix)
    })
}
