//! `run`: runs the job under the supervisor, then sends the reports.

pub(super) mod summary;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Instant;

use crate::cli;
use crate::commands::invocation::Invocation;
use crate::commands::unattended;
use crate::config::{self, Config};
use crate::exit_code::ExitCode;
use crate::pipeline::Job;
use crate::record::journal::Journal;
use crate::record::task::Task;
use crate::report::monitor::StartPing;
use crate::report::send;
use crate::runtime::interrupt::Interrupt;
use crate::runtime::progress::Progress;
use crate::runtime::retry::Retry;
use crate::runtime::supervisor::Supervisor;

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
        Err(error) => return unattended::refuse(&arguments.config, arguments.dry_run, &error, invocation),
    };

    let progress = Progress::on_terminal();
    let journal = unattended::new_journal(&config.secrets(), today, started, arguments.dry_run);
    let log = unattended::begin_logging(Some(&config.log), &journal, invocation, &progress);
    let lock = unattended::lock(&arguments.config, &config.id, &config.archive.work_directory, arguments.dry_run);
    let lock = match lock {
        Ok(lock) => lock,
        Err(code) => return code,
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
    unattended::record_end(&journal, &ended, &interrupt);

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

fn record_configuration(journal: &Journal, config: &Config, path: &Path) {
    let task = journal.begin(Task::ReadConfiguration);
    for warning in &config.warnings {
        journal.warn(Task::ReadConfiguration, warning);
    }
    task.done(&path.display().to_string());
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
