//! A signal during the download ends the program at once and leaves nothing behind.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use testkit::servers::sftp_faults::RequestFault;
use testkit::wait_until;

use super::fixture::{MIB, assert_restored, listing, night_of, output, restore};

/// The program must end within this time after a signal.
const LIMIT: Duration = Duration::from_secs(5);

#[test]
fn a_signal_during_the_download_leaves_nothing_behind() {
    let mut setup = night_of(6 * MIB);
    let (is_silent, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (silent, counted) = (is_silent.clone(), reads.clone());
    let _server = setup.serve_sftp(|sftp| {
        sftp.on_operation(move |operation| {
            let is_read = operation.what.starts_with("read ") && silent.load(Ordering::SeqCst);
            if is_read && counted.fetch_add(1, Ordering::SeqCst) >= 60 {
                RequestFault::NoReply
            } else {
                RequestFault::None
            }
        })
    });
    setup.run().exited_with(0);
    is_silent.store(true, Ordering::SeqCst);
    let output = output(&setup);
    let arguments = ["--output", output.to_str().unwrap()];
    for (command, code) in [("restore", 143), ("restore", 130), ("restore", -1), ("verify", 143), ("verify", 130)] {
        for archive_only in [false, true] {
            let options: &[&str] = match (command, archive_only) {
                ("restore", true) => &["--archive-only"],
                ("verify", true) => continue,
                _ => &[],
            };
            reads.store(0, Ordering::SeqCst);
            let arguments = if command == "restore" { [&arguments[..], options].concat() } else { Vec::new() };
            let mut program = setup.command_of(command, &arguments);
            let run = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            wait_until("the middle of the download", || reads.load(Ordering::SeqCst) > 60);
            let started = Instant::now();
            let signal = [(143, Signal::TERM), (130, Signal::INT), (-1, Signal::KILL)];
            let (_, signal) = signal.into_iter().find(|(signal_code, _)| *signal_code == code).unwrap();
            kill_process(Pid::from_child(&run), signal).unwrap();
            let outcome = setup.outcome(run.wait_with_output().unwrap());
            assert!(started.elapsed() < LIMIT, "{:?}", started.elapsed());
            outcome.exited_with(code);
            assert!(listing(&output).is_empty(), "{command}: {}", outcome.all());
            assert_eq!(outcome.stdout, "");
            assert!(code < 0 || outcome.stderr.contains("interrupted (SIG"), "{}", outcome.all());
        }
    }
    is_silent.store(false, Ordering::SeqCst);
    assert_restored(&setup, &restore(&setup, &[]));
}
