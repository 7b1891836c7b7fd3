//! SFTP services that close a connection without requests, while the run waits for a long download.

use std::fs;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use testkit::servers::sftp::Builder as SftpBuilder;
use testkit::servers::sftp_faults::RequestFault;
use testkit::servers::sftp_watch::{Moment, Operation};
use testkit::servers::{Method, Zip};
use testkit::{Sshd, wait_until};

use super::bad_night::BadNight;
use super::interruptions::{signal_and_wait, start};

const AGAIN: &str = "the idle connection broke, connecting again";

/// Publishes a dump that takes 6 s to download and then fits into one write, so that the upload waits for all that time.
fn slow_down(bad: &mut BadNight) {
    bad.dump = b"INSERT INTO t VALUES (1);\n".repeat(360_000 / 26);
    let entry = bad.entry().method(Method::Stored);
    bad.publish(&Zip::new().with(entry));
    bad.serve(|web| web.bytes_per_second(60_000));
    bad.set("retry.attempts", json!(1));
}

fn closing_after(limit: Duration) -> impl FnOnce(SftpBuilder) -> SftpBuilder {
    move |sftp| sftp.idle_limit(limit)
}

#[test]
fn an_idle_connection_is_kept_alive_during_a_long_download() {
    let mut bad = BadNight::with_sftp(closing_after(Duration::from_secs(3)));
    must_be_kept_alive(&mut bad);
    bad.assert_holds_exactly(&[0, 1, 2, 3]);
}

/// The server must close a connection that had no request for 3 s.
#[track_caller]
fn must_be_kept_alive(bad: &mut BadNight) {
    slow_down(bad);
    // A request is sent every second.
    bad.set("sftp.timeout_seconds", json!(2));
    let outcome = bad.run();
    outcome.exited_with(0).logged("warnings 0");
    assert!(!outcome.log.contains(AGAIN), "{}", outcome.all());
    fs::remove_file(bad.archive()).unwrap();
    // A request would be sent after 15 s.
    bad.set("sftp.timeout_seconds", json!(60));
    bad.run().exited_with(0).logged(AGAIN).logged("warnings 0");
}

#[test]
fn an_idle_connection_to_openssh_is_kept_alive() {
    must_be_kept_alive(&mut BadNight::with_sshd(Sshd::start_with(&["ed25519"], "ChannelTimeout session:*=3")));
}

#[test]
fn an_idle_connection_that_the_server_closes_costs_no_attempt() {
    let mut bad = BadNight::with_sftp(closing_after(Duration::from_secs(1)));
    slow_down(&mut bad);
    bad.run().exited_with(0).logged(AGAIN).logged("warnings 0");
    bad.assert_holds_exactly(&[0, 1, 2, 3]);
}

/// libssh2 may send a write in several pieces, and another request must not get between them.
#[test]
fn a_connection_in_use_gets_no_other_request() {
    let stats = Arc::new(Mutex::new(0));
    let counted = stats.clone();
    let count_and_delay = move |operation: Operation<'_>| {
        if operation.moment == Moment::Before && operation.what.starts_with("stat ") {
            *counted.lock().unwrap() += 1;
        }
        if operation.moment == Moment::Before && operation.what.starts_with("write ") {
            thread::sleep(Duration::from_millis(20));
        }
        RequestFault::None
    };
    let mut bad = BadNight::with_sftp(|sftp| sftp.on_operation(count_and_delay));
    bad.enlarge(6_000_000);
    bad.set("sftp.timeout_seconds", json!(1));
    bad.set("sftp.connections", json!(1));
    bad.run().exited_with(0).logged("warnings 0");
    assert!(*stats.lock().unwrap() <= 4, "{stats:?}");
}

#[test]
fn a_signal_ends_a_run_whose_idle_connection_gets_no_reply() {
    let is_silent = Arc::new(Mutex::new(false));
    let requests = Arc::new(Mutex::new(0));
    let (silenced, ignored) = (is_silent.clone(), requests.clone());
    let ignore_stats = move |operation: Operation<'_>| {
        if !operation.what.starts_with("stat ") || !*silenced.lock().unwrap() {
            return RequestFault::None;
        }
        *ignored.lock().unwrap() += 1;
        RequestFault::NoReply
    };
    let mut bad = BadNight::with_sftp(|sftp| sftp.on_operation(ignore_stats));
    slow_down(&mut bad);
    // A request is sent after 3 s.
    bad.set("sftp.timeout_seconds", json!(6));
    let run = start(&bad);
    wait_until("the upload", || bad.sftp().operations().iter().any(|done| done.starts_with("open-to-write")));
    *is_silent.lock().unwrap() = true;
    wait_until("a request without reply", || *requests.lock().unwrap() > 0);
    signal_and_wait(&bad, run, Signal::TERM).exited_with(143);
}
