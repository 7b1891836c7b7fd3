//! The nightly run watched from outside: the pings of a monitor, and the metrics.
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

/// A good night that stays one when the clock passes midnight between the dump and the run.
fn night() -> Night {
    let mut night = Night::new();
    night.set("source.max_age_days", json!(1));
    night
}

/// Makes the dump of `night` stale, whatever the clock does.
fn make_stale(night: &mut Night) {
    night.publish_dump_of(night.modified - TimeDelta::days(3));
}

/// Begins the run of `night`.
fn begin(night: &Night) -> Child {
    night.command(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until `it_is_so`, which is `what`.
#[track_caller]
fn wait_until(what: &str, mut it_is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !it_is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what} did not come");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Sends SIGTERM to the run of `night`, and gives how it went.
fn terminate(night: &Night, process: Child) -> Outcome {
    assert!(Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap().success());
    night.outcome(process.wait_with_output().unwrap())
}
