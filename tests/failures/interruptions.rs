//! Runs that are interrupted, conflict with another run, or cannot write their log.

use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::fs::{CWD, FileType, mknodat};
use rustix::process::{Pid, Signal, kill_process};
use scripting_system::disk::space::check_writable;
use serde_json::json;
use testkit::{Outcome, SmallDisk, wait_until};

use super::bad_night::BadNight;

/// Time limit for ending after a signal.
const LIMIT: Duration = Duration::from_secs(5);

pub(crate) fn start(bad: &BadNight) -> Child {
    bad.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub(crate) fn kill(mut process: Child) {
    process.kill().unwrap();
    process.wait().unwrap();
}

/// Sends `signal` to the run and waits for it to end in time.
pub(crate) fn signal_and_wait(bad: &BadNight, run: Child, signal: Signal) -> Outcome {
    let started = Instant::now();
    kill_process(Pid::from_child(&run), signal).unwrap();
    let output = run.wait_with_output().unwrap();
    assert!(started.elapsed() < LIMIT, "{:?}", started.elapsed());
    bad.outcome(output)
}

#[track_caller]
fn assert_interrupted(bad: &BadNight, outcome: &Outcome, code: i32, signal: &str) {
    outcome.exited_with(code).logged(&format!("interrupted ({signal})"));
    assert!(outcome.stderr.contains("Interrupted") && outcome.stderr.contains(signal), "{}", outcome.all());
    let (subject, text) = bad.last_mail();
    assert!(subject.contains("interrupted"), "{subject}");
    assert!(text.contains(signal), "{text}");
    assert!(bad.last_post().contains("Interrupted"), "{}", bad.last_post());
    bad.assert_no_temporary_file();
}

#[test]
fn a_signal_ends_a_run_that_waits_for_the_web_server() {
    for (signal, code, name) in [(Signal::TERM, 143, "SIGTERM"), (Signal::INT, 130, "SIGINT")] {
        for stalls_early in [true, false] {
            let mut bad = BadNight::new();
            bad.serve(|web| if stalls_early { web.silent() } else { web.stall_after(20_000, 10) });
            let before = bad.listing();
            let run = start(&bad);
            wait_until("the request", || bad.web.requests() > 0 && (stalls_early || bad.web.bytes_sent() >= 20_000));
            let outcome = signal_and_wait(&bad, run, signal);
            assert_interrupted(&bad, &outcome, code, name);
            assert!(bad.listing() == before, "{:?}", bad.names());
        }
    }
}

#[test]
fn a_signal_ends_a_run_that_waits_for_the_sftp_server() {
    for (signal, code, name) in [(Signal::TERM, 143, "SIGTERM"), (Signal::INT, 130, "SIGINT")] {
        let bad = BadNight::with_sftp(|sftp| sftp.stall_after(20_000));
        let before = bad.listing();
        let run = start(&bad);
        wait_until("the upload", || bad.sftp().operations().iter().any(|done| done.starts_with("open-to-write")));
        let outcome = signal_and_wait(&bad, run, signal);
        assert_interrupted(&bad, &outcome, code, name);
        bad.assert_still_holds(&before);
        assert!(!bad.is_delivered());
    }
}

#[test]
fn a_signal_ends_a_run_with_a_silent_sftp_server() {
    let mut bad = BadNight::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    bad.set("sftp.port", json!(listener.local_addr().unwrap().port()));
    let run = start(&bad);
    let _silent = listener.accept().unwrap();
    let outcome = signal_and_wait(&bad, run, Signal::TERM);
    assert_interrupted(&bad, &outcome, 143, "SIGTERM");
}

#[test]
fn a_signal_ends_a_pause_before_a_retry() {
    let mut bad = BadNight::new();
    bad.serve(|web| web.status(503));
    bad.set("retry.first_pause_seconds", json!(60)).set("retry.max_pause_seconds", json!(60));
    let run = start(&bad);
    let log = bad.path("log.log");
    wait_until("the pause", || fs::read_to_string(&log).is_ok_and(|log| log.contains("trying again in")));
    let outcome = signal_and_wait(&bad, run, Signal::INT);
    assert_interrupted(&bad, &outcome, 130, "SIGINT");
}

#[test]
fn a_second_run_ends_at_once_and_a_crash_releases_the_lock() {
    let mut bad = BadNight::new();
    bad.serve(|web| web.stall_after(20_000, 2));
    let first = start(&bad);
    wait_until("the first run's download", || bad.web.bytes_sent() >= 20_000);
    let requests = bad.web.requests();
    let second = bad.run();
    second.exited_with(5).logged("another run with").logged("is under way; this one ends");
    assert!(second.stderr.contains("is under way"), "{}", second.all());
    assert_eq!(bad.web.requests(), requests, "the second run requests nothing");
    assert_eq!((bad.mail.messages().len(), bad.webhook.posts().len()), (0, 0));
    kill(first);
    bad.assert_no_temporary_file();
    bad.run().exited_with(0);
}

/// Asserts that the run reports its log as a warning with `words`, and does all its work.
#[track_caller]
fn must_run_without_log(bad: &BadNight, words: [&str; 3]) {
    let outcome = bad.run();
    outcome.exited_with(1);
    for word in words {
        assert!(outcome.stderr.contains(word), "{}", outcome.all());
        assert!(bad.last_mail().1.contains(word), "{}", bad.last_mail().1);
    }
    assert!(bad.last_post().contains("warning"), "{}", bad.last_post());
    assert!(bad.is_delivered());
    assert!(!bad.names().contains(&bad.archive_aged(30)), "the run completes");
}

#[test]
fn a_log_on_a_full_disk_does_not_stop_the_job() {
    let mut bad = BadNight::new();
    fs::create_dir(bad.path("logs")).unwrap();
    let _disk = SmallDisk::over(&bad.path("logs"), "size=64k");
    fs::write(bad.path("logs/log.log"), "").unwrap();
    fs::write(bad.path("logs/filling"), vec![1; 128 * 1024]).unwrap_err();
    bad.set("log.file", json!("logs/log.log"));
    must_run_without_log(&bad, ["cannot write to the log file ", "/logs/log.log", "No space left"]);
}

#[test]
fn a_log_that_cannot_be_written_does_not_stop_the_job() {
    let mut bad = BadNight::new();
    bad.set("log.file", json!("missing/log.log"));
    must_run_without_log(&bad, ["missing/log.log", "create its folder", "change log.file"]);
}

#[test]
fn a_log_that_is_not_a_regular_file_ends_the_program_at_once() {
    let mut bad = BadNight::new();
    let pipe = bad.path("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, 0o600.into(), 0).unwrap();
    symlink(&pipe, bad.path("link")).unwrap();
    for file in ["pipe", "link", "/dev/full", "/dev/null"] {
        bad.set("log.file", json!(file));
        for command in ["run", "check"] {
            let started = Instant::now();
            let run = bad.command_of(command, &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let outcome = bad.outcome(wait_in_time(run));
            outcome.exited_with(3);
            let is_reported =
                [&outcome.stdout, &outcome.stderr].into_iter().any(|text| text.contains("is not a regular file"));
            assert!(is_reported && started.elapsed() < LIMIT, "{file}: {}", outcome.all());
        }
    }
    assert_eq!(check_writable(&pipe).unwrap_err().to_string(), "it is not a regular file");
    // The log for an unusable configuration, by default in the same folder, does not block either.
    fs::remove_file(bad.path("log.log")).unwrap();
    mknodat(CWD, bad.path("log.log"), FileType::Fifo, 0o600.into(), 0).unwrap();
    let run = bad.command_of("run", &[]).stderr(Stdio::piped()).spawn().unwrap();
    let output = wait_in_time(run);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8(output.stderr).unwrap().contains("log.log: it is not a regular file"));
    assert_eq!(bad.web.requests(), 0);
}

#[test]
fn a_log_may_be_a_link_to_a_file() {
    let bad = BadNight::new();
    symlink("elsewhere.log", bad.path("log.log")).unwrap();
    for _ in 0..2 {
        bad.outcome(bad.command_of("run", &[]).output().unwrap()).exited_with(0);
    }
    assert!(bad.path("log.log").is_symlink() && bad.path("elsewhere.log").is_file());
}

/// Waits for the program. If it hangs, kills it and fails the test.
fn wait_in_time(mut run: Child) -> Output {
    let started = Instant::now();
    while run.try_wait().unwrap().is_none() {
        if started.elapsed() > LIMIT {
            run.kill().unwrap();
            panic!("the program hangs");
        }
        thread::sleep(Duration::from_millis(10));
    }
    run.wait_with_output().unwrap()
}
