//! Shared by the tests of scripting-system: embedded servers, a private OpenSSH, a configured setup for runs, and a model
//! of many runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed setup ends the test")]
#![allow(clippy::new_without_default, reason = "`new` starts servers")]
#![allow(missing_docs, reason = "only tests use it")]

mod built;
pub mod databases;
pub mod keys;
pub mod nights;
mod rclone;
pub mod servers;
pub mod setup;
pub mod small_disk;
pub mod sshd;

pub use built::{program, target_folder};
pub use rclone::Rclone;
pub use setup::{Outcome, Setup, wait_until};
pub use small_disk::SmallDisk;
pub use sshd::Sshd;

/// Prints the error, if any.
pub fn exit_code(result: Result<(), Box<dyn std::error::Error>>) -> std::process::ExitCode {
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}
