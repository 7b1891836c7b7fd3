//! `run`: a night's work, under supervision, and the reports of it.

mod reports;
mod watchers;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Instant;

use chrono::{DateTime, FixedOffset, NaiveDate};

use self::watchers::StartPing;
use super::panics::redact_panics;
use super::supervisor::{Ended, Supervisor};
use crate::cli;
use crate::clock::Clock;
use crate::config::{self, Config, Environment, LoadError};
use crate::error_chain::told;
use crate::exit_code::ExitCode;
use crate::interrupt::Interrupt;
use crate::journal::Journal;
use crate::lock::{Lock, LockError};
use crate::pipeline::Job;
use crate::progress::Progress;
use crate::report::log_file::{self, LogFile};
use crate::report::message;
use crate::report::verbose::Verbose;
use crate::retry::Retry;
use crate::rules::redaction::Redaction;
use crate::run_record::{Interruption, RunRecord, SharedRecord, Task};

/// Does what `arguments` ask for and tells about it; `verbose` counts the `-v`.
pub fn run(arguments: &cli::Run, verbose: u8, clock: &Clock, environment: &Environment) -> ExitCode {
    let begun = Instant::now();
    let started = clock();
    let today = arguments.date.unwrap_or(started.date_naive());
    if today > started.date_naive() {
        eprintln!("scripting-system: --date {today} is yet to come; give a date up to {}", started.date_naive());
        return ExitCode::CommandLine;
    }
    let config = match config::load(&arguments.config, environment) {
        Ok(config) => config,
        Err(error) => return refuse(arguments, &error, clock, environment),
    };

    let progress = Progress::on_terminal();
    let record = SharedRecord::new(new_record(&config, today, started, arguments.dry_run));
    let log = begin_log(&config, &record, clock, verbose, &progress, arguments.dry_run);
    redact_panics(Redaction::new(&config.secrets()), io::stderr);
    let journal = Journal::new(record.clone());
    let lock = match lock(arguments, &config) {
        Ok(lock) => lock,
        Err(error) => return under_way(&error),
    };
    tell_configuration(&journal, &config, &arguments.config);

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
    tell_end(&journal, &ended, &interrupt);

    record.lock().duration = begun.elapsed();
    if arguments.dry_run {
        journal.skip(Task::Report, "dry run");
    } else {
        reports::send(&mut supervisor, config, start, &journal, log.as_ref(), clock);
    }
    record.lock().duration = begun.elapsed();
    drop(lock);
    conclude(&record, verbose)
}

/// A configuration that cannot be used is told in the log file and on stderr, and nowhere else: nothing in it can be
/// trusted. A dry run leaves the log alone here too.
fn refuse(arguments: &cli::Run, error: &LoadError, clock: &Clock, environment: &Environment) -> ExitCode {
    let log = config::log_of_broken(&arguments.config, environment);
    for line in error.lines() {
        eprintln!("scripting-system: {line}");
        let Some(log) = log.as_ref().filter(|_| !arguments.dry_run) else { continue };
        if let Err(error) = log_file::critical(log, config::LogFormat::Text, clock, &line) {
            eprintln!("scripting-system: {}", told(&error));
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

/// From here on, what the program tells reaches the log file, and stderr where `-v` asks for it.
fn begin_log(
    config: &Config,
    record: &SharedRecord,
    clock: &Clock,
    verbose: u8,
    progress: &Progress,
    dry_run: bool,
) -> Option<LogFile> {
    // A dry run leaves no trace, in the log either.
    let log = (!dry_run).then(|| LogFile::open(&config.log, record.clone(), clock.clone()));
    let verbose = (verbose > 0).then(|| {
        let progress = progress.clone();
        Verbose::new(verbose, Redaction::new(&config.secrets()), Box::new(move |line| progress.show(line)))
    });
    if let Err(error) = log_file::install(log.clone(), verbose) {
        eprintln!("scripting-system: {}", told(&error));
    }
    log
}

fn lock(arguments: &cli::Run, config: &Config) -> Result<Option<Lock>, LockError> {
    if arguments.dry_run {
        return Ok(None);
    }
    Lock::acquire(&arguments.config, &config.id, &config.archive.work_directory).map(Some)
}

fn under_way(error: &LockError) -> ExitCode {
    let text = told(error);
    tracing::error!("{text}");
    eprintln!("scripting-system: {text}");
    match error {
        LockError::Held(_) => ExitCode::UnderWay,
        LockError::Folder(_) | LockError::Io { .. } => ExitCode::Configuration,
    }
}

fn tell_configuration(journal: &Journal, config: &Config, path: &Path) {
    let task = journal.begin(Task::ReadConfiguration);
    for warning in &config.warnings {
        journal.warn(Task::ReadConfiguration, warning);
    }
    task.done(&path.display().to_string());
}

/// Tells what ended the job, where it did not end by itself.
fn tell_end(journal: &Journal, ended: &Ended, interrupt: &Interrupt) {
    if let Err(interrupted) = interrupt.check() {
        journal.record().lock().interruption = Some(interrupted.0);
        journal.cut_off(&interrupted.to_string(), interrupted.0 == Interruption::Deadline);
    }
    if let Ended::Panicked(message) = ended {
        journal.cut_off(&format!("internal error, please report it: {message}"), true);
    }
}

/// What a person or cron is told at the very end.
fn conclude(record: &SharedRecord, verbose: u8) -> ExitCode {
    let record = record.lock();
    let mut output = io::stdout();
    // Where the output is closed, nobody wants to read it.
    if output.is_terminal() || record.dry_run {
        let _ = write!(output, "{}", message::summary(&record));
    } else if verbose == 0 {
        let _ = write!(io::stderr(), "{}", message::cron_errors(&record));
    }
    record.outcome().into()
}
