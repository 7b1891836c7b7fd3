//! `run`: runs the job under the supervisor, then sends the reports.

mod summary;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Instant;

use chrono::{DateTime, FixedOffset, NaiveDate};

use crate::cli;
use crate::commands::invocation::Invocation;
use crate::commands::panics::redact_panics;
use crate::config::{self, Config, LoadError};
use crate::disk::lock::{Lock, LockError};
use crate::exit_code::ExitCode;
use crate::pipeline::Job;
use crate::record::journal::Journal;
use crate::record::run_record::RunRecord;
use crate::record::task::Task;
use crate::report::log::log_file::{self, LogFile};
use crate::report::log::verbose::Verbose;
use crate::report::monitor::StartPing;
use crate::report::send;
use crate::rules::redaction::Redaction;
use crate::runtime::clock::Clock;
use crate::runtime::error_chain::with_causes;
use crate::runtime::interrupt::{Interrupt, Interruption};
use crate::runtime::progress::Progress;
use crate::runtime::retry::Retry;
use crate::runtime::supervisor::{Supervisor, WorkOutcome};

pub fn run(arguments: &cli::Run, invocation: &Invocation<'_>) -> ExitCode {
    let begun = Instant::now();
    let Invocation { verbose, clock, environment } = *invocation;
    let started = clock();
    let today = arguments.date.unwrap_or(started.date_naive());
    if today > started.date_naive() {
        eprintln!("scripting-system: --date {today} is in the future; give a date up to {}", started.date_naive());
        return ExitCode::CommandLine;
    }
    let config = match config::load(&arguments.config, environment) {
        Ok(config) => config,
        Err(error) => return refuse(arguments, &error, invocation),
    };

    let progress = Progress::on_terminal();
    let journal = Journal::new(new_record(&config, today, started, arguments.dry_run));
    let log = begin_logging(&config, &journal, clock, verbose, &progress, arguments.dry_run);
    redact_panics(Redaction::new(&config.secrets()), io::stderr);
    let lock = match lock(arguments, &config) {
        Ok(lock) => lock,
        Err(error) => return not_locked(&error),
    };
    record_configuration(&journal, &config, &arguments.config);

    let interrupt = Interrupt::new();
    let mut supervisor = match Supervisor::new() {
        Ok(supervisor) => supervisor,
        Err(error) => {
            journal.begin(Task::RequestZip).failed(&format!("signals cannot be handled: {error}"));
            return ExitCode::Failed;
        }
    };
    let start = config.monitor.clone().filter(|_| !arguments.dry_run).map(StartPing::send);
    let job = Job {
        retry: Retry::new(config.retry, interrupt.clone()),
        config: config.clone(),
        today,
        dry_run: arguments.dry_run,
        clock: clock.clone(),
        journal: journal.clone(),
        interrupt: interrupt.clone(),
        progress,
    };
    let ended = supervisor.run(move || job.run(), config.run.deadline, &interrupt);
    record_end(&journal, &ended, &interrupt);

    journal.set_duration(begun.elapsed());
    if arguments.dry_run {
        journal.skip(Task::Report, "dry run");
    } else {
        send::send(&mut supervisor, config, start, &journal, log.as_ref(), clock);
    }
    journal.set_duration(begun.elapsed());
    drop(lock);
    conclude(&journal, verbose)
}

/// Reports an invalid configuration only in the log file and on stderr: its settings for the other reports cannot be trusted. A dry run does
/// not write to the log.
fn refuse(arguments: &cli::Run, error: &LoadError, invocation: &Invocation<'_>) -> ExitCode {
    let log = config::log_file_of_broken(&arguments.config, invocation.environment);
    for line in error.lines() {
        eprintln!("scripting-system: {line}");
        let Some(log) = log.as_ref().filter(|_| !arguments.dry_run) else { continue };
        if let Err(error) = log_file::critical(log, config::LogFormat::Text, invocation.clock, &line) {
            eprintln!("scripting-system: {}", with_causes(&error));
        }
    }
    ExitCode::Configuration
}

fn new_record(config: &Config, today: NaiveDate, started: DateTime<FixedOffset>, dry_run: bool) -> RunRecord {
    let run_id = format!("{}-{}", started.format("%Y%m%dT%H%M%S"), std::process::id());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut record = RunRecord::new(run_id, host, today, started, Redaction::new(&config.secrets()));
    record.dry_run = dry_run;
    record
}

/// Directs all further messages to the log file and, with `-v`, to stderr.
fn begin_logging(
    config: &Config,
    journal: &Journal,
    clock: &Clock,
    verbose: u8,
    progress: &Progress,
    dry_run: bool,
) -> Option<LogFile> {
    // A dry run writes nothing, not even a log.
    let log = (!dry_run).then(|| LogFile::open(&config.log, journal.clone(), clock.clone()));
    let verbose = (verbose > 0).then(|| {
        let progress = progress.clone();
        Verbose::new(verbose, Redaction::new(&config.secrets()), Box::new(move |line| progress.eprint(line)))
    });
    if let Err(error) = log_file::install(log.clone(), verbose) {
        eprintln!("scripting-system: {}", with_causes(&error));
    }
    log
}

fn lock(arguments: &cli::Run, config: &Config) -> Result<Option<Lock>, LockError> {
    if arguments.dry_run {
        return Ok(None);
    }
    Lock::acquire(&arguments.config, &config.id, &config.archive.work_directory).map(Some)
}

fn not_locked(error: &LockError) -> ExitCode {
    let text = with_causes(error);
    tracing::error!("{text}");
    eprintln!("scripting-system: {text}");
    match error {
        LockError::Held(_) => ExitCode::AlreadyRunning,
        LockError::Folder(_) | LockError::Io { .. } => ExitCode::Configuration,
    }
}

fn record_configuration(journal: &Journal, config: &Config, path: &Path) {
    let task = journal.begin(Task::ReadConfiguration);
    for warning in &config.warnings {
        journal.warn(Task::ReadConfiguration, warning);
    }
    task.done(&path.display().to_string());
}

/// Records what ended the job early.
fn record_end(journal: &Journal, ended: &WorkOutcome, interrupt: &Interrupt) {
    if let Err(interrupted) = interrupt.check() {
        journal.set_interruption(interrupted.0);
        journal.stop_unfinished(&interrupted.to_string(), interrupted.0 == Interruption::Deadline);
    }
    if let WorkOutcome::Panicked(message) = ended {
        journal.stop_unfinished(&format!("internal error, please report it: {message}"), true);
    }
}

/// Prints the result for a person or for cron, and returns the exit code.
fn conclude(journal: &Journal, verbose: u8) -> ExitCode {
    journal.read(|record| {
        let mut output = io::stdout();
        // Write errors are ignored: if the output is closed, nobody is reading it.
        if output.is_terminal() || record.dry_run {
            let _ = write!(output, "{}", summary::summary(record));
        } else if verbose == 0 {
            let _ = write!(io::stderr(), "{}", summary::cron_errors(record));
        }
        record.outcome().into()
    })
}
