//! `check`: whether tonight's run will work: everything that it needs is reached, and nothing is sent or changed.

mod certificate;
pub mod findings;
mod local;
mod reach;
mod reports;
mod sftp;
mod source;

use std::cell::RefCell;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};

use crate::cli;
use crate::commands::check::findings::{Finding, Mark};
use crate::commands::foreground::{self, Site, Surroundings, Work};
use crate::config::{self, Config, Environment};
use crate::exit_code::ExitCode;
use crate::rules::redaction::Redaction;
use crate::runtime::clock::Clock;
use crate::runtime::progress::Waiting;
use crate::runtime::retry::{Retry, RetryPolicy};

/// Looks whether a run with the configuration would work; `verbose` counts the `-v`.
pub fn check(arguments: &cli::Check, verbose: u8, clock: &Clock, environment: &Environment) -> ExitCode {
    let surroundings = Surroundings { config: &arguments.config, load: config::load, verbose, clock, environment };
    let (file, notify) = (arguments.config.clone(), arguments.notify);
    // https://no-color.org: set, and not empty.
    let wants_none = environment.variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    let coloured = io::stdout().is_terminal() && !wants_none;
    foreground::conclude(foreground::run(&surroundings, move |site| Check::new(site, file, coloured).run(notify)))
}

/// A check under way.
struct Check<'a> {
    site: &'a Site<Config>,
    /// The configuration file.
    file: PathBuf,
    coloured: bool,
    redaction: Redaction,
    marks: RefCell<Vec<Mark>>,
}

/// What was found out about tonight's archive.
#[derive(Debug, Clone, Copy, Default)]
struct Expected {
    /// Its size in bytes, where it can be told beforehand.
    size: Option<u64>,
    /// How far the web server's clock is from ours, where it tells.
    clock_difference: Option<TimeDelta>,
}

impl Check<'_> {
    fn new(site: &Site<Config>, file: PathBuf, coloured: bool) -> Check<'_> {
        let redaction = Redaction::new(&site.config.secrets());
        Check { site, file, coloured, redaction, marks: RefCell::default() }
    }

    fn run(&self, notify: bool) -> Work {
        self.heading("Configuration");
        local::look(self);
        self.heading("Source");
        let zip = source::reach(self);
        self.site.interrupt.check()?;
        self.heading("Dump");
        let expected = source::find_dump(self, zip.as_ref());
        drop(zip);
        self.site.interrupt.check()?;
        self.heading("SFTP");
        sftp::look(self, expected);
        self.site.interrupt.check()?;
        self.heading("Reports");
        reports::look(self, notify);
        self.site.interrupt.check()?;
        let marks = self.marks.borrow();
        self.site.progress.print(&format!("\n{}", findings::verdict(&marks)));
        Ok(if marks.contains(&Mark::Failed) { ExitCode::Failed } else { ExitCode::Success })
    }

    fn heading(&self, title: &str) {
        let space = if self.marks.borrow().is_empty() { "" } else { "\n" };
        self.site.progress.print(&format!("{space}{}", findings::heading(title, self.coloured)));
    }

    /// Tells `finding` at once, without secrets. What was found while the check was told to end means nothing.
    fn tell(&self, finding: Finding) {
        if self.site.interrupt.cause().is_some() {
            return;
        }
        let Finding { mark, what, text, fix } = finding;
        self.marks.borrow_mut().push(mark);
        let fix = fix.map(|fix| self.redaction.clean(&fix));
        let finding = Finding { mark, what, text: self.redaction.clean(&text), fix };
        self.site.progress.print(&findings::line(&finding, self.coloured));
    }

    /// Shows on a terminal what is waited for.
    fn waiting(&self, what: &str) -> Waiting {
        self.site.progress.waiting(what)
    }

    /// Makes one attempt of everything: whoever waits wants to know now.
    fn once(&self) -> Retry {
        let policy = RetryPolicy { attempts: 1, first_pause: Duration::ZERO, max_pause: Duration::ZERO };
        Retry::new(policy, self.site.interrupt.clone())
    }

    fn today(&self) -> NaiveDate {
        self.site.started.date_naive()
    }
}
