//! Shared by the commands that cron runs: the record, the log file, the lock and the supervised work.

use std::io;
use std::path::Path;

use chrono::{DateTime, FixedOffset, NaiveDate};
use secrecy::SecretString;

use crate::commands::invocation::Invocation;
use crate::commands::panics::redact_panics;
use crate::config::{self, LoadError, Log};
use crate::disk::job_id::JobId;
use crate::disk::lock::{Lock, LockError};
use crate::exit_code::ExitCode;
use crate::record::journal::Journal;
use crate::record::run_record::RunRecord;
use crate::report::log::log_file::{self, LogFile};
use crate::report::log::verbose::Verbose;
use crate::rules::redaction::Redaction;
use crate::runtime::error_chain::with_causes;
use crate::runtime::interrupt::{Interrupt, Interruption};
use crate::runtime::progress::Progress;
use crate::runtime::supervisor::WorkOutcome;

/// Reports an invalid configuration only in the log file and on stderr: its settings for the other reports cannot be trusted. A dry run does
/// not write to the log.
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

pub(super) fn new_journal(
    secrets: &[SecretString],
    today: NaiveDate,
    started: DateTime<FixedOffset>,
    dry_run: bool,
) -> Journal {
    let run_id = format!("{}-{}", started.format("%Y%m%dT%H%M%S"), std::process::id());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut record = RunRecord::new(run_id, host, today, started, Redaction::new(secrets));
    record.dry_run = dry_run;
    Journal::new(record)
}

/// Directs all further messages to the log file `log` and, with `-v`, to stderr.
pub(super) fn begin_logging(
    log: Option<&Log>,
    journal: &Journal,
    invocation: &Invocation<'_>,
    progress: &Progress,
) -> Option<LogFile> {
    let (redaction, dry_run) = journal.read(|record| (record.redaction().clone(), record.dry_run));
    // A dry run writes nothing, not even a log.
    let log = log.filter(|_| !dry_run);
    let log = log.map(|log| LogFile::open(log, journal.clone(), invocation.clock.clone()));
    let verbose = (invocation.verbose > 0).then(|| {
        let progress = progress.clone();
        Verbose::new(invocation.verbose, redaction.clone(), Box::new(move |line| progress.eprint(line)))
    });
    if let Err(error) = log_file::install(log.clone(), verbose) {
        eprintln!("scripting-system: {}", with_causes(&error));
    }
    redact_panics(redaction, io::stderr);
    log
}

/// Locks the job, except for a dry run. Reports why, if it cannot.
pub(super) fn lock(file: &Path, job: &JobId, work_directory: &Path, dry_run: bool) -> Result<Option<Lock>, ExitCode> {
    if dry_run {
        return Ok(None);
    }
    Lock::acquire(file, job, work_directory).map(Some).map_err(|error| {
        let text = with_causes(&error);
        tracing::error!("{text}");
        eprintln!("scripting-system: {text}");
        match error {
            LockError::Held(_) => ExitCode::AlreadyRunning,
            LockError::Folder(_) | LockError::Io { .. } => ExitCode::Configuration,
        }
    })
}

/// Records what ended the work early.
pub(super) fn record_end(journal: &Journal, ended: &WorkOutcome, interrupt: &Interrupt) {
    if let Err(interrupted) = interrupt.check() {
        journal.set_interruption(interrupted.0);
        journal.stop_unfinished(&interrupted.to_string(), interrupted.0 == Interruption::Deadline);
    }
    if let WorkOutcome::Panicked(message) = ended {
        journal.stop_unfinished(&format!("internal error, please report it: {message}"), true);
    }
}
