//! `status`: a check by the Monitoring Plugins Development Guidelines: one line on standard output, and an exit code.

mod plugin_line;

use std::io::{self, Write as _};
use std::time::Duration;

use chrono::TimeDelta;

use crate::cli;
use crate::commands::foreground::{self, Fault, Site, Surroundings, Work};
use crate::config::{self, Environment, LoadError, ReadBack};
use crate::destination::{DestinationError, Server};
use crate::rules::health::{self, Bounds, Health};
use crate::rules::inventory::Inventory;
use crate::rules::redaction::Redaction;
use crate::runtime::clock::Clock;
use crate::runtime::error_chain::with_causes;
use crate::runtime::interrupt::Interruption;

/// What a check comes to.
struct Answer {
    health: Health,
    line: String,
}

/// Checks what `arguments` ask for and tells it in one line on standard output; `verbose` counts the `-v`.
pub fn status(arguments: &cli::Status, verbose: u8, clock: &Clock, environment: &Environment) -> Health {
    let surroundings =
        Surroundings { config: &arguments.config, load: config::load_to_read_back, verbose, clock, environment };
    let (timeout, min_size) = (arguments.timeout, arguments.min_size);
    let max_age = TimeDelta::from_std(arguments.max_age).unwrap_or(TimeDelta::MAX);
    let answer = foreground::run_with(
        &surroundings,
        |config| hurry(config, timeout),
        move |site| -> Work<Answer> {
            let redaction = Redaction::new(&site.config.secrets());
            let bounds = Bounds { max_age, min_size, alarm: site.config.alarm };
            let answer = ask(site, bounds);
            site.interrupt.check()?;
            Ok(answer.unwrap_or_else(|error| {
                // What lies on this machine says nothing about the archives; all else would keep a run from them too.
                let is_local = matches!(error, DestinationError::KnownHosts { .. });
                let health = if is_local { Health::Unknown } else { Health::Critical };
                Answer { health, line: plugin_line::plain_check_line(health, &redaction.clean(&with_causes(&error))) }
            }))
        },
    );
    let Answer { health, line } = answer.unwrap_or_else(|fault| unanswered(&fault, timeout));
    print(&line);
    health
}

/// Tells a monitoring system that the command line is wrong; `error` is what is wrong with it, the usage after an empty
/// line.
pub fn refuse_command_line(error: &str) -> Health {
    let problem = error.split("\n\n").next().unwrap_or(error);
    let words: Vec<&str> = problem.trim_start_matches("error: ").split_whitespace().collect();
    print(&plugin_line::plain_check_line(Health::Unknown, &words.join(" ")));
    Health::Unknown
}

/// One connection, one attempt: who monitors asks again, and waits for an answer meanwhile.
fn hurry(config: &mut ReadBack, timeout: Duration) {
    config.run.deadline = timeout;
    config.retry.attempts = 1;
    config.sftp.timeout = config.sftp.timeout.min(timeout);
}

fn ask(site: &Site, bounds: Bounds) -> Result<Answer, DestinationError> {
    let Site { config, interrupt, retry, .. } = site;
    let server = Server::new(&config.sftp, interrupt, retry, false);
    let ((entries, free), connection) = server.with_connection("checking the archives", None, |connection| {
        Ok((connection.list()?, connection.free_space()))
    })?;
    // Everything is known: how the connection ends no longer matters.
    let _ = connection.close();
    tracing::info!("entries in sftp.directory: {}", entries.len());
    let inventory = Inventory::of(&entries, &config.naming, config.retention, site.started);
    let checkup = health::examine(&inventory, bounds, site.started);
    let new_key = server
        .new_fingerprint()
        .map(|key| format!("host key {key} is not known yet, compare it with the server's own"));
    let line = plugin_line::check_line(&checkup, bounds, free, new_key.as_deref());
    Ok(Answer { health: checkup.health(), line })
}

/// What a check that did not come to its end is told as.
fn unanswered(fault: &Fault, timeout: Duration) -> Answer {
    let (health, text) = match fault {
        // The guidelines count a socket's time-out as the service's fault, not as the check's.
        Fault::Interrupted(Interruption::Deadline) => {
            let text = format!("no answer from the SFTP server within {} s (--timeout)", timeout.as_secs_f64());
            (Health::Critical, text)
        }
        Fault::Configuration(error) => (Health::Unknown, mistakes(error)),
        Fault::Interrupted(_) | Fault::Failed(_) => (Health::Unknown, fault.lines().join("; ")),
    };
    Answer { health, line: plugin_line::plain_check_line(health, &text) }
}

/// The first mistake, and how many more there are.
fn mistakes(error: &LoadError) -> String {
    let lines = error.lines();
    match lines.as_slice() {
        [first] => first.clone(),
        [first, others @ ..] => format!("{first} ({} more of this kind)", others.len()),
        [] => error.to_string(),
    }
}

fn print(line: &str) {
    // Where the output is closed, nobody wants to read it.
    let _ = writeln!(io::stdout(), "{line}");
}
