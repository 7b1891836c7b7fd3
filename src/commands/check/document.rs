//! `check --json`: the findings as one JSON document. Field names are stable; their comments are the descriptions in the schema.

use chrono::{DateTime, FixedOffset, SecondsFormat};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::{Value as Json, json};

use crate::commands::check::findings::{self, Finding};
use crate::config::{EffectiveKey, JobFile, LoadError};
use crate::exit_code::ExitCode;

/// The output of `check --json`. Fields may be added; those here keep their names and meanings as long as `schema_version` is
/// the same.
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
    #[serde(serialize_with = "number")]
    #[schemars(with = "u8")]
    pub(super) exit_code: ExitCode,
    /// In the order of the checks. If the configuration cannot be used, its mistakes: no server is contacted then.
    findings: Vec<Item>,
    /// The number of findings by status.
    totals: Totals,
}

/// One result of a check.
#[derive(Debug, Serialize, JsonSchema)]
struct Item {
    /// The part of the check: `Configuration`, `Source`, `Dump`, `SFTP` or `Reports`.
    section: &'static str,
    /// What was checked, such as `host key`; for a mistake in the configuration, the key, such as `sftp.port`.
    subject: String,
    /// The result.
    status: Status,
    /// The result as human-readable text, without secrets; the wording may change.
    text: String,
    /// What to do about it (human-readable); null if there is nothing to do, or `text` says it.
    fix: Option<String>,
}

/// The result of one check.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// A run works.
    Ok,
    /// A run works, but something needs attention.
    Warning,
    /// A run would fail, or a report would not arrive.
    Problem,
    /// It was not checked.
    Skipped,
}

/// The number of findings by status.
#[derive(Debug, Serialize, JsonSchema)]
struct Totals {
    /// Those with the status `ok`.
    ok: usize,
    /// Those with the status `warning`.
    warnings: usize,
    /// Those with the status `problem`.
    problems: usize,
    /// Those with the status `skipped`.
    skipped: usize,
}

impl Document {
    /// `findings` are those of a finished check of `job`, with their sections.
    pub(super) fn of_findings(
        job: &JobFile,
        as_of: DateTime<FixedOffset>,
        findings: Vec<(&'static str, Finding)>,
    ) -> Document {
        let items = findings.into_iter().map(|(section, Finding { status, subject, text, fix })| {
            let status = match status {
                findings::Status::Good => Status::Ok,
                findings::Status::Warning => Status::Warning,
                findings::Status::Failed => Status::Problem,
                findings::Status::Skipped => Status::Skipped,
            };
            Item { section, subject: subject.to_owned(), status, text, fix }
        });
        let items: Vec<Item> = items.collect();
        let has_problem = items.iter().any(|item| item.status == Status::Problem);
        Document::new(job, as_of, if has_problem { ExitCode::Failed } else { ExitCode::Success }, items)
    }

    /// For a job whose configuration cannot be used.
    pub(super) fn of_mistakes(job: &JobFile, as_of: DateTime<FixedOffset>, error: &LoadError) -> Document {
        let problem =
            |subject, text, fix| Item { section: "Configuration", subject, status: Status::Problem, text, fix };
        let items = match error {
            LoadError::Mistakes { mistakes, .. } => {
                let mistakes = mistakes.iter().cloned();
                mistakes.map(|mistake| problem(mistake.path, mistake.problem, Some(mistake.fix))).collect()
            }
            _ => error.lines().into_iter().map(|line| problem("file".to_owned(), line, None)).collect(),
        };
        Document::new(job, as_of, ExitCode::Configuration, items)
    }

    fn new(job: &JobFile, as_of: DateTime<FixedOffset>, code: ExitCode, findings: Vec<Item>) -> Document {
        let number = |status| findings.iter().filter(|item| item.status == status).count();
        let totals = Totals {
            ok: number(Status::Ok),
            warnings: number(Status::Warning),
            problems: number(Status::Problem),
            skipped: number(Status::Skipped),
        };
        Document {
            schema_version: 1,
            as_of: as_of.to_rfc3339_opts(SecondsFormat::Secs, false),
            job: job.name.clone(),
            file: job.file.display().to_string(),
            exit_code: code,
            findings,
            totals,
        }
    }
}

fn number<S: Serializer>(code: &ExitCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(*code as u8)
}

/// `check --effective`: the `keys` of `job` as JSON, a line for each.
pub(super) fn effective(job: &JobFile, keys: &[EffectiveKey]) -> String {
    let line = |key: &EffectiveKey| {
        let origin = key.file.as_ref().map_or_else(|| "default".to_owned(), |file| file.display().to_string());
        format!("    {}: {}", Json::from(&*key.path), json!({"value": key.value, "from": origin}))
    };
    let (name, file) = (Json::from(&*job.name), Json::from(job.file.display().to_string()));
    let keys = keys.iter().map(line).collect::<Vec<_>>().join(",\n");
    format!("{{\n  \"job\": {name},\n  \"file\": {file},\n  \"keys\": {{\n{keys}\n  }}\n}}")
}
