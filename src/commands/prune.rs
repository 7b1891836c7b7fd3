//! `prune`: removes expired files, without a run.

use std::io::{self, IsTerminal as _, Write as _};

use crate::cli;
use crate::commands::invocation::Invocation;
use crate::commands::run::summary;
use crate::commands::unattended;
use crate::config;
use crate::exit_code::ExitCode;
use crate::pipeline::Prune;
use crate::record::journal::Journal;
use crate::record::task::Task;
use crate::report::send;
use crate::runtime::interrupt::Interrupt;
use crate::runtime::progress::Progress;
use crate::runtime::retry::Retry;
use crate::runtime::supervisor::Supervisor;

pub fn prune(arguments: &cli::Prune, invocation: &Invocation<'_>) -> ExitCode {
    let (file, dry_run, started) = (&arguments.config, arguments.dry_run, (invocation.clock)());
    let config = match config::load_to_prune(file, invocation.environment) {
        Ok(config) => config,
        Err(error) => return unattended::refuse(file, dry_run, &error, invocation),
    };
    let journal = unattended::new_journal(&config.secrets(), started.date_naive(), started, dry_run);
    let log = unattended::begin_logging(config.log.as_ref(), &journal, invocation, &Progress::on_terminal());
    let lock = match unattended::lock(file, &config.id, &config.work_directory, dry_run) {
        Ok(lock) => lock,
        Err(code) => return code,
    };
    journal.begin(Task::ReadConfiguration).done(&file.display().to_string());
    for warning in &config.warnings {
        tracing::info!("{warning}");
    }
    let interrupt = Interrupt::new();
    let mut supervisor = match Supervisor::new() {
        Ok(supervisor) => supervisor,
        Err(error) => {
            journal.begin(Task::ConnectToSftp).failed(&format!("signals cannot be handled: {error}"));
            return ExitCode::Failed;
        }
    };
    let (deadline, retry) = (config.run.deadline, Retry::new(config.retry, interrupt.clone()));
    let (journal_of_work, interrupt_of_work) = (journal.clone(), interrupt.clone());
    let prune = Prune { config, started, dry_run, journal: journal_of_work, interrupt: interrupt_of_work, retry };
    let ended = supervisor.run(move || prune.run(), deadline, &interrupt);
    unattended::record_end(&journal, &ended, &interrupt);
    send::log_counts(&journal, log.as_ref());
    drop(lock);
    conclude(&journal, invocation.verbose)
}

/// Prints the result for a person, or the errors and warnings for cron, and returns the exit code.
fn conclude(journal: &Journal, verbose: u8) -> ExitCode {
    journal.read(|record| {
        let mut output = io::stdout();
        // Write errors are ignored: if the output is closed, nobody is reading it.
        if output.is_terminal() || record.dry_run {
            let _ = write!(output, "{}", summary::pruning(record));
        }
        if verbose == 0 {
            let _ = write!(io::stderr(), "{}", summary::pruning_errors(record));
        }
        record.outcome().into()
    })
}
