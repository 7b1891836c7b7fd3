//! Slow and broken connections.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::json;
use testkit::Setup;
use testkit::servers::sftp_faults::RequestFault;
use testkit::servers::sftp_watch::Moment;

use super::fixture::{MIB, assert_refused, assert_restored, night_of, put_archive, restore};

#[test]
fn a_large_archive_is_fetched_over_several_connections_if_the_round_trip_is_long() {
    let mut setup = night_of(40 * MIB);
    setup.run().exited_with(0);
    let logins = || setup.sshd.log().matches("Accepted publickey").count();
    let before = logins();
    let outcome = restore(&setup, &[]);
    assert_restored(&setup, &outcome);
    assert!(!outcome.stdout.contains("over 4"), "{}", outcome.all());
    let short = logins() - before;
    // On a busy machine, a round trip can take longer at times.
    assert!(short < 4, "{short} logins");

    let _line = setup.slow_down_sftp();
    let before = setup.sshd.log().matches("Accepted publickey").count();
    let outcome = restore(&setup, &["--force"]);
    assert_restored(&setup, &outcome);
    assert!(outcome.stdout.contains(", over 6 connections"), "{}", outcome.all());
    assert_eq!(setup.sshd.log().matches("Accepted publickey").count() - before, 6);
    setup.call("verify", &[]).exited_with(0);
}

#[test]
fn a_broken_connection_costs_only_the_bytes_in_transit() {
    for connections in [1, 4] {
        let mut setup = night_of(24 * MIB);
        let reads_left = Arc::new(AtomicU64::new(u64::MAX));
        let until_cut = reads_left.clone();
        let server = setup.serve_sftp(|sftp| {
            sftp.on_operation(move |operation| {
                let is_read = operation.moment == Moment::Before && operation.what.starts_with("read ");
                // Each read is of about 32 KB.
                if is_read && until_cut.fetch_sub(1, Ordering::SeqCst) == 0 {
                    until_cut.store(u64::MAX, Ordering::SeqCst);
                    return RequestFault::Disconnect;
                }
                RequestFault::None
            })
        });
        setup.run().exited_with(0);
        let before = server.bytes_read();
        reads_left.store(450, Ordering::SeqCst);
        let _line = setup.slow_down_sftp();
        setup.set("sftp.connections", json!(connections));
        let outcome = restore(&setup, &["-v"]);
        assert_restored(&setup, &outcome);
        // Other connections take over; without any, a new one is made.
        let messages = ["requesting only the missing parts", "continuing with one connection fewer"];
        assert!(messages.iter().any(|message| outcome.stderr.contains(message)), "{}", outcome.all());
        let read = server.bytes_read() - before;
        assert!(read < 34 * MIB as u64, "{read} bytes were read over {connections} connections");
    }
}

#[test]
fn a_permanently_broken_connection_leaves_nothing_behind() {
    let mut setup = night_of(6 * MIB);
    let is_down = Arc::new(AtomicBool::new(false));
    let down = is_down.clone();
    let _server = setup.serve_sftp(|sftp| {
        sftp.on_operation(move |operation| match operation.what.starts_with("read ") {
            true if down.load(Ordering::SeqCst) => RequestFault::Disconnect,
            _ => RequestFault::None,
        })
    });
    setup.run().exited_with(0);
    is_down.store(true, Ordering::SeqCst);
    assert_refused(&setup, &restore(&setup, &[]), &["the connection to the server broke while "]);
}

#[test]
fn an_unreadable_archive_is_reported_and_the_others_are_verified() {
    let mut setup = Setup::new();
    let unreadable = Arc::new(std::sync::Mutex::new(String::from("none")));
    let name = unreadable.clone();
    let _server = setup.serve_sftp(|sftp| {
        sftp.on_operation(move |operation| {
            let is_read = operation.what.starts_with("read ") && operation.what.contains(&*name.lock().unwrap());
            if is_read { RequestFault::Disconnect } else { RequestFault::None }
        })
    });
    setup.run().exited_with(0);
    let good = fs::read(setup.archive()).unwrap();
    put_archive(&setup, 1, &good);
    *unreadable.lock().unwrap() = put_archive(&setup, 2, &good);
    put_archive(&setup, 3, &good);
    let outcome = setup.call("verify", &["--all"]);
    outcome.exited_with(4);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{}", outcome.all());
    assert!(lines[1].contains("NOT READ: the connection to the server broke while "), "{}", outcome.all());
    assert_eq!(lines[4], "4 archives: 3 good, 1 NOT READ");
}

#[test]
fn an_archive_that_changes_during_the_download_is_refused() {
    let mut setup = night_of(6 * MIB);
    let archive = Arc::new(std::sync::Mutex::new(None));
    let changing = archive.clone();
    let _server = setup.serve_sftp(|sftp| {
        sftp.on_operation(move |operation| {
            if operation.what.starts_with("read ")
                && let Some(path) = changing.lock().unwrap().take()
            {
                fs::write::<std::path::PathBuf, _>(path, "another").unwrap();
                return RequestFault::Disconnect;
            }
            RequestFault::None
        })
    });
    setup.run().exited_with(0);
    *archive.lock().unwrap() = Some(setup.archive());
    assert_refused(&setup, &restore(&setup, &[]), &["has changed while it was read back"]);
}
