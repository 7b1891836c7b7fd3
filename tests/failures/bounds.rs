//! How long a failure can keep a run: the bounds that docs/operations.md states, measured with small values.
//! `--nocapture` shows what was measured.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::servers::listener::closed_address;

use super::bad_night::BadNight;

/// The time limit for each answer.
const LIMIT: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 2;
/// What a run takes in addition to waiting, on a busy machine.
const WORK: Duration = Duration::from_secs(4);

fn setup(sftp: bool) -> BadNight {
    let mut bad = if sftp { BadNight::with_sftp(|sftp| sftp.stall_after(20_000)) } else { BadNight::new() };
    bad.set("source.timeout_seconds", json!(LIMIT.as_secs())).set("sftp.timeout_seconds", json!(LIMIT.as_secs()));
    bad.set("retry.attempts", json!(ATTEMPTS));
    bad
}

/// Asserts that the run ends with `code` within `bound`, which is stated for `fault`.
#[track_caller]
fn ends_within(bad: &BadNight, fault: &str, code: i32, bound: Duration) {
    let begun = Instant::now();
    bad.run().exited_with(code);
    let taken = begun.elapsed();
    println!("{fault}: {:.1} s, stated {:.1} s", taken.as_secs_f64(), bound.as_secs_f64());
    assert!(taken < bound + WORK, "{fault} took {taken:?}, stated are {bound:?}");
}

#[test]
fn a_web_server_delays_a_run_no_longer_than_its_limits() {
    let mut bad = setup(false);
    bad.serve(|web| web.silent());
    ends_within(&bad, "silent web server", 4, LIMIT * ATTEMPTS);
    bad.serve(|web| web.bytes_per_second(200));
    ends_within(&bad, "dripping web server", 4, 2 * LIMIT * ATTEMPTS);
    bad.serve(|web| web.status(503).retry_after(3600));
    bad.set("retry.first_pause_seconds", json!(1)).set("retry.max_pause_seconds", json!(1));
    ends_within(&bad, "busy web server that asks for an hour", 4, LIMIT * (ATTEMPTS - 1));
}

#[test]
fn an_sftp_server_delays_a_run_no_longer_than_its_limits() {
    let mut bad = setup(false);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    bad.set("sftp.port", json!(silent.local_addr().unwrap().port()));
    ends_within(&bad, "silent SFTP server", 4, LIMIT * ATTEMPTS);
    // After each broken link the program checks once more whether the server still answers.
    ends_within(&setup(true), "stalling SFTP server", 4, 3 * LIMIT * ATTEMPTS);
}

#[test]
fn reports_delay_a_run_no_longer_than_their_limits() {
    let mut bad = setup(false);
    // A port without listener refuses at once.
    bad.set("email.server.port", json!(closed_address().port()));
    bad.set("mattermost.webhook_url", json!(format!("https://127.0.0.1:{}/hooks/x", closed_address().port())));
    ends_within(&bad, "no mail server and no Mattermost", 1, Duration::ZERO);
}

/// A run and its peak memory in KiB.
fn peak(bad: &BadNight) -> (testkit::Outcome, u64) {
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
fn an_endless_listing_is_refused_in_little_memory() {
    let (_, usual) = peak(&BadNight::with_sftp(|sftp| sftp));
    for (name, told) in [
        ((|number| format!("archive-{number}.tgz")) as fn(u64) -> String, "it has more than 100,000 names"),
        (|_| ".".to_owned(), "it has more than 100,000 names"),
        (|_| "n".repeat(65 * 1024), "it has a name of more than 4 KiB"),
        (|number| format!("{number}{}", "n".repeat(4_000)), "its names have more than 32 MiB"),
    ] {
        let bad = BadNight::with_sftp(|sftp| sftp.endless_listing(name));
        let before = bad.names();
        let begun = Instant::now();
        let (outcome, taken) = peak(&bad);
        outcome.exited_with(4).logged(&format!("listing sftp.directory was given up: {told}"));
        assert!(outcome.log.contains("ERROR") && !outcome.log.contains("trying again"), "{}", outcome.all());
        assert_eq!(bad.names(), before);
        println!("{told}: {taken} KiB, usually {usual} KiB, in {:?}", begun.elapsed());
        assert!(taken < usual + 100 * 1024, "{taken} KiB instead of {usual} KiB");
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
}
