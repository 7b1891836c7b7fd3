//! Runs interactive commands: loads the configuration, handles signals, shows progress, reports errors.

use std::error::Error;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use secrecy::SecretString;
use tracing::{Dispatch, dispatcher};

use crate::commands::invocation::Invocation;
use crate::config::{Config, Environment, LoadError, ReadBack};
use crate::destination::{Accounts, Server};
use crate::exit_code::ExitCode;
use crate::record::run_record::Outcome;
use crate::report::log::log_file::{self, LogFile};
use crate::report::log::verbose::Verbose;
use crate::rules::redaction::Redaction;
use crate::runtime::error_chain::with_causes;
use crate::runtime::interrupt::{Interrupt, Interrupted, Interruption};
use crate::runtime::progress::Progress;
use crate::runtime::retry::{Retry, RetryPolicy};
use crate::runtime::supervisor::{Supervisor, WorkOutcome};

/// The part of a configuration that every command needs.
pub(super) struct Basics {
    secrets: Vec<SecretString>,
    /// Warnings about the configuration file, one sentence each.
    warnings: Vec<String>,
    retry: RetryPolicy,
    /// The time limit of the command.
    deadline: Duration,
}

pub(super) trait Settings: Send + 'static {
    fn basics(&self) -> Basics;
}

macro_rules! settings {
    ($($config:ty),+) => {$(
        impl Settings for $config {
            fn basics(&self) -> Basics {
                let (secrets, warnings) = (self.secrets(), self.warnings.clone());
                Basics { secrets, warnings, retry: self.retry, deadline: self.run.deadline }
            }
        }
    )+};
}
settings!(Config, ReadBack);

pub(super) struct Context<C = ReadBack> {
    pub(super) config: C,
    /// In the job's time zone.
    pub(super) started: DateTime<FixedOffset>,
    pub(super) interrupt: Interrupt,
    pub(super) retry: Retry,
    pub(super) progress: Progress,
    /// What the jobs of this invocation know about passwords.
    pub(super) accounts: Accounts,
}

impl<C> Context<C> {
    /// Prints the host key of `server` on stderr if it is new. Only `run` adds the key to known_hosts, and reports that.
    pub(super) fn report_new_host_key(&self, server: &Server) {
        if let Some(fingerprint) = server.new_fingerprint() {
            self.progress.eprint(&format!(
                "scripting-system: the host key {fingerprint} is not known yet; verify it on the server, or pin it \
                 with sftp.host_key, before the first run trusts it"
            ));
        }
    }
}

/// A command's result: usually an exit code.
pub(super) type Work<Value = ExitCode> = Result<Value, Box<dyn Error + Send + Sync>>;

/// Why a command did not finish.
#[derive(Debug)]
pub(super) enum CommandError {
    Configuration(LoadError),
    /// The error's text, without secrets.
    Failed(String),
    Interrupted(Interruption),
}

/// Runs `work` with the configuration in `file`, until it ends, a signal arrives, or `run.deadline_minutes` have passed.
pub(super) fn run<C: Settings, Value: Send + 'static>(
    file: &Path,
    invocation: &Invocation<'_>,
    load: impl FnOnce(&Path, &Environment) -> Result<C, LoadError>,
    work: impl FnOnce(&Context<C>) -> Work<Value> + Send + 'static,
) -> Result<Value, CommandError> {
    let config = load(file, invocation.environment).map_err(CommandError::Configuration)?;
    let Basics { secrets, warnings, retry, deadline } = config.basics();
    let redaction = Redaction::new(&secrets);
    let progress = Progress::on_terminal();
    let lines = begin_logging(None, invocation, &redaction, &progress);
    let _lines = dispatcher::set_default(&lines);
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let interrupt = Interrupt::new();
    let signals = invocation.signals().map_err(|error| CommandError::Failed(error.to_string()))?;
    let context = Context {
        retry: Retry::new(retry, interrupt.clone()),
        config,
        started: (invocation.clock)(),
        interrupt: interrupt.clone(),
        progress,
        accounts: invocation.accounts.clone(),
    };
    let (sender, receiver) = mpsc::channel();
    // Sending fails only if the supervisor abandoned the work; the result is then not needed.
    let ended = Supervisor::new(&signals).run(move || _ = sender.send(work(&context)), deadline, &interrupt);
    match (receiver.try_recv(), interrupt.cause(), ended) {
        // A finished result takes precedence over an interruption.
        (Ok(Ok(value)), ..) => Ok(value),
        (_, Some(cause), _) => Err(CommandError::Interrupted(cause)),
        (Ok(Err(error)), ..) => Err(CommandError::Failed(redaction.clean(&with_causes(&*error)))),
        (Err(_), None, WorkOutcome::Panicked(text)) => {
            Err(CommandError::Failed(format!("internal error, please report it: {}", redaction.clean(&text))))
        }
        (Err(_), None, WorkOutcome::Returned | WorkOutcome::Stuck) => {
            Err(CommandError::Failed("internal error: no result".to_owned()))
        }
    }
}

/// Prints the error, if any, on stderr. Returns the exit code.
pub(super) fn conclude(result: Result<ExitCode, CommandError>) -> ExitCode {
    conclude_as("", result)
}

/// As [`conclude`]; each line of the error begins with `prefix`.
pub(super) fn conclude_as(prefix: &str, result: Result<ExitCode, CommandError>) -> ExitCode {
    result.unwrap_or_else(|error| {
        error.lines().iter().for_each(|line| eprintln!("scripting-system: {prefix}{line}"));
        error.code()
    })
}

impl CommandError {
    pub(super) fn code(&self) -> ExitCode {
        match self {
            CommandError::Configuration(_) => ExitCode::Configuration,
            CommandError::Failed(_) => ExitCode::Failed,
            CommandError::Interrupted(cause) => Outcome::Interrupted(*cause).into(),
        }
    }

    /// One line, or one for each mistake in the configuration.
    pub(super) fn lines(&self) -> Vec<String> {
        match self {
            CommandError::Configuration(error) => error.lines(),
            CommandError::Failed(text) => vec![text.clone()],
            CommandError::Interrupted(cause) => vec![Interrupted(*cause).to_string()],
        }
    }
}

/// Where to log: to `log` and, with `-v`, to stderr. Also redacts the messages of all further panics.
pub(super) fn begin_logging(
    log: Option<LogFile>,
    invocation: &Invocation<'_>,
    redaction: &Redaction,
    progress: &Progress,
) -> Dispatch {
    invocation.panics.redact(redaction.clone());
    let (verbose, progress) = (invocation.verbose, progress.clone());
    let verbose = (verbose > 0)
        .then(|| Verbose::new(verbose, redaction.clone(), Box::new(move |line: &str| progress.eprint(line))));
    log_file::dispatch(log, verbose)
}
