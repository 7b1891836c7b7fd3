//! Work with a record: a lock, a log, a time limit and reports. Shared by `run`, `drill` and `prune`.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::slice;
use std::time::{Duration, Instant};

use chrono::{DateTime, FixedOffset, NaiveDate};
use secrecy::SecretString;
use tracing::{Dispatch, dispatcher};

use crate::commands::foreground::begin_logging;
use crate::commands::invocation::Invocation;
use crate::commands::summary;
use crate::config::{self, Hook, LoadError, Log, Reports};
use crate::disk::lock::{Lock, LockError};
use crate::exit_code::ExitCode;
use crate::pipeline::run_after_hook;
use crate::record::journal::Journal;
use crate::record::run_record::{self, Outcome, RunRecord};
use crate::record::task::Task;
use crate::report::document::{self, RunDocument};
use crate::report::log::log_file::{self, LogFile};
use crate::report::monitor::StartPing;
use crate::report::send::{self, Reported};
use crate::rules::redaction::Redaction;
use crate::runtime::error_chain::with_causes;
use crate::runtime::interrupt::{Interrupt, Interruption};
use crate::runtime::progress::Progress;
use crate::runtime::retry::{Retry, RetryPolicy};
use crate::runtime::supervisor::{Signals, Supervisor, WorkOutcome};

/// For the after hook, from the signal.
const LIMIT_AFTER_SIGNAL: Duration = Duration::from_secs(3);

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
    /// Whether to ping the monitor at the start.
    pub(super) pings_at_start: bool,
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

/// Why the work did not begin.
pub(super) struct NotBegun {
    pub(super) why: run_record::NotBegun,
    pub(super) reason: String,
}

impl Recorded<'_> {
    /// Does `work` while it holds the lock, and reports the outcome. A dry run neither logs nor reports.
    pub(super) fn run(
        self,
        lock: Result<Option<Lock>, LockError>,
        work: impl FnOnce(Tools) + Send + 'static,
    ) -> ExitCode {
        let Recorded { kind, as_json, begun, invocation, .. } = self;
        let (verbose, clock, dry_run) = (invocation.verbose, invocation.clock, self.record.dry_run);
        let signals = match self.invocation.signals() {
            Ok(signals) => signals,
            Err(error) => {
                eprintln!("scripting-system: {error}");
                return ExitCode::Failed;
            }
        };
        let progress = Progress::on_terminal();
        let (journal, log) = self.open_log();
        let lines = begin_logging(log.clone(), self.invocation, &journal.read(|it| it.redaction().clone()), &progress);
        let _lines = dispatcher::set_default(&lines);
        let is_logged = log.as_ref().is_some_and(LogFile::is_stream);
        let opened = (journal.clone(), log, lines);
        let (job, _lock) = match self.work(opened, &signals, progress, lock, work) {
            Ok(ended) => ended,
            Err(NotBegun { why, reason }) => {
                if as_json {
                    print_not_begun(journal.read(RunRecord::clone), why, slice::from_ref(&reason));
                }
                eprintln!("scripting-system: {reason}");
                return Outcome::NotBegun(why).into();
            }
        };
        if dry_run {
            journal.skip(Task::Report, "dry run");
        } else {
            send::send(&mut Supervisor::new(&signals), vec![job], false, clock);
        }
        journal.set_duration(begun.elapsed());
        conclude(&journal, kind, verbose, as_json, is_logged)
    }

    /// The record as a journal, and the log file, except in a dry run.
    pub(super) fn open_log(&self) -> (Journal, Option<LogFile>) {
        let journal = Journal::new(self.record.clone());
        let log = self.log.filter(|_| !self.record.dry_run).map(|log| log.with_document(self.as_json));
        let log = log.map(|log| LogFile::open(&log, journal.clone(), self.invocation.clock.clone()));
        (journal, log)
    }

    /// Does `work` while it holds the lock. This thread must already log to the dispatcher in `log`. Also returns the lock: dropping
    /// it lets the next run begin.
    pub(super) fn work(
        self,
        (journal, log, lines): (Journal, Option<LogFile>, Dispatch),
        signals: &Signals,
        progress: Progress,
        lock: Result<Option<Lock>, LockError>,
        work: impl FnOnce(Tools) + Send + 'static,
    ) -> Result<(Reported, Option<Lock>), NotBegun> {
        let lock = lock.map_err(|error| not_locked(&error, if self.kind == Kind::Drill { "drill" } else { "run" }))?;
        let task = journal.begin(Task::ReadConfiguration);
        self.warnings.iter().for_each(|warning| journal.warn(Task::ReadConfiguration, warning));
        task.done(&self.file.display().to_string());

        let interrupt = Interrupt::new();
        let start = self.reports.monitor.clone().filter(|_| self.pings_at_start && !self.record.dry_run);
        let start = start.map(StartPing::send);
        let retry = Retry::new(self.retry, interrupt.clone());
        let tools = Tools { retry, journal: journal.clone(), interrupt: interrupt.clone(), progress };
        let ended = Supervisor::new(signals).run(move || work(tools), self.limit.0, &interrupt);
        record_end(&journal, &ended, &interrupt, self.limit.1);
        journal.set_duration(self.begun.elapsed());
        if let Some(hook) = &self.after_hook {
            let record = journal.read(|record| document::text(&RunDocument::new(record)));
            let is_over = || signals.age().is_some_and(|age| age >= LIMIT_AFTER_SIGNAL);
            run_after_hook(hook, &journal, record, is_over);
            journal.set_duration(self.begun.elapsed());
        }
        let (reports, retry) = (Some(self.reports), Some(self.retry));
        Ok((Reported { reports, retry, start, journal, log, lines }, lock))
    }
}

