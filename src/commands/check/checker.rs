//! A check in progress: prints or collects its findings, without secrets.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;

use chrono::{NaiveDate, TimeDelta};

use crate::commands::check::findings::{self, Finding, Status};
use crate::commands::foreground::Context;
use crate::config::Config;
use crate::rules::redaction::Redaction;
use crate::runtime::retry::{Retry, RetryPolicy};

pub(super) struct Checker<'a> {
    pub(super) context: &'a Context<Config>,
    /// The configuration file.
    pub(super) file: PathBuf,
    /// Whether printed findings are in colour; if `None`, they are only collected.
    coloured: Option<bool>,
    redaction: Redaction,
    section: Cell<&'static str>,
    findings: RefCell<Vec<Finding>>,
}

/// Facts about the archive of the next run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Expected {
    /// In bytes, if it can be estimated.
    pub(super) size: Option<u64>,
    /// How far the web server's clock is ahead of this machine's, if known.
    pub(super) clock_difference: Option<TimeDelta>,
}

impl Checker<'_> {
    pub(super) fn new(context: &Context<Config>, file: PathBuf, coloured: Option<bool>) -> Checker<'_> {
        let redaction = Redaction::new(&context.config.secrets());
        Checker { context, file, coloured, redaction, section: Cell::default(), findings: RefCell::default() }
    }

    /// Begins the section `title`.
    pub(super) fn heading(&self, title: &'static str) {
        self.section.set(title);
        if let Some(coloured) = self.coloured {
            let space = if self.findings.borrow().is_empty() { "" } else { "\n" };
            self.context.progress.print(&format!("{space}{}", findings::heading(title, coloured)));
        }
    }

    /// Reports `finding`, unless the check was interrupted: then it is meaningless.
    pub(super) fn report(&self, finding: Finding) {
        if self.context.interrupt.cause().is_some() {
            return;
        }
        let fix = finding.fix.map(|fix| self.redaction.clean(&fix));
        let text = self.redaction.clean(&finding.text);
        let finding = Finding { section: self.section.get(), text, fix, ..finding };
        if let Some(coloured) = self.coloured {
            self.context.progress.print(&findings::line(&finding, coloured));
        }
        self.findings.borrow_mut().push(finding);
    }

    /// Reports `finding`. Returns whether it is not a failure.
    pub(super) fn passes(&self, finding: Finding) -> bool {
        let passes = finding.status != Status::Failed;
        self.report(finding);
        passes
    }

    /// Prints the closing line. Returns the findings.
    pub(super) fn conclude(&self) -> Vec<Finding> {
        let findings = self.findings.take();
        if self.coloured.is_some() {
            self.context.progress.print(&format!("\n{}", findings::closing_line(&findings)));
        }
        findings
    }

    /// Shows `what` on a terminal during `work`.
    pub(super) fn wait<T>(&self, what: &str, work: impl FnOnce() -> T) -> T {
        let _waiting = self.context.progress.spinner(what);
        work()
    }

    /// A check reports errors at once instead of retrying.
    pub(super) fn single_attempt(&self) -> Retry {
        Retry::new(RetryPolicy::ONCE, self.context.interrupt.clone())
    }

    pub(super) fn today(&self) -> NaiveDate {
        self.context.started.date_naive()
    }
}
