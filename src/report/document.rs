//! The record of a run as a JSON document: the output of `run --json` and the input of the after hook. Field names are stable;
//! their comments are the descriptions in the schema.

use std::time::Duration;

use chrono::{DateTime, FixedOffset, SecondsFormat};
use schemars::JsonSchema;
use serde::Serialize;

use crate::exit_code::ExitCode;
use crate::record::run_record::{ArchiveFacts, Delivery, FolderFacts, Level, RunRecord, State};

/// A run of one job. Fields may be added; those here keep their names and meanings as long as `schema_version` is the same.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RunDocument {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    schema_version: u32,
    /// The job's name.
    name: String,
    /// The run's ID in the log.
    run_id: String,
    /// The name of the machine.
    host: String,
    /// The date that the run is for, in the job's time zone.
    #[schemars(extend("format" = "date"))]
    date: String,
    /// When the run began (RFC 3339, in the job's time zone).
    #[schemars(extend("format" = "date-time"))]
    started: String,
    /// How long it took, with its reports; for the after hook, until then.
    duration_seconds: f64,
    /// Whether nothing was to be changed.
    dry_run: bool,
    /// How the run ended; for the after hook, so far.
    outcome: ExitCode,
    /// The exit code of a run of this job alone.
    exit_code: u8,
    /// Whether a verified archive of this run's dump is on the server.
    delivered: bool,
    /// How it was delivered; null if it was not.
    delivery: Option<Delivery>,
    /// The dump in the ZIP; null if it was not found.
    dump: Option<Dump>,
    /// The new archive; null if there is none.
    archive: Option<ArchiveFacts>,
    /// The tasks in their order.
    tasks: Vec<Task>,
    /// The errors, oldest first.
    errors: Vec<Message>,
    /// The warnings, oldest first.
    warnings: Vec<Message>,
    /// The number of files that were removed from the server.
    removed: u32,
    /// How often an operation was tried again.
    retries: u32,
    /// The fingerprint of a host key that this run trusted for the first time; null if the key was known.
    new_host_key: Option<String>,
    /// The server's directory at the end of the run; null if it was not listed.
    folder: Option<Folder>,
}

/// The dump in the ZIP.
#[derive(Debug, Serialize, JsonSchema)]
struct Dump {
    /// Its path in the ZIP.
    name: String,
    /// Its size in bytes.
    size: u64,
    /// When it was modified (RFC 3339, in the job's time zone); null if the ZIP does not say.
    #[schemars(extend("format" = "date-time"))]
    modified: Option<String>,
}

/// A task of the run.
#[derive(Debug, Serialize, JsonSchema)]
struct Task {
    /// Its title, as in the log.
    task: &'static str,
    /// Its state at the end.
    state: State,
    /// Its result, as human-readable text.
    text: String,
    /// How long it took; null if it did not run.
    seconds: Option<f64>,
}

/// An error or a warning.
#[derive(Debug, Serialize, JsonSchema)]
struct Message {
    /// The task's title.
    task: &'static str,
    /// Human-readable text.
    text: String,
}

/// The server's directory.
#[derive(Debug, Serialize, JsonSchema)]
struct Folder {
    /// The number of archives.
    archives: usize,
    /// The date of the newest archive; null if there is none.
    #[schemars(extend("format" = "date"))]
    newest: Option<String>,
    /// Bytes free on the server; null if it does not report them.
    free_bytes: Option<u64>,
}

impl RunDocument {
    /// The run so far.
    pub fn new(record: &RunRecord) -> RunDocument {
        let code = ExitCode::from(record.outcome());
        let messages = |level: Level| {
            let notes = record.notes().iter().filter(|note| note.level == level);
            notes.map(|note| Message { task: note.task.title(), text: note.text.clone() }).collect()
        };
        RunDocument {
            schema_version: 1,
            name: record.clean(&record.name),
            run_id: record.clean(&record.run_id),
            host: record.clean(&record.host),
            date: record.today.to_string(),
            started: rfc3339(record.started),
            duration_seconds: seconds(record.duration),
            dry_run: record.dry_run,
            outcome: code,
            exit_code: code as u8,
            delivered: record.is_delivered(),
            delivery: record.delivery,
            dump: record.dump.as_ref().map(|dump| Dump {
                name: record.clean(&dump.name),
                size: dump.size,
                modified: dump.modified.map(rfc3339),
            }),
            archive: record.archive.clone(),
            tasks: record
                .tasks()
                .map(|report| Task {
                    task: report.task.title(),
                    state: report.state,
                    text: report.text.clone(),
                    seconds: report.duration.map(seconds),
                })
                .collect(),
            errors: messages(Level::Error),
            warnings: messages(Level::Warning),
            removed: record.removed,
            retries: record.retries,
            new_host_key: record.new_host_key.clone(),
            folder: record.folder.as_ref().map(|FolderFacts { archives, free, .. }| Folder {
                archives: archives.len(),
                newest: archives.last().map(|archive| archive.date.to_string()),
                free_bytes: *free,
            }),
        }
    }
}

/// `json`, a document or a schema, as indented JSON, with a final newline.
pub fn text(json: &impl Serialize) -> String {
    // Only keys that are not strings cannot be serialised.
    serde_json::to_string_pretty(json).map(|json| json + "\n").unwrap_or_default()
}

fn rfc3339(moment: DateTime<FixedOffset>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, false)
}

/// Rounded down to milliseconds.
fn seconds(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1000.0
}
