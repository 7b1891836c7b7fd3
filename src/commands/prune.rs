//! `prune`: removes expired files, for runs whose credentials may not.

use std::io::{self, IsTerminal as _};
use std::time::Instant;

use crate::cli;
use crate::commands::invocation::Invocation;
use crate::commands::jobs::for_each;
use crate::commands::recorded::{Kind, Recorded, Tools, new_record, refuse};
use crate::config::{self, JobFile, Reports};
use crate::destination::Server;
use crate::disk::lock::Lock;
use crate::exit_code::ExitCode;
use crate::pipeline::Removal;

pub fn prune(arguments: &cli::Prune, invocation: &Invocation<'_>) -> ExitCode {
    let is_for_person = arguments.dry_run || io::stdout().is_terminal();
    for_each(&arguments.jobs, invocation, is_for_person, |job| Ok(prune_job(job, arguments.dry_run, invocation)))
}

fn prune_job(job: &JobFile, dry_run: bool, invocation: &Invocation<'_>) -> ExitCode {
    let (begun, file, started) = (Instant::now(), &job.file, (invocation.clock)());
    let config = job.without_conflicts().and_then(|file| config::load_to_prune(file, invocation.environment));
    let config = match config {
        Ok(config) => config,
        Err(error) => return refuse(file, dry_run, &error, invocation),
    };
    let mut record = new_record(&config.name, &config.secrets(), started.date_naive(), started);
    record.dry_run = dry_run;
    let lock = (!dry_run).then(|| Lock::acquire(file, &config.id, &config.work_directory)).transpose();
    let recorded = Recorded {
        kind: Kind::Prune,
        file,
        invocation,
        begun,
        record,
        log: config.log.as_ref(),
        warnings: &[],
        retry: config.retry,
        limit: (config.run.deadline, "run.deadline_minutes"),
        reports: Reports::default(),
        pings_at_start: true,
        after_hook: None,
        as_json: false,
    };
    let (config, accounts) = (config.clone(), invocation.accounts.clone());
    recorded.run(lock, move |Tools { retry, journal, interrupt, .. }| {
        // Sections that it does not need may have mistakes.
        config.warnings.iter().for_each(|warning| tracing::info!("{warning}"));
        let server = Server::new(&config.sftp, &interrupt, &retry, (!dry_run, accounts));
        let (naming, policy, origin) = (config.naming, config.retention, config.origin);
        Removal { journal, interrupt, naming, policy, origin, dry_run }.prune(&server, config.alarm, started);
    })
}
