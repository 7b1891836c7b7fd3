//! `prune`: removes expired files, for runs whose credentials may not.

use std::time::Instant;

use crate::cli;
use crate::commands::invocation::Invocation;
use crate::commands::jobs::select_one;
use crate::commands::recorded::{Kind, Recorded, Tools, new_record, refuse};
use crate::config::{self, Reports};
use crate::destination::Server;
use crate::disk::lock::Lock;
use crate::exit_code::ExitCode;
use crate::pipeline::Removal;

pub fn prune(arguments: &cli::Prune, invocation: &Invocation<'_>) -> ExitCode {
    let (begun, dry_run, started) = (Instant::now(), arguments.dry_run, (invocation.clock)());
    let file = &match select_one(&arguments.jobs, invocation) {
        Ok(file) => file,
        Err(error) => return error.report(),
    };
    let config = match config::load_to_prune(file, invocation.environment) {
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
    };
    let config = config.clone();
    recorded.run(lock, move |Tools { retry, journal, interrupt, .. }| {
        // Sections that it does not need may have mistakes.
        config.warnings.iter().for_each(|warning| tracing::info!("{warning}"));
        let server = Server::new(&config.sftp, &interrupt, &retry, !dry_run);
        let (naming, policy, origin) = (config.naming, config.retention, config.origin);
        Removal { journal, interrupt, naming, policy, origin, dry_run }.prune(&server, config.alarm, started);
    })
}
