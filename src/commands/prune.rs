//! `prune`: removes expired files, for runs whose credentials may not.

use std::io::{self, IsTerminal as _, Write as _};

use crate::cli;
use crate::commands::invocation::Invocation;
use crate::commands::run::{begin_logging, lock, new_journal, record_end, refuse, summary};
use crate::config;
use crate::destination::Server;
use crate::disk::job_id::JobId;
use crate::exit_code::ExitCode;
use crate::pipeline::Removal;
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
        Err(error) => return refuse(file, dry_run, &error, invocation),
    };
    let journal = new_journal(&config.secrets(), started.date_naive(), started, dry_run);
    let log = begin_logging(&config.log, &journal, invocation, &Progress::on_terminal());
    let lock = match lock(file, &JobId::new(file), &config.work_directory, dry_run) {
        Ok(lock) => lock,
        Err(code) => return code,
    };
    journal.begin(Task::ReadConfiguration).done(&file.display().to_string());
    config.warnings.iter().for_each(|warning| tracing::info!("{warning}"));
    let interrupt = Interrupt::new();
    let mut supervisor = match Supervisor::new() {
        Ok(supervisor) => supervisor,
        Err(error) => {
            journal.begin(Task::ConnectToSftp).failed(&format!("signals cannot be handled: {error}"));
            return ExitCode::Failed;
        }
    };
    let server = Server::new(&config.sftp, &interrupt, &Retry::new(config.retry, interrupt.clone()), !dry_run);
    let removal = Removal {
        journal: journal.clone(),
        interrupt: interrupt.clone(),
        naming: config.naming,
        policy: config.retention,
        origin: config.origin,
        dry_run,
    };
    let ended = supervisor.run(move || removal.prune(&server, config.alarm, started), config.run.deadline, &interrupt);
    record_end(&journal, &ended, &interrupt);
    send::log_counts(&journal, log.as_ref());
    drop(lock);
    journal.read(|record| {
        let mut output = io::stdout();
        let is_for_person = output.is_terminal() || dry_run;
        let text = summary::pruning(record, is_for_person);
        // Write errors are ignored: if the output is closed, nobody is reading it.
        if is_for_person {
            let _ = output.write_all(text.as_bytes());
        } else if invocation.verbose == 0 {
            let _ = io::stderr().write_all(text.as_bytes());
        }
        record.outcome().into()
    })
}
