//! `list --json`: the listing as one JSON document. Field names are stable; their comments are the descriptions in the schema.

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::list::table::Listing;
use crate::rules::inventory::{Inventory, PlannedFile};
use crate::rules::retention;

/// The output of `list --json`: the contents of the server's directory. Fields may be added; those here keep their names and
/// meanings as long as `schema_version` is the same.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Document {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    schema_version: u32,
    /// The job's name.
    job: String,
    /// When the server was queried (RFC 3339, in the job's time zone).
    #[schemars(extend("format" = "date-time"))]
    as_of: String,
    /// Today's date in the job's time zone; `age_days` is relative to it.
    #[schemars(extend("format" = "date"))]
    today: String,
    /// The date of the next run: today, or tomorrow if today's archive exists. `action` and `reason` apply after that run has delivered; ages in `reason` are relative to this date.
    #[schemars(extend("format" = "date"))]
    next_run: String,
    /// The date of the newest archive that is not empty or dated in the future; null if there is none.
    #[schemars(extend("format" = "date"))]
    reference_day: Option<String>,
    /// The regular files with an archive's name, oldest first.
    archives: Vec<Archive>,
    /// The number of nights without an archive, from the oldest archive to yesterday, excluding those that retention thins out.
    nights_without_archive: i64,
    /// Files that interrupted runs left behind, sorted by name. An unfinished upload may still be in progress.
    leftovers: Vec<Leftover>,
    /// The replaced archives that are still kept, oldest first; `restore --replaced` restores one.
    replaced: Vec<Replaced>,
    /// The number of entries that are named like an archive or a leftover, but are not regular files.
    irregular: usize,
    /// The number of entries that do not belong to this configuration.
    foreign: usize,
    /// Bytes free on the server; null if it does not report them.
    free_bytes: Option<u64>,
    /// Why removal is held back (human-readable); null if it is not.
    held_back: Option<String>,
    /// The last drill that passed, as far as this user of this machine knows; null if there is none.
    last_drill: Option<Drill>,
}

/// A drill that passed: the archive was restored into a throwaway database server and checked.
#[derive(Debug, Serialize, JsonSchema)]
struct Drill {
    /// When it ended (RFC 3339, UTC).
    #[schemars(extend("format" = "date-time"))]
    time: Option<String>,
    /// The archive's name.
    archive: String,
}

/// An archive on the server.
#[derive(Debug, Serialize, JsonSchema)]
struct Archive {
    /// The file's name.
    name: String,
    /// The date in its name.
    #[schemars(extend("format" = "date"))]
    date: String,
    /// Its size in bytes; null if the server does not report it.
    size: Option<u64>,
    /// When it was last written, by the server's clock (RFC 3339, UTC); null if the server does not report it.
    #[schemars(extend("format" = "date-time"))]
    modified: Option<String>,
    /// Days from its date to today; negative if its date is in the future.
    age_days: i64,
    /// Whether it has a checksum file.
    checksum: bool,
    /// What the next run does with it after it has delivered; with `retention.remove` set to `prune`, what `prune` does then.
    action: Action,
    /// The reason, as human-readable text; the wording may change.
    reason: String,
}

/// A file that an interrupted run left behind.
#[derive(Debug, Serialize, JsonSchema)]
struct Leftover {
    /// The file's name.
    name: String,
    /// Its size in bytes; null if the server does not report it.
    size: Option<u64>,
    /// When it was last written, by the server's clock (RFC 3339, UTC); null if the server does not report it.
    #[schemars(extend("format" = "date-time"))]
    modified: Option<String>,
    /// What the next run does with it.
    action: Action,
    /// The reason, as human-readable text; the wording may change.
    reason: String,
}

/// An archive that a later run for the same date replaced.
#[derive(Debug, Serialize, JsonSchema)]
struct Replaced {
    /// The date of the archive.
    #[schemars(extend("format" = "date"))]
    date: String,
    /// The file under its current name.
    #[serde(flatten)]
    file: Leftover,
}

/// What a run does with a file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Action {
    /// It is kept.
    Keep,
    /// It is removed.
    Remove,
}

pub(super) fn document(job: &str, listing: &Listing) -> Document {
    let Inventory { today, next_run, reference, archives, leftovers, replaced, irregular, foreign, held_back, .. } =
        &listing.inventory;
    Document {
        schema_version: 1,
        job: job.to_owned(),
        as_of: listing.as_of.to_rfc3339_opts(SecondsFormat::Secs, false),
        today: today.to_string(),
        next_run: next_run.to_string(),
        reference_day: reference.map(|day| day.to_string()),
        archives: archives
            .iter()
            .map(|archive| Archive {
                name: archive.file.name.clone(),
                date: archive.date.to_string(),
                size: archive.file.size,
                modified: archive.file.modified.map(utc),
                age_days: archive.age_days(*today),
                checksum: archive.has_checksum,
                action: action(&archive.file),
                reason: archive.file.reason.to_string(),
            })
            .collect(),
        nights_without_archive: listing.inventory.count_missing_nights(),
        leftovers: leftovers.iter().map(leftover).collect(),
        replaced: replaced
            .iter()
            .map(|archive| Replaced { date: archive.date.to_string(), file: leftover(&archive.file) })
            .collect(),
        irregular: irregular.len(),
        foreign: foreign.len(),
        free_bytes: listing.free,
        held_back: held_back.as_ref().map(ToString::to_string),
        last_drill: listing.drills.passed.as_ref().map(|drill| Drill {
            time: DateTime::from_timestamp(drill.time, 0).map(utc),
            archive: drill.archive.clone(),
        }),
    }
}

fn leftover(file: &PlannedFile) -> Leftover {
    Leftover {
        name: file.name.clone(),
        size: file.size,
        modified: file.modified.map(utc),
        action: action(file),
        reason: file.reason.to_string(),
    }
}

fn action(file: &PlannedFile) -> Action {
    match file.action {
        retention::Action::Keep => Action::Keep,
        retention::Action::Remove => Action::Remove,
    }
}

fn utc(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}
