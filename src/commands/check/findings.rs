//! What `check` found, line by line, and what it comes to.

use console::{Style, style};

/// Columns for the name of what was looked at.
const WIDTH: usize = 14;

/// How a probe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// As a run needs it.
    Good,
    /// A run goes through, but somebody should have a look.
    Warning,
    /// A run would fail here, or a report would not arrive.
    Failed,
    /// Not looked at.
    Skipped,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it ended.
    pub mark: Mark,
    /// What was looked at, in a word or two.
    pub what: &'static str,
    /// What was found.
    pub text: String,
    /// What to do about it, where `text` does not say that already.
    pub fix: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn good(what: &'static str, text: impl Into<String>) -> Finding {
        Finding { mark: Mark::Good, what, text: text.into(), fix: None }
    }

    /// Worth a look; `fix` says what to do.
    pub fn warning(what: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding { mark: Mark::Warning, what, text: text.into(), fix: Some(fix.into()) }
    }

    /// A fault; `text` says what to do about it.
    pub fn failed(what: &'static str, text: impl Into<String>) -> Finding {
        Finding { mark: Mark::Failed, what, text: text.into(), fix: None }
    }

    /// Not looked at, and why.
    pub fn skipped(what: &'static str, text: impl Into<String>) -> Finding {
        Finding { mark: Mark::Skipped, what, text: text.into(), fix: None }
    }

    /// With `fix` for what to do.
    pub fn with_fix(self, fix: impl Into<String>) -> Finding {
        Finding { fix: Some(fix.into()), ..self }
    }
}

/// The line above the findings about `title`.
pub fn heading(title: &str, coloured: bool) -> String {
    style(title).bold().force_styling(coloured).to_string()
}

/// `finding` in a line, and what to do about it in another; without a newline at the end.
pub fn line(finding: &Finding, coloured: bool) -> String {
    let (sign, style) = match finding.mark {
        Mark::Good => ("✓", Style::new().green()),
        Mark::Warning => ("!", Style::new().yellow()),
        Mark::Failed => ("✗", Style::new().red()),
        Mark::Skipped => ("-", Style::new().dim()),
    };
    let sign = style.force_styling(coloured).apply_to(sign);
    let mut line = format!("  {sign} {:WIDTH$}  {}", finding.what, finding.text);
    if let Some(fix) = &finding.fix {
        line.push_str(&format!("\n    {:WIDTH$}  → {fix}", ""));
    }
    line
}

/// What the findings with these marks come to, in a sentence.
pub fn verdict(marks: &[Mark]) -> String {
    let count = |mark: Mark| marks.iter().filter(|it| **it == mark).count();
    let worth_a_look = match count(Mark::Warning) {
        0 => String::new(),
        1 => "; one thing is worth a look (!)".to_owned(),
        several => format!("; {several} things are worth a look (!)"),
    };
    match count(Mark::Failed) {
        0 => format!("Nothing stands in the way of a run{worth_a_look}."),
        1 => format!("One thing has to be mended (✗){worth_a_look}."),
        several => format!("{several} things have to be mended (✗){worth_a_look}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_line_and_what_to_do_another() {
        let findings = [
            Finding::good("name", "www.example.com: 192.0.2.7"),
            Finding::warning("certificate", "valid for 5 days more", "renew it there"),
            Finding::failed("ZIP", "https://www.example.com/x.zip answered 404 (not found). Check source.url"),
            Finding::skipped("dump", "there is no ZIP"),
        ];
        let lines: Vec<String> = findings.iter().map(|finding| line(finding, false)).collect();
        insta::assert_snapshot!(format!("{}\n{}", heading("Source", false), lines.join("\n")), @r"
        Source
          ✓ name            www.example.com: 192.0.2.7
          ! certificate     valid for 5 days more
                            → renew it there
          ✗ ZIP             https://www.example.com/x.zip answered 404 (not found). Check source.url
          - dump            there is no ZIP
        ");
    }

    #[test]
    fn colours_are_for_the_mark_and_the_heading() {
        assert_eq!(line(&Finding::failed("ZIP", "gone"), true), "  \u{1b}[31m✗\u{1b}[0m ZIP             gone");
        assert_eq!(heading("Source", true), "\u{1b}[1mSource\u{1b}[0m");
    }

    #[test]
    fn the_verdict_counts() {
        use Mark::{Failed, Good, Skipped, Warning};
        let told = [&[Good, Skipped][..], &[Warning], &[Failed, Warning, Warning], &[Failed, Failed]].map(verdict);
        insta::assert_snapshot!(told.join("\n"), @r"
        Nothing stands in the way of a run.
        Nothing stands in the way of a run; one thing is worth a look (!).
        One thing has to be mended (✗); 2 things are worth a look (!).
        2 things have to be mended (✗).
        ");
    }
}
