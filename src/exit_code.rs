//! The exit codes, which other programs depend on.

use std::process;

use schemars::JsonSchema;
use serde::Serialize;

use crate::record::run_record::{NotBegun, Outcome};
use crate::rules::health::Health;
use crate::runtime::interrupt::Interruption;

/// How a run ended. Each has its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum ExitCode {
    /// Delivered and verified, or already on the server; no warning.
    Success = 0,
    /// Finished with warnings.
    Warnings = 1,
    /// Nothing was run.
    #[serde(skip)]
    CommandLine = 2,
    /// The configuration cannot be used.
    Configuration = 3,
    /// The job failed: nothing new was delivered.
    Failed = 4,
    /// Another run with the same configuration is in progress.
    AlreadyRunning = 5,
    /// By SIGINT: 128 + the signal's number, as in shells.
    Interrupted = 130,
    /// By SIGTERM.
    Terminated = 143,
}

impl ExitCode {
    /// The code of several jobs together: their worst.
    pub fn worst(codes: impl IntoIterator<Item = ExitCode>) -> ExitCode {
        use ExitCode::{
            AlreadyRunning, CommandLine, Configuration, Failed, Interrupted, Success, Terminated, Warnings,
        };
        let order = [Interrupted, Terminated, Failed, Configuration, AlreadyRunning, CommandLine, Warnings, Success];
        let rank = |code: &ExitCode| order.iter().position(|other| other == code);
        codes.into_iter().min_by_key(rank).unwrap_or(Success)
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        match outcome {
            Outcome::Success => ExitCode::Success,
            Outcome::Warnings => ExitCode::Warnings,
            Outcome::Failed | Outcome::Interrupted(Interruption::Deadline) => ExitCode::Failed,
            Outcome::Interrupted(Interruption::Sigint) => ExitCode::Interrupted,
            Outcome::Interrupted(Interruption::Sigterm) => ExitCode::Terminated,
            Outcome::NotBegun(NotBegun::Misconfigured) => ExitCode::Configuration,
            Outcome::NotBegun(NotBegun::AlreadyRunning) => ExitCode::AlreadyRunning,
        }
    }
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> process::ExitCode {
        process::ExitCode::from(code as u8)
    }
}

/// `status` has a monitoring plugin's exit codes instead.
impl From<Health> for process::ExitCode {
    fn from(health: Health) -> process::ExitCode {
        process::ExitCode::from(health as u8)
    }
}
