//! `status`: a check that follows the Monitoring Plugins Development Guidelines: one line on standard output, or more for the
//! jobs of a folder, and an exit code.

mod plugin_line;

use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::TimeDelta;

use crate::cli;
use crate::commands::foreground::{self, CommandError, Context, Work};
use crate::commands::invocation::Invocation;
use crate::commands::jobs::{Selected, select};
use crate::commands::recovery::{last_drill, list_once};
use crate::commands::status::plugin_line::Report;
use crate::config::{self, Environment, JobFile, LoadError, ReadBack};
use crate::destination::DestinationError;
use crate::rules::health::{self, Health, Limits};
use crate::rules::inventory::Inventory;
use crate::rules::redaction::Redaction;
use crate::runtime::error_chain::with_causes;
use crate::runtime::interrupt::Interruption;
use crate::runtime::worker::map_in_parallel;

/// How many jobs are examined at the same time.
const PARALLEL: usize = 8;

/// Checks the archives of each job and prints one line on standard output, or a line for each job of a folder.
pub fn status(arguments: &cli::Status, invocation: &Invocation<'_>) -> Health {
    let end = Instant::now() + arguments.timeout;
    let (health, text) = match select(&arguments.jobs, invocation) {
        Ok(Selected { jobs, is_folder, .. }) => {
            let examine = |job: &JobFile| (job.name.clone(), examine_one(job, arguments, end, invocation));
            let reports = map_in_parallel(&jobs, PARALLEL, examine);
            let text = match reports.as_slice() {
                [(_, report)] if !is_folder => plugin_line::line(report),
                reports => plugin_line::lines(reports),
            };
            (plugin_line::worst(&reports), text)
        }
        Err(error) => return unknown(error.lines().join("; ")),
    };
    print(&text);
    health
}

/// Examines a job until `end`.
fn examine_one(job: &JobFile, arguments: &cli::Status, end: Instant, invocation: &Invocation<'_>) -> Report {
    let min_size = arguments.min_size;
    let max_age = TimeDelta::from_std(arguments.max_age).unwrap_or(TimeDelta::MAX);
    let max_drill_age = arguments.max_drill_age.map(|age| TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX));
    let limit = end.saturating_duration_since(Instant::now());
    let load = |file: &Path, environment: &Environment| {
        config::load_to_read_back(file, environment).map(|config| with_one_attempt(config, limit))
    };
    let work = move |context: &Context| -> Work<Report> {
        let redaction = Redaction::new(&context.config.secrets());
        let report = examine(context, Limits { max_age, min_size, alarm: context.config.alarm, max_drill_age });
        context.interrupt.check()?;
        Ok(report.unwrap_or_else(|error| {
            // A problem on this machine says nothing about the archives; any other would stop a run too.
            let is_local = matches!(error, DestinationError::KnownHosts { .. });
            let health = if is_local { Health::Unknown } else { Health::Critical };
            Report::without_figures(health, redaction.clean(&with_causes(&error)))
        }))
    };
    let report = match job.without_conflicts() {
        Ok(_) if limit.is_zero() => Err(CommandError::Interrupted(Interruption::Deadline)),
        Ok(file) => foreground::run(file, invocation, load, work),
        Err(error) => Err(CommandError::Configuration(error)),
    };
    report.unwrap_or_else(|error| report_unfinished(&error, arguments.timeout))
}

/// Reports a wrong command line to a monitoring system. `error` is clap's message: the problem, an empty line, the usage.
pub fn refuse_command_line(error: &str) -> Health {
    let problem = error.split("\n\n").next().unwrap_or(error);
    let words: Vec<&str> = problem.trim_start_matches("error: ").split_whitespace().collect();
    unknown(words.join(" "))
}

fn unknown(text: String) -> Health {
    print(&plugin_line::line(&Report::without_figures(Health::Unknown, text)));
    Health::Unknown
}

/// Allows one attempt within the time limit: the monitoring system is waiting for the result and will check again soon.
fn with_one_attempt(mut config: ReadBack, timeout: Duration) -> ReadBack {
    config.run.deadline = timeout;
    config.retry.attempts = 1;
    config.sftp.timeout = config.sftp.timeout.min(timeout);
    config
}

fn examine(context: &Context, limits: Limits) -> Result<Report, DestinationError> {
    let Context { config, started, .. } = context;
    let (server, entries, free) = list_once(context, "checking the archives")?;
    tracing::info!("entries in sftp.directory: {}", entries.len());
    let inventory = Inventory::new(&entries, &config.naming, config.retention, *started);
    let checkup = health::check(&inventory, &last_drill(config), limits, *started);
    let new_key = server
        .new_fingerprint()
        .map(|key| format!("host key {key} is not known yet, compare it with the server's own"));
    Ok(Report::new(&checkup, limits, free, new_key.as_deref()))
}

/// The report of a check that did not finish.
fn report_unfinished(error: &CommandError, timeout: Duration) -> Report {
    let (health, text) = match error {
        // The guidelines count a socket's time-out as a failure of the service, not of the check.
        CommandError::Interrupted(Interruption::Deadline) => {
            let text = format!("no answer from the SFTP server within {} s (--timeout)", timeout.as_secs_f64());
            (Health::Critical, text)
        }
        CommandError::Configuration(error) => (Health::Unknown, mistakes(error)),
        CommandError::Interrupted(_) | CommandError::Failed(_) => (Health::Unknown, error.lines().join("; ")),
    };
    Report::without_figures(health, text)
}

/// The first mistake, and the number of further ones.
fn mistakes(error: &LoadError) -> String {
    let lines = error.lines();
    match lines.as_slice() {
        [first] => first.clone(),
        [first, others @ ..] => format!("{first} ({} more of this kind)", others.len()),
        [] => error.to_string(),
    }
}

fn print(line: &str) {
    // Write errors are ignored: if the output is closed, nobody is reading it.
    let _ = writeln!(io::stdout(), "{line}");
}
