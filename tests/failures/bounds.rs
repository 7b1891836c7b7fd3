//! How long a fault can keep a run: the bounds that the README states, measured with small values. `--nocapture` shows
//! what was measured.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;

use super::bad_night::BadNight;

/// The time limit of each answer.
const LIMIT: Duration = Duration::from_secs(1);
/// How often something is tried.
const ATTEMPTS: u32 = 2;
/// What a run takes beside waiting, on a busy machine.
const WORK: Duration = Duration::from_secs(4);

fn night(sftp: bool) -> BadNight {
    let mut bad = if sftp { BadNight::with_sftp(|sftp| sftp.stall_after(20_000)) } else { BadNight::new() };
    bad.set("source.timeout_seconds", json!(LIMIT.as_secs())).set("sftp.timeout_seconds", json!(LIMIT.as_secs()));
    bad.set("retry.attempts", json!(ATTEMPTS));
    bad
}

/// Asserts that the night ends with `code` within `bound`, which is stated for `fault`.
#[track_caller]
fn ends_within(bad: &BadNight, fault: &str, code: i32, bound: Duration) {
    let begun = Instant::now();
    bad.run().ended_with(code);
    let taken = begun.elapsed();
    println!("{fault}: {:.1} s, stated {:.1} s", taken.as_secs_f64(), bound.as_secs_f64());
    assert!(taken < bound + WORK, "{fault} took {taken:?}, stated are {bound:?}");
}

#[test]
fn a_web_server_keeps_a_run_no_longer_than_its_limits_say() {
    let mut bad = night(false);
    bad.serve(|web| web.silent());
    ends_within(&bad, "silent web server", 4, LIMIT * ATTEMPTS);
    bad.serve(|web| web.bytes_per_second(200));
    ends_within(&bad, "dripping web server", 4, 2 * LIMIT * ATTEMPTS);
    bad.serve(|web| web.status(503).retry_after(3600));
    bad.set("retry.first_pause_seconds", json!(1)).set("retry.max_pause_seconds", json!(1));
    ends_within(&bad, "busy web server that asks for an hour", 4, LIMIT * (ATTEMPTS - 1));
}

#[test]
fn an_sftp_server_keeps_a_run_no_longer_than_its_limits_say() {
    let mut bad = night(false);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    bad.set("sftp.port", json!(silent.local_addr().unwrap().port()));
    ends_within(&bad, "silent SFTP server", 4, LIMIT * ATTEMPTS);
    // After each broken link the server is asked once more whether it still answers.
    ends_within(&night(true), "stalling SFTP server", 4, 3 * LIMIT * ATTEMPTS);
}

#[test]
fn reports_keep_a_run_no_longer_than_their_limits_say() {
    let mut bad = night(false);
    // A port on which nobody listens refuses at once.
    bad.set("email.server.port", json!(free_port()));
    bad.set("mattermost.webhook_url", json!(format!("https://127.0.0.1:{}/hooks/x", free_port())));
    ends_within(&bad, "no mail server and no Mattermost", 1, Duration::ZERO);
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
