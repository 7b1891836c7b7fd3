//! A check in progress: prints each finding at once, without secrets, and counts them.

use std::cell::RefCell;
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
    coloured: bool,
    redaction: Redaction,
    statuses: RefCell<Vec<Status>>,
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
    pub(super) fn new(context: &Context<Config>, file: PathBuf, coloured: bool) -> Checker<'_> {
        let redaction = Redaction::new(&context.config.secrets());
        Checker { context, file, coloured, redaction, statuses: RefCell::default() }
    }

    pub(super) fn heading(&self, title: &str) {
        let space = if self.statuses.borrow().is_empty() { "" } else { "\n" };
        self.context.progress.print(&format!("{space}{}", findings::heading(title, self.coloured)));
    }

    /// Prints `finding`, unless the check was interrupted: then it is meaningless.
    pub(super) fn report(&self, finding: Finding) {
        if self.context.interrupt.cause().is_some() {
            return;
        }
        let Finding { status, subject, text, fix } = finding;
        self.statuses.borrow_mut().push(status);
        let fix = fix.map(|fix| self.redaction.clean(&fix));
        let finding = Finding { status, subject, text: self.redaction.clean(&text), fix };
        self.context.progress.print(&findings::line(&finding, self.coloured));
    }

    /// Prints `finding`. Returns whether it is not a failure.
    pub(super) fn passes(&self, finding: Finding) -> bool {
        let passes = finding.status != Status::Failed;
        self.report(finding);
        passes
    }

    /// Prints the closing line. Returns whether there is nothing to fix.
    pub(super) fn conclude(&self) -> bool {
        let statuses = self.statuses.borrow();
        self.context.progress.print(&format!("\n{}", findings::closing_line(&statuses)));
        !statuses.contains(&Status::Failed)
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
