//! How others watch the runs: a monitor's pings, and metrics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod metrics;
mod monitor;
mod textfile;

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::json;
use testkit::{Night, Outcome};

/// A night that succeeds even if midnight passes between the dump and the run.
fn night() -> Night {
    let mut night = Night::new();
    night.set("source.max_age_days", json!(1));
    night
}

/// Makes the dump of `night` stale, even around midnight.
fn make_stale(night: &mut Night) {
    night.publish_dump_of(night.modified - TimeDelta::days(3));
}

fn start(night: &Night) -> Child {
    night.command(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until `condition` holds; `what` names it in the failure.
#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(20), "timed out waiting for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Ends the run of `night` by SIGTERM.
fn terminate(night: &Night, process: Child) -> Outcome {
    assert!(Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap().success());
    night.outcome(process.wait_with_output().unwrap())
}
