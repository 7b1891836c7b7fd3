//! Prepares one job.

use std::path::Path;
use std::time::Instant;

use chrono::{DateTime, FixedOffset, NaiveDate};
use secrecy::SecretString;

use crate::commands::invocation::Invocation;
use crate::commands::recorded::{Kind, Recorded, Tools, new_record};
use crate::config::Config;
use crate::disk::last_drill;
use crate::disk::lock::{Lock, LockError};
use crate::drill;
use crate::pipeline::Job;
use crate::record::run_record::RunRecord;

/// What all jobs of an invocation have in common.
pub(super) struct Night {
    /// The date of the run.
    pub(super) today: NaiveDate,
    pub(super) started: DateTime<FixedOffset>,
    pub(super) dry_run: bool,
    /// Whether to print the record as a JSON document.
    pub(super) as_json: bool,
    /// Whether the jobs are those of a folder.
    pub(super) is_folder: bool,
}

impl Night {
    /// The record of the job `name`. In a folder, its name is a part of the run's ID.
    pub(super) fn record(&self, name: &str, secrets: &[SecretString]) -> RunRecord {
        let mut record = new_record(name, secrets, self.today, self.started);
        if self.is_folder {
            record.run_id += &format!("-{}", name.replace(|c: char| c.is_whitespace() || c == ']', "_"));
        }
        record.dry_run = self.dry_run;
        record
    }
}

/// A job to run, its lock, and its work.
pub(super) type Prepared<'a> = (Recorded<'a>, Result<Option<Lock>, LockError>, Box<dyn FnOnce(Tools) + Send>);

/// Prepares the job in `file`, which began at `begun`.
pub(super) fn prepare<'a>(
    file: &'a Path,
    config: &'a Config,
    begun: Instant,
    night: &Night,
    invocation: &'a Invocation<'a>,
) -> Prepared<'a> {
    let Night { today, started, dry_run, .. } = *night;
    let work_directory = &config.archive.work_directory;
    let drills =
        last_drill::read(&config.id, work_directory).or_else(|| config.drill.is_configured.then(Default::default));
    let mut record = night.record(&config.name, &config.secrets());
    record.has_before_hook = config.hooks.before.is_some() && !dry_run;
    record.has_after_hook = config.hooks.after.is_some() && !dry_run;
    record.last_drill = drills.map(|drills| drills.text(started));
    let lock = match dry_run {
        true => Ok(None),
        false => Lock::acquire(file, &config.id, work_directory).map(Some),
    };
    let (job, clock, accounts) = (config.clone(), invocation.clock.clone(), invocation.accounts.clone());
    let work = move |Tools { retry, journal, interrupt, progress }: Tools| {
        if !dry_run {
            // A killed drill has left the data in clear.
            drill::clear_leftovers(&job.archive.work_directory);
        }
        Job { config: job, today, dry_run, clock, accounts, retry, journal, interrupt, progress }.run();
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
        pings_at_start: true,
        after_hook: config.hooks.after.clone().filter(|_| !dry_run),
        as_json: night.as_json,
    };
    (recorded, lock, Box::new(work))
}
