//! The maximum duration of a failing run as stated in docs/operations.md, measured with small limits. `--nocapture` shows the
//! measurements.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::servers::listener::closed_address;

use super::bad_night::BadNight;

/// The time limit for each reply.
const LIMIT: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 2;
/// Duration of a run without the waiting, on a busy machine.
const WORK: Duration = Duration::from_secs(4);

fn job(with_stalling_sftp: bool) -> BadNight {
    let mut bad =
        if with_stalling_sftp { BadNight::with_sftp(|sftp| sftp.stall_after(20_000)) } else { BadNight::new() };
    bad.set("source.timeout_seconds", json!(LIMIT.as_secs())).set("sftp.timeout_seconds", json!(LIMIT.as_secs()));
    bad.set("retry.attempts", json!(ATTEMPTS));
    bad
}

/// Asserts that the run ends with `code` within `bound`, the documented maximum for `fault`.
#[track_caller]
fn assert_ends_within(bad: &BadNight, fault: &str, code: i32, bound: Duration) {
    let started = Instant::now();
    bad.run().exited_with(code);
    let elapsed = started.elapsed();
    println!("{fault}: {:.1} s, documented {:.1} s", elapsed.as_secs_f64(), bound.as_secs_f64());
    assert!(elapsed < bound + WORK, "{fault} took {elapsed:?}, documented maximum {bound:?}");
}

#[test]
fn a_web_server_delays_a_run_no_longer_than_its_limits() {
    let mut bad = job(false);
    bad.serve(|web| web.silent());
    assert_ends_within(&bad, "silent web server", 4, LIMIT * ATTEMPTS);
    bad.serve(|web| web.bytes_per_second(200));
    assert_ends_within(&bad, "slow web server", 4, 2 * LIMIT * ATTEMPTS);
    bad.serve(|web| web.status(503).retry_after(3600));
    bad.set("retry.first_pause_seconds", json!(1)).set("retry.max_pause_seconds", json!(1));
    assert_ends_within(&bad, "busy web server that requests a pause of an hour", 4, LIMIT * (ATTEMPTS - 1));
}

#[test]
fn an_sftp_server_delays_a_run_no_longer_than_its_limits() {
    let mut bad = job(false);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    bad.set("sftp.port", json!(silent.local_addr().unwrap().port()));
    assert_ends_within(&bad, "silent SFTP server", 4, LIMIT * ATTEMPTS);
    // After each broken connection, the program checks once whether the server still replies.
    assert_ends_within(&job(true), "stalling SFTP server", 4, 3 * LIMIT * ATTEMPTS);
}

#[test]
fn reports_delay_a_run_no_longer_than_their_limits() {
    let mut bad = job(false);
    // A port without a listener refuses connections at once.
    bad.set("email.server.port", json!(closed_address().port()));
    bad.set("mattermost.webhook_url", json!(format!("https://127.0.0.1:{}/hooks/x", closed_address().port())));
    assert_ends_within(&bad, "no mail server and no Mattermost", 1, Duration::ZERO);
}

/// Runs the job. Also returns its peak memory in KiB.
fn run_with_peak(bad: &BadNight) -> (testkit::Outcome, u64) {
    let program = bad.command();
    let mut command = std::process::Command::new("sh");
    // Ends with the program's own exit code.
    let script = "\"$@\" & pid=$!; peak=0; while kill -0 $pid 2>/dev/null; do now=$(awk '/VmHWM/ {print $2}' \
                  /proc/$pid/status 2>/dev/null); [ \"${now:-0}\" -gt $peak ] && peak=$now; sleep 0.02; done; \
                  wait $pid; code=$?; echo $peak > \"$0\"; exit $code";
    command.args(["-c", script]).arg(bad.path("peak")).arg(program.get_program()).args(program.get_args());
    command.env("TZ", "UTC").env_remove("SSH_AUTH_SOCK");
    let outcome = bad.outcome(command.output().unwrap());
    (outcome, std::fs::read_to_string(bad.path("peak")).unwrap().trim().parse().unwrap())
}

#[test]
fn an_endless_listing_is_refused_with_little_memory() {
    let (_, usual) = run_with_peak(&BadNight::with_sftp(|sftp| sftp));
    for (name, problem) in [
        ((|number| format!("archive-{number}.tgz")) as fn(u64) -> String, "it has more than 100,000 names"),
        (|_| ".".to_owned(), "it has more than 100,000 names"),
        (|_| "n".repeat(65 * 1024), "it has a name of more than 4 KiB"),
        (|number| format!("{number}{}", "n".repeat(4_000)), "its names have more than 32 MiB"),
    ] {
        let bad = BadNight::with_sftp(|sftp| sftp.endless_listing(name));
        let before = bad.names();
        let started = Instant::now();
        let (outcome, peak) = run_with_peak(&bad);
        outcome.exited_with(4).logged(&format!("stopped listing sftp.directory: {problem}"));
        assert!(outcome.log.contains("ERROR") && !outcome.log.contains("trying again"), "{}", outcome.all());
        assert_eq!(bad.names(), before);
        println!("{problem}: {peak} KiB, usually {usual} KiB, in {:?}", started.elapsed());
        assert!(peak < usual + 100 * 1024, "{peak} KiB instead of {usual} KiB");
        assert!(started.elapsed() < Duration::from_secs(60));
    }
}
