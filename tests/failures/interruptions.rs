//! Runs that meet another one, are told to end, or cannot write their log.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::bad_night::BadNight;
use super::support::Ran;

/// A program that a signal reached must have ended by then.
const LIMIT: Duration = Duration::from_secs(5);

pub(crate) fn begin(bad: &BadNight) -> Child {
    bad.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what} did not happen");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Sends `signal` to the run and waits for its end, which must come in time.
pub(crate) fn end(bad: &BadNight, run: Child, signal: Signal) -> Ran {
    let begun = Instant::now();
    kill_process(Pid::from_child(&run), signal).unwrap();
    let output = run.wait_with_output().unwrap();
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
    bad.ran(output)
}

#[track_caller]
fn assert_interrupted(bad: &BadNight, ran: &Ran, code: i32, signal: &str) {
    ran.ended_with(code).told(&format!("interrupted ({signal})"));
    assert!(ran.stderr.contains("Interrupted") && ran.stderr.contains(signal), "{}", ran.all());
    let (subject, text) = bad.the_mail();
    assert!(subject.contains("interrupted"), "{subject}");
    assert!(text.contains(signal), "{text}");
    assert!(bad.the_post().contains("Interrupted"), "{}", bad.the_post());
    bad.leaves_no_temporary_file();
}

#[test]
fn a_signal_ends_a_run_that_waits_for_the_web_server() {
    for (signal, code, name) in [(Signal::TERM, 143, "SIGTERM"), (Signal::INT, 130, "SIGINT")] {
        for stalls_early in [true, false] {
            let mut bad = BadNight::new();
            bad.serve(|web| if stalls_early { web.silent() } else { web.stall_after(20_000, 10) });
            let before = bad.listing();
            let run = begin(&bad);
            wait_until("the request", || bad.web.requests() > 0 && (stalls_early || bad.web.bytes_sent() == 20_000));
            let ran = end(&bad, run, signal);
            assert_interrupted(&bad, &ran, code, name);
            assert!(bad.listing() == before, "{:?}", bad.names());
        }
    }
}

#[test]
fn a_signal_ends_a_run_that_waits_for_the_sftp_server() {
    for (signal, code, name) in [(Signal::TERM, 143, "SIGTERM"), (Signal::INT, 130, "SIGINT")] {
        let bad = BadNight::with_sftp(|sftp| sftp.stall_after(20_000));
        let before = bad.listing();
        let run = begin(&bad);
        wait_until("the upload", || bad.sftp().operations().iter().any(|done| done.starts_with("open-to-write")));
        let ran = end(&bad, run, signal);
        assert_interrupted(&bad, &ran, code, name);
        assert!(before.iter().all(|(name, content)| bad.listing().get(name) == Some(content)), "{:?}", bad.names());
        assert!(!bad.names().contains(&bad.archive_of(0)));
    }
}

#[test]
fn a_signal_ends_a_run_whose_sftp_server_says_nothing() {
    let mut bad = BadNight::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    bad.set("sftp.port", json!(listener.local_addr().unwrap().port()));
    let run = begin(&bad);
    let _silent = listener.accept().unwrap();
    let ran = end(&bad, run, Signal::TERM);
    assert_interrupted(&bad, &ran, 143, "SIGTERM");
}

#[test]
fn a_signal_ends_a_run_that_pauses_before_it_tries_again() {
    let mut bad = BadNight::new();
    bad.serve(|web| web.status(503));
    bad.set("retry.first_pause_seconds", json!(60)).set("retry.max_pause_seconds", json!(60));
    let run = begin(&bad);
    let log = bad.path("log.log");
    wait_until("the pause", || fs::read_to_string(&log).is_ok_and(|log| log.contains("trying again in")));
    let ran = end(&bad, run, Signal::INT);
    assert_interrupted(&bad, &ran, 130, "SIGINT");
}

#[test]
fn a_second_run_ends_at_once_and_a_crash_frees_the_lock() {
    let mut bad = BadNight::new();
    bad.serve(|web| web.stall_after(20_000, 1));
    let mut first = begin(&bad);
    wait_until("the first run's download", || bad.web.bytes_sent() == 20_000);
    let asked = bad.web.requests();
    let second = bad.run();
    second.ended_with(5).told("another run with").told("is under way; this one ends here");
    assert!(second.stderr.contains("is under way"), "{}", second.all());
    assert_eq!(bad.web.requests(), asked, "the second run asked for nothing");
    assert_eq!((bad.mail.messages().len(), bad.webhook.posts().len()), (0, 0));
    first.kill().unwrap();
    first.wait().unwrap();
    bad.leaves_no_temporary_file();
    bad.run().ended_with(0);
}

#[test]
fn a_log_on_a_full_disk_stops_no_job() {
    let mut bad = BadNight::new();
    bad.set("log.file", json!("/dev/full"));
    let ran = bad.run();
    ran.ended_with(1);
    for word in ["cannot write to the log file /dev/full", "No space left"] {
        assert!(ran.stderr.contains(word), "{}", ran.all());
        assert!(bad.the_mail().1.contains(word), "{}", bad.the_mail().1);
    }
    assert!(bad.names().contains(&bad.archive_of(0)));
    assert!(!bad.names().contains(&bad.archive_of(30)), "the job goes on to its end");
}

#[test]
fn a_log_that_cannot_be_written_stops_no_job() {
    let mut bad = BadNight::new();
    bad.set("log.file", json!("missing/log.log"));
    let ran = bad.run();
    ran.ended_with(1);
    for word in ["missing/log.log", "create its folder", "change log.file"] {
        assert!(ran.stderr.contains(word), "{}", ran.all());
        assert!(bad.the_mail().1.contains(word), "{}", bad.the_mail().1);
    }
    assert!(bad.names().contains(&bad.archive_of(0)));
    assert!(bad.the_post().contains("warning"), "{}", bad.the_post());
}
