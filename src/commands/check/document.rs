//! `check --json`: the findings as one JSON document. Field names are stable; their comments are the descriptions in the schema.

use std::path::Path;

use chrono::{DateTime, FixedOffset, SecondsFormat};
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::check::findings::{self, Finding};
use crate::config::LoadError;
use crate::exit_code::ExitCode;

/// The output of `check --json`. Fields may be added; those here keep their names and meanings as long as `schema_version` is
/// the same.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "scripting-system check --json")]
pub(super) struct Document {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    schema_version: u32,
    /// When the check began (RFC 3339, in the job's time zone).
    #[schemars(extend("format" = "date-time"))]
    as_of: String,
    /// The configuration file.
    file: String,
    /// The exit code of `check` for this file: 0 without problems, 3 if the configuration cannot be used, otherwise 4.
    exit_code: u8,
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
    /// `findings` are those of a finished check of the configuration `file`, with their sections.
    pub(super) fn of_findings(
        file: &Path,
        as_of: DateTime<FixedOffset>,
        code: ExitCode,
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
        Document::new(file, as_of, code, items.collect())
    }

    /// For a configuration `file` that cannot be used.
    pub(super) fn of_mistakes(file: &Path, as_of: DateTime<FixedOffset>, error: &LoadError) -> Document {
        let problem =
            |subject, text, fix| Item { section: "Configuration", subject, status: Status::Problem, text, fix };
        let items = match error {
            LoadError::Mistakes { mistakes, .. } => {
                let mistakes = mistakes.iter().cloned();
                mistakes.map(|mistake| problem(mistake.path, mistake.problem, Some(mistake.fix))).collect()
            }
            _ => error.lines().into_iter().map(|line| problem("file".to_owned(), line, None)).collect(),
        };
        Document::new(file, as_of, ExitCode::Configuration, items)
    }

    fn new(file: &Path, as_of: DateTime<FixedOffset>, code: ExitCode, findings: Vec<Item>) -> Document {
        let number = |status| findings.iter().filter(|item| item.status == status).count();
        let totals = Totals {
            ok: number(Status::Ok),
            warnings: number(Status::Warning),
            problems: number(Status::Problem),
            skipped: number(Status::Skipped),
        };
        let as_of = as_of.to_rfc3339_opts(SecondsFormat::Secs, false);
        Document { schema_version: 1, as_of, file: file.display().to_string(), exit_code: code as u8, findings, totals }
    }
}
