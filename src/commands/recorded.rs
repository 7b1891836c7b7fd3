//! Work with a record: a lock, a log, a time limit and reports. Shared by `run`, `drill` and `prune`.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{DateTime, FixedOffset, NaiveDate};
use secrecy::SecretString;

use crate::commands::foreground::begin_logging;
use crate::commands::invocation::Invocation;
use crate::commands::summary;
use crate::config::{self, Hook, LoadError, Log, Reports};
use crate::disk::lock::{Lock, LockError};
use crate::exit_code::ExitCode;
use crate::pipeline::run_after_hook;
use crate::record::journal::Journal;
use crate::record::run_record::RunRecord;
use crate::record::task::Task;
use crate::report::document::{self, RunDocument};
use crate::report::log::log_file::{self, LogFile};
use crate::report::monitor::StartPing;
use crate::report::send;
use crate::rules::redaction::Redaction;
use crate::runtime::error_chain::with_causes;
use crate::runtime::interrupt::{Interrupt, Interruption};
use crate::runtime::progress::Progress;
use crate::runtime::retry::{Retry, RetryPolicy};
use crate::runtime::supervisor::{Supervisor, WorkOutcome};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Run,
    Drill,
    Prune,
}

pub(super) struct Recorded<'a> {
    pub(super) kind: Kind,
    /// The configuration.
    pub(super) file: &'a Path,
    pub(super) invocation: &'a Invocation<'a>,
    pub(super) begun: Instant,
    pub(super) record: RunRecord,
    pub(super) log: Option<&'a Log>,
    /// About the configuration, one sentence each.
    pub(super) warnings: &'a [String],
    pub(super) retry: RetryPolicy,
    /// The time limit of the work, and its key.
    pub(super) limit: (Duration, &'static str),
    pub(super) reports: Reports,
    pub(super) after_hook: Option<Hook>,
    /// Whether to print the record as a JSON document.
    pub(super) as_json: bool,
}

/// What the work needs.
pub(super) struct Tools {
    pub(super) retry: Retry,
    pub(super) journal: Journal,
    pub(super) interrupt: Interrupt,
    pub(super) progress: Progress,
}

impl Recorded<'_> {
    /// Does `work` while it holds the lock, and reports the outcome. A dry run neither logs nor reports.
    pub(super) fn run(
        self,
        lock: Result<Option<Lock>, LockError>,
        work: impl FnOnce(Tools) + Send + 'static,
    ) -> ExitCode {
        let Invocation { verbose, clock, .. } = *self.invocation;
        let dry_run = self.record.dry_run;
        let first_task = if self.kind == Kind::Run { Task::RequestZip } else { Task::ConnectToSftp };
        let redaction = self.record.redaction().clone();
        let (progress, journal) = (Progress::on_terminal(), Journal::new(self.record));
        let log = self.log.filter(|_| !dry_run).map(|log| log.beside(self.as_json));
        let log = log.map(|log| LogFile::open(&log, journal.clone(), clock.clone()));
        begin_logging(log.clone(), verbose, &redaction, &progress);
        let lock = match lock {
            Ok(lock) => lock,
            Err(error) => return not_locked(&error, if self.kind == Kind::Drill { "drill" } else { "run" }),
        };
        let task = journal.begin(Task::ReadConfiguration);
        self.warnings.iter().for_each(|warning| journal.warn(Task::ReadConfiguration, warning));
        task.done(&self.file.display().to_string());

        let interrupt = Interrupt::new();
        let mut supervisor = match Supervisor::new() {
            Ok(supervisor) => supervisor,
            Err(error) => {
                journal.begin(first_task).failed(&format!("signals cannot be handled: {error}"));
                return ExitCode::Failed;
            }
        };
        let start = self.reports.monitor.clone().filter(|_| !dry_run).map(StartPing::send);
        let retry = Retry::new(self.retry, interrupt.clone());
        let tools = Tools { retry, journal: journal.clone(), interrupt: interrupt.clone(), progress };
        let ended = supervisor.run(move || work(tools), self.limit.0, &interrupt);
        record_end(&journal, &ended, &interrupt, self.limit.1);

        journal.set_duration(self.begun.elapsed());
        if let Some(hook) = &self.after_hook {
            let record =
                journal.read(|record| document::text(&RunDocument::new("config", record, record.outcome().into())));
            run_after_hook(hook, &journal, record, || false);
        }
        if dry_run {
            journal.skip(Task::Report, "dry run");
        } else {
            send::send(&mut supervisor, (self.reports, self.retry), start, &journal, log.as_ref(), clock);
        }
        journal.set_duration(self.begun.elapsed());
        drop(lock);
        conclude(&journal, self.kind, verbose, self.as_json, log.is_some_and(|log| log.is_stream()))
    }
}