/// Reports an invalid configuration only in the log file and on stderr: its settings for the other reports cannot be trusted.
pub(super) fn refuse(file: &Path, dry_run: bool, error: &LoadError, invocation: &Invocation<'_>) -> ExitCode {
    log_refusal(file, dry_run, error, invocation).iter().for_each(|line| eprintln!("scripting-system: {line}"));
    ExitCode::Configuration
}

/// Logs why the configuration cannot be used, except in a dry run. Returns the lines.
pub(super) fn log_refusal(file: &Path, dry_run: bool, error: &LoadError, invocation: &Invocation<'_>) -> Vec<String> {
    let log = config::log_file_of_broken(file, invocation.environment).filter(|_| !dry_run);
    let mut lines = error.lines();
    if let Some(log) = log {
        let log = |line| log_file::critical(&log, config::LogFormat::Text, invocation.clock, line).err();
        let errors: Vec<String> = lines.iter().filter_map(|line| Some(with_causes(&log(line)?))).collect();
        lines.extend(errors);
    }
    lines
}

pub(super) fn new_record(
    name: &str,
    secrets: &[SecretString],
    today: NaiveDate,
    started: DateTime<FixedOffset>,
) -> RunRecord {
    let run_id = format!("{}-{}", started.format("%Y%m%dT%H%M%S"), std::process::id());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut record = RunRecord::new(run_id, host, today, started, Redaction::new(secrets));
    record.name = name.to_owned();
    record
}

fn not_locked(error: &LockError, what: &str) -> NotBegun {
    let reason = with_causes(error).replacen("another run", &format!("another {what}"), 1);
    tracing::error!("{reason}");
    let why = match error {
        LockError::Held(_) => run_record::NotBegun::AlreadyRunning,
        LockError::Folder(_) | LockError::Io { .. } => run_record::NotBegun::Misconfigured,
    };
    NotBegun { why, reason }
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

/// Prints the `record` of a job that did not begin as a JSON document.
pub(super) fn print_not_begun(mut record: RunRecord, why: run_record::NotBegun, reasons: &[String]) {
    record.set_not_begun(why, reasons);
    let _ = write!(io::stdout(), "{}", document::text(&RunDocument::new(&record)));
}

/// Prints the result for a program, for a person or for cron, and returns the exit code. `is_logged`: the log was printed.
fn conclude(journal: &Journal, kind: Kind, verbose: u8, as_json: bool, is_logged: bool) -> ExitCode {
    journal.read(|record| {
        let mut output = io::stdout();
        // Write errors are ignored: if the output is closed, nobody is reading it.
        if as_json {
            let _ = write!(output, "{}", document::text(&RunDocument::new(record)));
        }
        let is_for_person = !as_json && (output.is_terminal() || record.dry_run);
        let text = match kind {
            Kind::Prune => summary::pruning(record, is_for_person),
            Kind::Run | Kind::Drill if is_for_person => summary::summary(record),
            Kind::Run | Kind::Drill => summary::cron_errors(record, false),
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
