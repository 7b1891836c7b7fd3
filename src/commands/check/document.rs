//! `check --json` and `--effective`. Field names are stable; their comments are the descriptions in the schema.

use chrono::{DateTime, FixedOffset, SecondsFormat};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::commands::check::findings::{Finding, Status};
use crate::config::{EffectiveKey, JobFile, LoadError};
use crate::exit_code::ExitCode;

/// The output of `check --json` for one job. Fields may be added; those here keep their names and meanings as long as
/// `schema_version` is the same.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Document {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    schema_version: u32,
    /// When the check began (RFC 3339, in the job's time zone).
    #[schemars(extend("format" = "date-time"))]
    as_of: String,
    /// The job's name.
    job: String,
    /// Its configuration file.
    file: String,
    /// The exit code of `check` for this job: 0 without problems, 3 if the configuration cannot be used, otherwise 4.
    exit_code: u8,
    /// In the order of the checks. If the configuration cannot be used, its mistakes: no server is contacted then.
    findings: Vec<Finding>,
    /// The number of findings by status.
    totals: Totals,
}

/// The number of findings by status.
#[derive(Debug, Serialize, JsonSchema)]
struct Totals {
    ok: usize,
    warnings: usize,
    problems: usize,
    skipped: usize,
}

impl Document {
    pub(super) fn new(job: &JobFile, as_of: DateTime<FixedOffset>, code: ExitCode, findings: Vec<Finding>) -> Document {
        let number = |status| findings.iter().filter(|finding| finding.status == status).count();
        let [ok, warnings, problems, skipped] =
            [Status::Good, Status::Warning, Status::Failed, Status::Skipped].map(number);
        Document {
            schema_version: 1,
            as_of: as_of.to_rfc3339_opts(SecondsFormat::Secs, false),
            job: job.name.clone(),
            file: job.file.display().to_string(),
            exit_code: code as u8,
            findings,
            totals: Totals { ok, warnings, problems, skipped },
        }
    }
}

/// Why a configuration cannot be used.
pub(super) fn mistakes(error: &LoadError) -> Vec<Finding> {
    let findings = match error {
        LoadError::Mistakes { mistakes, .. } => {
            mistakes.iter().map(|it| Finding::failed(it.path.clone(), &it.problem).with_fix(&it.fix)).collect()
        }
        _ => error.lines().iter().map(|line| Finding::failed("file", line)).collect::<Vec<_>>(),
    };
    findings.into_iter().map(|finding| Finding { section: "Configuration", ..finding }).collect()
}

/// `check --effective`: the `keys` of `job` as JSON, a line for each.
pub(super) fn effective(job: &JobFile, keys: &[EffectiveKey]) -> String {
    let line = |key: &EffectiveKey| {
        let origin = key.file.as_ref().map_or_else(|| "default".to_owned(), |file| file.display().to_string());
        format!("    {}: {}", Json::from(&*key.path), json!({"value": key.value, "from": origin}))
    };
    let (name, file) = (Json::from(&*job.name), Json::from(job.file.display().to_string()));
    let keys = keys.iter().map(line).collect::<Vec<_>>().join(",\n");
    format!("{{\n  \"job\": {name},\n  \"file\": {file},\n  \"keys\": {{\n{keys}\n  }}\n}}\n")
}
