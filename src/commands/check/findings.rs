//! The findings of `check` as lines, and the closing line that counts them.

use std::borrow::Cow;
use std::fmt::Display;
use std::path::Path;

use console::{Style, style};
use schemars::JsonSchema;
use serde::Serialize;

use crate::rules::units::count;

const SUBJECT_WIDTH: usize = 14;

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// A run works.
    #[serde(rename = "ok")]
    Good,
    /// A run works, but something needs attention.
    Warning,
    /// A run would fail, or a report would not arrive.
    #[serde(rename = "problem")]
    Failed,
    /// Not checked.
    Skipped,
}

/// A check and its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Finding {
    /// The part of the check: `Configuration`, `Source`, `Dump`, `SFTP` or `Reports`.
    pub(super) section: &'static str,
    /// What was checked, in one or two words; for a mistake in the configuration, its key.
    pub(super) subject: Cow<'static, str>,
    pub(super) status: Status,
    /// The result as human-readable text, without secrets; the wording may change.
    pub(super) text: String,
    /// What to do about it, if `text` does not say so.
    pub(super) fix: Option<String>,
}

impl Finding {
    fn new(status: Status, subject: impl Into<Cow<'static, str>>, text: impl Into<String>) -> Finding {
        Finding { section: "", subject: subject.into(), status, text: text.into(), fix: None }
    }

    pub(super) fn good(subject: &'static str, text: impl Into<String>) -> Finding {
        Finding::new(Status::Good, subject, text)
    }

    pub(super) fn warning(subject: &'static str, text: impl Into<String>) -> Finding {
        Finding::new(Status::Warning, subject, text)
    }

    pub(super) fn failed(subject: impl Into<Cow<'static, str>>, text: impl Into<String>) -> Finding {
        Finding::new(Status::Failed, subject, text)
    }

    pub(super) fn skipped(subject: &'static str, text: impl Into<String>) -> Finding {
        Finding::new(Status::Skipped, subject, text)
    }

    /// `result` is the result of opening `path`, the value of `key`, for writing.
    pub(super) fn writable(subject: &'static str, path: &Path, key: &str, result: Result<(), impl Display>) -> Finding {
        match result {
            Ok(()) => Finding::good(subject, format!("{} can be written", path.display())),
            Err(error) => Finding::failed(subject, format!("{} cannot be written: {error}", path.display()))
                .with_fix(format!("create its folder, or correct its permissions or {key}")),
        }
    }

    pub(super) fn with_fix(self, fix: impl Into<String>) -> Finding {
        Finding { fix: Some(fix.into()), ..self }
    }
}

/// The line above a group of findings.
pub(super) fn heading(title: &str, coloured: bool) -> String {
    style(title).bold().force_styling(coloured).to_string()
}

/// `finding` on one line, and its fix on another; without a final newline.
pub(super) fn line(finding: &Finding, coloured: bool) -> String {
    let (sign, style) = match finding.status {
        Status::Good => ("✓", Style::new().green()),
        Status::Warning => ("!", Style::new().yellow()),
        Status::Failed => ("✗", Style::new().red()),
        Status::Skipped => ("-", Style::new().dim()),
    };
    let sign = style.force_styling(coloured).apply_to(sign);
    let mut line = format!("  {sign} {:SUBJECT_WIDTH$}  {}", finding.subject, finding.text);
    if let Some(fix) = &finding.fix {
        line.push_str(&format!("\n    {:SUBJECT_WIDTH$}  → {fix}", ""));
    }
    line
}

/// "1 problem to fix (✗), 2 warnings (!)."
pub(super) fn closing_line(findings: &[Finding]) -> String {
    let number = |status: Status| findings.iter().filter(|it| it.status == status).count();
    let problems = match number(Status::Failed) {
        0 => "No problems found".to_owned(),
        problems => format!("{} to fix (✗)", count(problems, "problem")),
    };
    match number(Status::Warning) {
        0 => format!("{problems}."),
        warnings => format!("{problems}, {} (!).", count(warnings, "warning")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_and_its_fix_are_one_line_each() {
        let findings = [
            Finding::good("name", "www.example.com: 192.0.2.7"),
            Finding::warning("certificate", "valid until 2026-12-07 (5 days left)").with_fix("renew it on the server"),
            Finding::failed("ZIP", "https://www.example.com/x.zip answered 404 (not found). Check source.url"),
            Finding::skipped("entry", "not checked: the ZIP cannot be read"),
        ];
        let lines: Vec<String> = findings.iter().map(|finding| line(finding, false)).collect();
        insta::assert_snapshot!(format!("{}\n{}", heading("Source", false), lines.join("\n")), @r"
        Source
          ✓ name            www.example.com: 192.0.2.7
          ! certificate     valid until 2026-12-07 (5 days left)
                            → renew it on the server
          ✗ ZIP             https://www.example.com/x.zip answered 404 (not found). Check source.url
          - entry           not checked: the ZIP cannot be read
        ");
        assert_eq!(line(&Finding::failed("ZIP", "gone"), true), "  \u{1b}[31m✗\u{1b}[0m ZIP             gone");
        assert_eq!(heading("Source", true), "\u{1b}[1mSource\u{1b}[0m");
    }

    #[test]
    fn the_closing_line_counts_problems_and_warnings() {
        use Status::{Failed, Good, Skipped, Warning};
        for (statuses, expected) in [
            (&[Good, Skipped][..], "No problems found."),
            (&[Warning], "No problems found, 1 warning (!)."),
            (&[Failed, Warning, Warning], "1 problem to fix (✗), 2 warnings (!)."),
            (&[Failed, Failed], "2 problems to fix (✗)."),
        ] {
            let findings: Vec<_> = statuses.iter().map(|status| Finding::new(*status, "", "")).collect();
            assert_eq!(closing_line(&findings), expected);
        }
    }
}
