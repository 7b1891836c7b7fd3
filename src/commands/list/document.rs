//! The listing for programs: one JSON document. Its fields keep their names, and the schema holds their comments.

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

use crate::commands::list::table::Listing;
use crate::rules::inventory::{Inventory, PlannedFile};
use crate::rules::retention;

/// What `list --json` tells of the server's directory. Fields may be added; those here keep their names and meanings for as
/// long as `schema_version` is the same.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "scripting-system list --json")]
struct Document {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    schema_version: u32,
    /// When the server was asked (RFC 3339, in the job's zone).
    #[schemars(extend("format" = "date-time"))]
    as_of: String,
    /// The day that `age_days` is as of: today in the job's zone.
    #[schemars(extend("format" = "date"))]
    today: String,
    /// The day of the next run: today, unless today's archive is there. `action` and `reason` say what happens once that
    /// run has delivered, and days in `reason` count to this day.
    #[schemars(extend("format" = "date"))]
    next_run: String,
    /// The day of the newest archive; null where no archive counts.
    #[schemars(extend("format" = "date"))]
    reference_day: Option<String>,
    /// The regular files with an archive's name, oldest first.
    archives: Vec<Archive>,
    /// How many nights have no archive, from the oldest archive to yesterday, where there should be one of every night.
    nights_without_archive: i64,
    /// What interrupted runs left behind, by name. An unfinished upload may be one that is under way.
    leftovers: Vec<Leftover>,
    /// The replaced archives that are still kept, oldest first; `restore --replaced` restores one.
    replaced: Vec<Replaced>,
    /// How many entries are named like an archive or a leftover, but are no regular file.
    irregular: usize,
    /// How many entries are none of this configuration's.
    foreign: usize,
    /// Bytes free on the server; null where it does not tell.
    free_bytes: Option<u64>,
    /// Why nothing is removed, for people; null where removal is not held back.
    held_back: Option<String>,
}

/// An archive.
#[derive(Debug, Serialize, JsonSchema)]
struct Archive {
    /// The file's name.
    name: String,
    /// The date in its name.
    #[schemars(extend("format" = "date"))]
    date: String,
    /// Its size in bytes; null where the server does not tell.
    size: Option<u64>,
    /// When it was last written, by the server's clock (RFC 3339, UTC); null where the server does not tell.
    #[schemars(extend("format" = "date-time"))]
    modified: Option<String>,
    /// Days from its date to today; negative where its date is yet to come.
    age_days: i64,
    /// What the next run does to it once it has delivered.
    action: Action,
    /// Why, for people: the words may change.
    reason: String,
}

/// What an interrupted run left behind.
#[derive(Debug, Serialize, JsonSchema)]
struct Leftover {
    /// The file's name.
    name: String,
    /// Its size in bytes; null where the server does not tell.
    size: Option<u64>,
    /// When it was last written, by the server's clock (RFC 3339, UTC); null where the server does not tell.
    #[schemars(extend("format" = "date-time"))]
    modified: Option<String>,
    /// What the next run does to it.
    action: Action,
    /// Why, for people: the words may change.
    reason: String,
}

/// An archive that a later run of the same date replaced.
#[derive(Debug, Serialize, JsonSchema)]
struct Replaced {
    /// The date of the archive.
    #[schemars(extend("format" = "date"))]
    date: String,
    /// The file as it is now.
    #[serde(flatten)]
    file: Leftover,
}

/// What happens to a file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Action {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
}

/// Ends with a newline.
///
/// # Errors
/// None in practice: serde_json fails only on keys that are not strings.
pub(super) fn listing_json(listing: &Listing) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&document(listing)).map(|json| json + "\n")
}

/// The JSON Schema (draft 2020-12) of [`listing_json`]. Ends with a newline.
///
/// # Errors
/// None in practice, as above.
pub(super) fn listing_schema() -> Result<String, serde_json::Error> {
    // For writing: every field is required, null or not.
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    serde_json::to_string_pretty(&generator.into_root_schema_for::<Document>()).map(|json| json + "\n")
}

fn document(listing: &Listing) -> Document {
    let Inventory { today, next_run, reference, archives, leftovers, replaced, irregular, foreign, held_back, .. } =
        &listing.inventory;
    Document {
        schema_version: 1,
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
