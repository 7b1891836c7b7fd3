//! What the commands share that somebody waits for: the configuration, signals, progress, and how a fault is told.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use secrecy::SecretString;

use crate::commands::panics::redact_panics;
use crate::config::{Config, Environment, LoadError, ReadBack};
use crate::destination::Server;
use crate::exit_code::ExitCode;
use crate::report::log::log_file;
use crate::report::log::verbose::Verbose;
use crate::rules::redaction::Redaction;
use crate::runtime::clock::Clock;
use crate::runtime::error_chain::with_causes;
use crate::runtime::interrupt::Interrupt;
use crate::runtime::interrupt::Interruption;
use crate::runtime::progress::Progress;
use crate::runtime::retry::{Retry, RetryPolicy};
use crate::runtime::supervisor::{Ended, Supervisor};

/// What every command takes from its configuration, whatever else it needs of it.
pub(super) struct Basics {
    /// What no message may repeat.
    secrets: Vec<SecretString>,
    /// What is noteworthy about the file itself, one sentence each.
    warnings: Vec<String>,
    /// How often transient errors are retried.
    retry: RetryPolicy,
    /// How long the command may take.
    deadline: Duration,
}

/// A configuration that a command can be run with.
pub(super) trait Settings: Send + 'static {
    /// What every command takes from it.
    fn basics(&self) -> Basics;
}

impl Settings for Config {
    fn basics(&self) -> Basics {
        let (secrets, warnings) = (self.secrets(), self.warnings.clone());
        Basics { secrets, warnings, retry: self.retry, deadline: self.run.deadline }
    }
}

impl Settings for ReadBack {
    fn basics(&self) -> Basics {
        let (secrets, warnings) = (self.secrets(), self.warnings.clone());
        Basics { secrets, warnings, retry: self.retry, deadline: self.run.deadline }
    }
}

/// What a command has at hand.
pub(super) struct Site<C = ReadBack> {
    /// The validated configuration.
    pub(super) config: C,
    /// When the command began, in the job's zone.
    pub(super) started: DateTime<FixedOffset>,
    /// Ends the command before its end.
    pub(super) interrupt: Interrupt,
    /// Meets passing faults.
    pub(super) retry: Retry,
    /// Shows transfers to whoever watches.
    pub(super) progress: Progress,
}

impl<C> Site<C> {
    /// Says on stderr which host key `server` has shown, where it is not known yet. Only a run remembers it, as its reports
    /// tell it to everybody.
    pub(super) fn tell_first_contact(&self, server: &Server) {
        if let Some(fingerprint) = server.new_fingerprint() {
            self.progress.show(&format!(
                "scripting-system: the host key {fingerprint} is not known yet; compare it with the server's own, or pin that \
                 one with sftp.host_key, before the first run trusts it"
            ));
        }
    }
}

/// What a command's work comes to: an exit code mostly, or what kept it from its end.
pub(super) type Work<Value = ExitCode> = Result<Value, Box<dyn Error + Send + Sync>>;

/// Why a command has not come to its end.
#[derive(Debug)]
pub(super) enum Fault {
    /// The configuration cannot be used.
    Configuration(LoadError),
    /// This happened, told without secrets.
    Failed(String),
    /// A signal, or the end of `run.deadline_minutes`.
    Interrupted(Interruption),
}

/// Where a command finds what it needs.
pub(super) struct Surroundings<'a, C> {
    /// The configuration file.
    pub(super) config: &'a Path,
    /// How it is read.
    pub(super) load: fn(&Path, &Environment) -> Result<C, LoadError>,
    /// How many `-v` were given.
    pub(super) verbose: u8,
    /// The time.
    pub(super) clock: &'a Clock,
    /// The environment's variables.
    pub(super) environment: &'a Environment,
}

