//! Monitoring of runs: pings and metrics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod metrics;
mod monitor;
mod textfile;

use std::process::{Child, Command, Stdio};

use testkit::{Outcome, Setup};

fn start(setup: &Setup) -> Child {
    setup.command(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Sends SIGTERM to the run and waits for its end.
fn terminate(setup: &Setup, process: Child) -> Outcome {
    assert!(Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap().success());
    setup.outcome(process.wait_with_output().unwrap())
}
