//! The server's clock: a recently written file is kept even if the date in its name is old.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

/// Modification times further ahead of the server's clock than this are ignored.
const MAX_LEAD: TimeDelta = TimeDelta::days(1);
/// A file contradicts the date in its name only if it was written at least this many days later: a run may end on the day
/// after its date, and days are in UTC.
const MIN_CONTRADICTION: i64 = 2;

/// The best estimate of the time by the SFTP server's clock.
///
/// That is `delivered`, the server's modification time of the archive that this run wrote, if known. Otherwise it is the
/// earlier of `local`, this machine's time, and the web server's time, which is `clock_difference` ahead.
pub fn server_now(
    delivered: Option<DateTime<Utc>>,
    local: DateTime<Utc>,
    clock_difference: Option<TimeDelta>,
) -> DateTime<Utc> {
    let web = clock_difference.and_then(|difference| local.checked_add_signed(difference));
    delivered.unwrap_or_else(|| web.map_or(local, |web| web.min(local)))
}

#[derive(Debug, Clone, Copy)]
pub(super) struct ServerClock {
    pub(super) now: Option<DateTime<Utc>>,
    /// Files written up to this many calendar days (UTC) ago are protected.
    pub(super) keep_days: u32,
}

impl ServerClock {
    /// The days since the file was written, if that is within `keep_days` and contradicts `date`, the one in its name.
    pub(super) fn days_since_written(&self, modified: Option<DateTime<Utc>>, date: NaiveDate) -> Option<i64> {
        let (modified, now) = (modified?, self.now?);
        let written = modified.date_naive();
        let days = (now.date_naive() - written).num_days();
        let is_recent = modified.signed_duration_since(now) <= MAX_LEAD && days <= self.keep_days.into();
        let contradicts = (written - date).num_days() >= MIN_CONTRADICTION;
        (is_recent && contradicts).then_some(days.max(0))
    }
}
