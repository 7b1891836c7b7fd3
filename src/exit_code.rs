//! How the program ends, as a number: others run it and go by this.

use std::process;

use crate::record::run_record::Outcome;
use crate::rules::health::Health;
use crate::runtime::interrupt::Interruption;

/// What the program's exit code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Delivered and verified, or already there; no warning.
    Success = 0,
    /// Finished, with warnings.
    Warnings = 1,
    /// The command line is wrong.
    CommandLine = 2,
    /// The configuration cannot be used.
    Configuration = 3,
    /// The job failed: nothing new was delivered.
    Failed = 4,
    /// Another run with the same configuration is under way.
    UnderWay = 5,
    /// Ended by SIGINT: 128 and the signal's number, as shells have it.
    Interrupted = 130,
    /// Ended by SIGTERM.
    Terminated = 143,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        match outcome {
            Outcome::Success => ExitCode::Success,
            Outcome::Warnings => ExitCode::Warnings,
            Outcome::Failed | Outcome::Interrupted(Interruption::Deadline) => ExitCode::Failed,
            Outcome::Interrupted(Interruption::Sigint) => ExitCode::Interrupted,
            Outcome::Interrupted(Interruption::Sigterm) => ExitCode::Terminated,
        }
    }
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> process::ExitCode {
        process::ExitCode::from(code as u8)
    }
}

/// `status` ends as monitoring systems have it, which is another table.
impl From<Health> for process::ExitCode {
    fn from(health: Health) -> process::ExitCode {
        process::ExitCode::from(health as u8)
    }
}
