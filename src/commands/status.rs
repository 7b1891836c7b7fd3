//! `status`: a check that follows the Monitoring Plugins Development Guidelines: one line on standard output and an exit code.

mod plugin_line;

use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;

use crate::cli;
use crate::commands::foreground::{self, CommandError, Context, Work};
use crate::commands::invocation::Invocation;
use crate::commands::jobs::select_one;
use crate::commands::recovery::{last_drill, list_once};
use crate::config::{self, Environment, LoadError, ReadBack};
use crate::destination::DestinationError;
use crate::rules::health::{self, Health, Limits};
use crate::rules::inventory::Inventory;
use crate::rules::redaction::Redaction;
use crate::runtime::error_chain::with_causes;
use crate::runtime::interrupt::Interruption;

struct Report {
    health: Health,
    line: String,
}

/// Checks the archives and prints one line on standard output.
pub fn status(arguments: &cli::Status, invocation: &Invocation<'_>) -> Health {
    let (timeout, min_size) = (arguments.timeout, arguments.min_size);
    let file = match select_one(&arguments.jobs, invocation) {
        Ok(file) => file,
        Err(error) => {
            print(&plugin_line::plain_line(Health::Unknown, &error.lines().join("; ")));
            return Health::Unknown;
        }
    };
    let max_age = TimeDelta::from_std(arguments.max_age).unwrap_or(TimeDelta::MAX);
    let max_drill_age = arguments.max_drill_age.map(|age| TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX));
    let load = |file: &Path, environment: &Environment| {
        config::load_to_read_back(file, environment).map(|config| with_one_attempt(config, timeout))
    };
    let report = foreground::run(&file, invocation, load, move |context| -> Work<Report> {
        let redaction = Redaction::new(&context.config.secrets());
        let report = examine(context, Limits { max_age, min_size, alarm: context.config.alarm, max_drill_age });
        context.interrupt.check()?;
        Ok(report.unwrap_or_else(|error| {
            // A problem on this machine says nothing about the archives; any other would stop a run too.
            let is_local = matches!(error, DestinationError::KnownHosts { .. });
            let health = if is_local { Health::Unknown } else { Health::Critical };
            Report { health, line: plugin_line::plain_line(health, &redaction.clean(&with_causes(&error))) }
        }))
    });
    let Report { health, line } = report.unwrap_or_else(|error| report_unfinished(&error, timeout));
    print(&line);
    health
}

/// Reports a wrong command line to a monitoring system. `error` is clap's message: the problem, an empty line, the usage.
pub fn refuse_command_line(error: &str) -> Health {
    let problem = error.split("\n\n").next().unwrap_or(error);
    let words: Vec<&str> = problem.trim_start_matches("error: ").split_whitespace().collect();
    print(&plugin_line::plain_line(Health::Unknown, &words.join(" ")));
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
    let line = plugin_line::line(&checkup, limits, free, new_key.as_deref());
    Ok(Report { health: checkup.health(), line })
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
    Report { health, line: plugin_line::plain_line(health, &text) }
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
