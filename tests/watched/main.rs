//! Monitoring of runs: pings and metrics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod metrics;
mod monitor;
mod textfile;

use std::process::{Child, Command, Stdio};

use testkit::{Night, Outcome};

fn start(night: &Night) -> Child {
    night.command(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Sends SIGTERM to the run and waits for its end.
fn terminate(night: &Night, process: Child) -> Outcome {
    assert!(Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap().success());
    night.outcome(process.wait_with_output().unwrap())
}