/// Reports an invalid configuration only in the log file and on stderr: its settings for the other reports cannot be trusted. A
/// dry run does not write to the log.
pub(super) fn refuse(file: &Path, dry_run: bool, error: &LoadError, invocation: &Invocation<'_>) -> ExitCode {
    let log = config::log_file_of_broken(file, invocation.environment);
    for line in error.lines() {
        eprintln!("scripting-system: {line}");
        let Some(log) = log.as_ref().filter(|_| !dry_run) else { continue };
        if let Err(error) = log_file::critical(log, config::LogFormat::Text, invocation.clock, &line) {
            eprintln!("scripting-system: {}", with_causes(&error));
        }
    }
    ExitCode::Configuration
}

pub(super) fn new_record(secrets: &[SecretString], today: NaiveDate, started: DateTime<FixedOffset>) -> RunRecord {
    let run_id = format!("{}-{}", started.format("%Y%m%dT%H%M%S"), std::process::id());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    RunRecord::new(run_id, host, today, started, Redaction::new(secrets))
}

fn not_locked(error: &LockError, what: &str) -> ExitCode {
    let text = with_causes(error).replacen("another run", &format!("another {what}"), 1);
    tracing::error!("{text}");
    eprintln!("scripting-system: {text}");
    match error {
        LockError::Held(_) => ExitCode::AlreadyRunning,
        LockError::Folder(_) | LockError::Io { .. } => ExitCode::Configuration,
    }
}

/// Records what ended the work early. `limit` is the key of its time limit.
fn record_end(journal: &Journal, ended: &WorkOutcome, interrupt: &Interrupt, limit: &str) {
    if let Err(interrupted) = interrupt.check() {
        journal.set_interruption(interrupted.0);
        let reason = interrupted.to_string().replace("run.deadline_minutes", limit);
        journal.stop_unfinished(&reason, interrupted.0 == Interruption::Deadline);
    }
    if let WorkOutcome::Panicked(message) = ended {
        journal.stop_unfinished(&format!("internal error, please report it: {message}"), true);
    }
}

/// Prints the result for a program, for a person or for cron, and returns the exit code. `is_logged`: the log is printed.
fn conclude(journal: &Journal, kind: Kind, verbose: u8, as_json: bool, is_logged: bool) -> ExitCode {
    journal.read(|record| {
        let mut output = io::stdout();
        // Write errors are ignored: if the output is closed, nobody is reading it.
        if as_json {
            let _ = write!(output, "{}", document::text(&RunDocument::new("config", record, record.outcome().into())));
        }
        let is_for_person = !as_json && (output.is_terminal() || record.dry_run);
        let text = match kind {
            Kind::Prune => summary::pruning(record, is_for_person),
            Kind::Run | Kind::Drill if is_for_person => summary::summary(record),
            Kind::Run | Kind::Drill => summary::cron_errors(record),
        };
        if is_for_person && !is_logged {
            let _ = write!(output, "{text}");
        } else if verbose == 0 && !is_logged {
            let _ = write!(io::stderr(), "{text}");
        }
        match &record.drill {
            Some(drill) if drill.is_misconfigured => ExitCode::Configuration,
            _ => record.outcome().into(),
        }
    })
}