/// Does `work` with what the configuration gives, until it ends, a signal comes, or `run.deadline_minutes` have passed.
///
/// # Errors
/// What kept it from its end.
pub(super) fn run<C: Settings>(
    surroundings: &Surroundings<'_, C>,
    work: impl FnOnce(&Site<C>) -> Work + Send + 'static,
) -> Result<ExitCode, Fault> {
    run_with(surroundings, |_| (), work)
}

/// The same, after `adjust` has had its way with the configuration.
///
/// # Errors
/// What kept it from its end.
pub(super) fn run_with<C: Settings, Value: Send + 'static>(
    surroundings: &Surroundings<'_, C>,
    adjust: impl FnOnce(&mut C),
    work: impl FnOnce(&Site<C>) -> Work<Value> + Send + 'static,
) -> Result<Value, Fault> {
    let mut config =
        (surroundings.load)(surroundings.config, surroundings.environment).map_err(Fault::Configuration)?;
    adjust(&mut config);
    let Basics { secrets, warnings, retry, deadline } = config.basics();
    let redaction = Redaction::new(&secrets);
    let progress = Progress::on_terminal();
    begin_telling(surroundings.verbose, &redaction, &progress);
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let interrupt = Interrupt::new();
    let mut supervisor =
        Supervisor::new().map_err(|error| Fault::Failed(format!("signals cannot be handled: {error}")))?;
    let site = Site {
        retry: Retry::new(retry, interrupt.clone()),
        config,
        started: (surroundings.clock)(),
        interrupt: interrupt.clone(),
        progress,
    };
    let (sender, receiver) = mpsc::channel();
    // Whoever was left behind tells nobody.
    let ended = supervisor.run(move || _ = sender.send(work(&site)), deadline, &interrupt);
    let result = receiver.try_recv();
    // What has come to its end by then has done so.
    if !matches!(result, Ok(Ok(_)))
        && let Some(cause) = interrupt.cause()
    {
        return Err(Fault::Interrupted(cause));
    }
    match (ended, result) {
        (_, Ok(Ok(value))) => Ok(value),
        (_, Ok(Err(error))) => Err(Fault::Failed(redaction.clean(&with_causes(&*error)))),
        (Ended::Panicked(text), Err(_)) => {
            Err(Fault::Failed(format!("internal error, please report it: {}", redaction.clean(&text))))
        }
        (Ended::Returned | Ended::Stuck, Err(_)) => Err(Fault::Failed("internal error: no result".to_owned())),
    }
}

/// Tells on stderr what kept a command from its end, and gives the exit code for it.
pub(super) fn conclude(result: Result<ExitCode, Fault>) -> ExitCode {
    let fault = match result {
        Ok(code) => return code,
        Err(fault) => fault,
    };
    for line in fault.lines() {
        eprintln!("scripting-system: {line}");
    }
    match fault {
        Fault::Configuration(_) => ExitCode::Configuration,
        Fault::Failed(_) | Fault::Interrupted(Interruption::Deadline) => ExitCode::Failed,
        Fault::Interrupted(Interruption::Sigint) => ExitCode::Interrupted,
        Fault::Interrupted(Interruption::Sigterm) => ExitCode::Terminated,
    }
}

impl Fault {
    /// The fault in words; of a configuration a line for each mistake.
    pub(super) fn lines(&self) -> Vec<String> {
        match self {
            Fault::Configuration(error) => error.lines(),
            Fault::Failed(text) => vec![text.clone()],
            Fault::Interrupted(cause) => vec![crate::runtime::interrupt::Interrupted(*cause).to_string()],
        }
    }
}

fn begin_telling(verbose: u8, redaction: &Redaction, progress: &Progress) {
    redact_panics(redaction.clone(), io::stderr);
    let progress = progress.clone();
    let verbose = (verbose > 0)
        .then(|| Verbose::new(verbose, redaction.clone(), Box::new(move |line: &str| progress.show(line))));
    if let Err(error) = log_file::install(None, verbose) {
        eprintln!("scripting-system: {}", with_causes(&error));
    }
}
