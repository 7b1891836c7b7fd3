//! The reasons to keep or remove a file, and to hold removal back.

use std::fmt;

use chrono::NaiveDate;

use crate::rules::alarm::Suspicion;
use crate::rules::retention::keeping::{Rule, Slot};

/// Why a file is kept or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Its name is not one of this job's.
    Foreign,
    /// Its name is one of this job's, but it is not a regular file.
    NotAFile,
    /// An archive dated after today.
    Future,
    Empty,
    /// An archive that the policy keeps.
    Kept {
        /// Days before the reference date.
        age: i64,
        /// Every rule that keeps it, in the policy's order. At least one.
        rules: Vec<Rule>,
    },
    /// An archive that the policy does not keep.
    Expired {
        /// Days before the reference date.
        age: i64,
    },
    /// The date in its name has expired, but by the server's clock it was written within `keep_days`: the folder was copied,
    /// or `archive.name` was changed and the name parses to another date.
    WrittenLater {
        /// Days since it was written.
        written: i64,
        /// Days from the date in its name to the run date.
        named: i64,
    },
    /// The checksum file of an archive. It is kept and removed with the archive.
    Checksum,
    /// A checksum file without an archive, which may still be uploaded.
    NewChecksum,
    /// A checksum file without an archive, written more than a day ago.
    UselessChecksum,
    /// An upload that an earlier run of this job did not finish.
    UnfinishedUpload,
    /// An upload of another job or machine, which may still be in progress.
    OtherUpload,
    /// An upload of another job or machine that has not been written to for more than a day.
    AbandonedUpload {
        /// Whole hours since it was last written, by the server's clock.
        hours: i64,
    },
    /// A replaced archive that is still kept.
    SetAside {
        /// It is kept until an archive of this date or a later one is delivered.
        until: NaiveDate,
    },
    /// A replaced archive: its replacement was written less than two days ago.
    ReplacedRecently,
    /// A replaced archive that is no longer needed: newer archives have been delivered since.
    Replaced,
    /// A set-aside archive without a replacement: it must be put back, not removed.
    UnfinishedReplacement,
    /// It would be removed, but removal is held back.
    HeldBack(Box<Reason>),
    /// It would be removed, but only `prune` removes files.
    LeftToPrune(Box<Reason>),
}

impl Reason {
    /// Whether `keep_days` keeps this archive.
    pub fn is_recent(&self) -> bool {
        matches!(self, Reason::Kept { rules, .. } if rules.contains(&Rule::Age))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Foreign => f.write_str("not one of this configuration's archives"),
            Reason::NotAFile => f.write_str("named like an archive, but not a regular file"),
            Reason::Future => f.write_str("dated after today"),
            Reason::Empty => f.write_str("empty"),
            Reason::Kept { age, rules } => write_kept(f, *age, rules),
            Reason::Expired { age } => write!(f, "expired, {} old", days(*age)),
            Reason::WrittenLater { written, named } => {
                write!(f, "written {} ago, though its name says {named}", days(*written))
            }
            Reason::Checksum => f.write_str("the checksum file of an archive"),
            Reason::NewChecksum => f.write_str("a checksum file whose archive may still be uploaded"),
            Reason::UselessChecksum => f.write_str("a checksum file without an archive"),
            Reason::UnfinishedUpload => f.write_str("an unfinished upload of an earlier run"),
            Reason::OtherUpload => f.write_str("an upload of another job or machine, maybe still under way"),
            Reason::AbandonedUpload { hours } => {
                write!(f, "an upload of another job or machine, last written {hours} hours ago")
            }
            Reason::SetAside { until } => {
                write!(f, "set aside until the archive of {until} or a later one is delivered")
            }
            Reason::ReplacedRecently => f.write_str("set aside less than two days ago"),
            Reason::Replaced => f.write_str("replaced, and archives of later dates have been delivered since"),
            Reason::UnfinishedReplacement => f.write_str("to be put back: its successor never came"),
            Reason::HeldBack(reason) => write!(f, "{reason}; removal is held back"),
            Reason::LeftToPrune(reason) => write!(f, "{reason}; left to \"prune\""),
        }
    }
}

/// "2 days old; weekly 2026-W47". Mentions the minimum only if the age alone would not keep the archive.
fn write_kept(f: &mut fmt::Formatter<'_>, age: i64, rules: &[Rule]) -> fmt::Result {
    write!(f, "{} old", days(age))?;
    let mut separator = if rules.contains(&Rule::Age) {
        "; "
    } else if rules.contains(&Rule::Minimum) {
        f.write_str(", but one of the newest that always stay")?;
        "; "
    } else {
        ", kept as "
    };
    for rule in rules {
        let (oldest, slot): (&str, &Slot) = match rule {
            Rule::Age | Rule::Minimum => continue,
            Rule::NewestOf(slot) => ("", slot),
            Rule::Oldest(slot) => ("oldest ", slot),
        };
        write!(f, "{separator}{oldest}{slot}")?;
        separator = ", ";
    }
    Ok(())
}

fn days(count: i64) -> String {
    if count == 1 { "1 day".to_owned() } else { format!("{count} days") }
}

/// Why a run removes no archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemovalHold {
    /// The new archive has an unusual size: older ones may be the last good ones.
    UnusualSize(Suspicion),
    /// The server failed to sync the new archive to its disk: older ones may be the last good ones.
    NotSynced,
    /// One of the last seven archives was made by another job.
    OtherJob {
        /// The name of one.
        example: String,
    },
    /// The clock of the web server, or without one that of the SFTP server, and this machine's differ.
    ClockDiffers {
        /// Absolute, in whole hours.
        hours: i64,
    },
    /// `archive.name` was changed while the folder held archives named by the old pattern.
    DayAndMonthSwapped {
        /// The name of one.
        example: String,
    },
}

impl fmt::Display for RemovalHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RemovalHold::UnusualSize(suspicion) => suspicion.fmt(f),
            RemovalHold::NotSynced => f.write_str(
                "the SFTP server failed to sync the new archive to its disk; check that disk and its free space",
            ),
            RemovalHold::OtherJob { example } => write!(
                f,
                "{example:?} was made from another source.url or source.dump; if another job delivers to this folder, give \
                 one of them another archive.name or sftp.directory; if these keys were changed, this ends once the last \
                 seven archives are this job's"
            ),
            RemovalHold::ClockDiffers { hours } => write!(
                f,
                "the clocks of a server and of this machine differ by {hours} hours; set the one that is wrong"
            ),
            RemovalHold::DayAndMonthSwapped { example } => write!(
                f,
                "{example:?} fits archive.name only with day and month swapped, so the pattern seems to have been \
                 changed over a folder of older names; set it back, rename those files, or move them away"
            ),
        }
    }
}
