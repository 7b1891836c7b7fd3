//! `run`: the nightly job.

use std::time::Instant;

use crate::cli;
use crate::commands::invocation::Invocation;
use crate::commands::recorded::{Kind, Recorded, Tools, new_record, refuse};
use crate::config;
use crate::disk::last_drill;
use crate::disk::lock::Lock;
use crate::drill;
use crate::exit_code::ExitCode;
use crate::pipeline::Job;

pub fn run(arguments: &cli::Run, invocation: &Invocation<'_>) -> ExitCode {
    let begun = Instant::now();
    let (file, started) = (&arguments.config, (invocation.clock)());
    let today = arguments.date.unwrap_or(started.date_naive());
    if today > started.date_naive() {
        eprintln!("scripting-system: --date {today} is in the future; give a date up to {}", started.date_naive());
        return ExitCode::CommandLine;
    }
    let config = match config::load(file, invocation.environment) {
        Ok(config) => config,
        Err(error) => return refuse(file, arguments.dry_run, &error, invocation),
    };
    let work_directory = &config.archive.work_directory;
    let drills =
        last_drill::read(&config.id, work_directory).or_else(|| config.drill.is_configured.then(Default::default));
    let mut record = new_record(&config.secrets(), today, started);
    record.dry_run = arguments.dry_run;
    record.has_before_hook = config.hooks.before.is_some() && !arguments.dry_run;
    record.has_after_hook = config.hooks.after.is_some() && !arguments.dry_run;
    record.last_drill = drills.map(|drills| drills.text(started));
    let lock = match arguments.dry_run {
        true => Ok(None),
        false => Lock::acquire(file, &config.id, work_directory).map(Some),
    };
    let (job, clock) = (config.clone(), invocation.clock.clone());
    let work = move |Tools { retry, journal, interrupt, progress }: Tools| {
        let dry_run = journal.read(|record| record.dry_run);
        if !dry_run {
            // A killed drill has left the data in clear.
            drill::clear_leftovers(&job.archive.work_directory);
        }
        Job { config: job, today, dry_run, clock, retry, journal, interrupt, progress }.run();
    };
    let recorded = Recorded {
        kind: Kind::Run,
        file,
        invocation,
        begun,
        record,
        log: Some(&config.log),
        warnings: &config.warnings,
        retry: config.retry,
        limit: (config.run.deadline, "run.deadline_minutes"),
        reports: config.reports.clone(),
        after_hook: config.hooks.after.clone().filter(|_| !arguments.dry_run),
        as_json: arguments.json,
    };
    recorded.run(lock, work)
}
