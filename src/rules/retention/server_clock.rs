//! The server's clock, which overrides the date in a name: a file that was written recently is not old.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

/// Modification times further ahead of the server's clock than this are ignored.
const LARGEST_LEAD: TimeDelta = TimeDelta::days(1);
/// A run may end on the day after its date, and the server counts days in UTC: only a file written at least this many
/// days after the date in its name contradicts it.
const FIRST_CONTRADICTION: i64 = 2;

/// The time by the SFTP server's clock, as well as it is known.
///
/// `delivered` is the server's modification time of the archive that this run wrote, if it wrote one and the server
/// reports times. Otherwise the result is the earlier of `ours`, this machine's clock, and the web server's, which is
/// `clock_difference` ahead of it.
pub fn server_now(
    delivered: Option<DateTime<Utc>>,
    ours: DateTime<Utc>,
    clock_difference: Option<TimeDelta>,
) -> DateTime<Utc> {
    let theirs = clock_difference.and_then(|difference| ours.checked_add_signed(difference));
    delivered.unwrap_or_else(|| theirs.map_or(ours, |theirs| theirs.min(ours)))
}

#[derive(Debug, Clone, Copy)]
pub(super) struct ServerClock {
    pub(super) now: Option<DateTime<Utc>>,
    /// Files written up to this many calendar days (UTC) ago are protected, whatever their names say.
    pub(super) keep_days: u32,
}

impl ServerClock {
    /// How many days ago the file was written, if that is within `keep_days` and contradicts `date`, the one in its name.
    pub(super) fn days_since_written(&self, modified: Option<DateTime<Utc>>, date: NaiveDate) -> Option<i64> {
        let (modified, now) = (modified?, self.now?);
        let written = modified.date_naive();
        let days = (now.date_naive() - written).num_days();
        let is_recent = modified.signed_duration_since(now) <= LARGEST_LEAD && days <= self.keep_days.into();
        let contradicts = (written - date).num_days() >= FIRST_CONTRADICTION;
        (is_recent && contradicts).then_some(days.max(0))
    }
}
