//! Connections that break, stall or cannot be made: they are retried, resumed, or reported after the last attempt.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::json;
use testkit::servers::Proxy;
use testkit::servers::listener::serve;
use testkit::servers::sftp_faults::RequestFault;
use testkit::servers::sftp_watch::Moment;
use testkit::setup::extract_dump;
use testkit::wait_until;

use super::bad_night::BadNight;
use super::interruptions::kill;

/// Size in bytes of an archive that is sent in several steps.
const SIZE: usize = 2_000_000;
/// Thousandths of the archive that arrive before the connection breaks.
const CUT_POINTS: [usize; 3] = [0, 500, 990];

/// Asserts that the complete archive has its final name and no other file is left.
#[track_caller]
fn assert_delivered(bad: &BadNight) {
    assert!(extract_dump(&bad.archive()) == bad.dump, "the bytes differ");
    bad.assert_no_upload();
    bad.assert_no_temporary_file();
}

#[test]
fn a_reset_by_the_web_server_is_retried_and_then_reported() {
    let mut bad = BadNight::new();
    // A connection closed with unread bytes is reset (RFC 2525, section 2.17).
    let port = serve(|stream| _ = stream.peek(&mut [0]));
    bad.set("source.url", json!(format!("https://127.0.0.1:{port}/my_zip.zip")));
    bad.must_fail(&["no connection to 127.0.0.1", "Connection reset", "Check that the web server is running"])
        .logged("trying again")
        .logged("(2 of 2)");
}

#[test]
fn a_chunked_body_that_is_cut_is_fetched_again() {
    let mut bad = BadNight::new();
    bad.serve(|web| web.without_ranges().without_length().cut_after(20_000, 1));
    bad.run().exited_with(0).logged("the download ended early, after 20000 bytes").logged("retries 1");
    assert_delivered(&bad);
    bad.serve(|web| web.without_ranges().without_length().cut_after(20_000, 10));
    fs::remove_file(bad.archive()).unwrap();
    bad.must_fail(&["the download ended early, after 20000 bytes"]).logged("(2 of 2)");
}

/// A web server that ends its bodies by closing the connection. Sends only half of `zip` for the first `cuts` requests.
fn without_length(zip: Vec<u8>, cuts: usize) -> u16 {
    let requests = std::sync::atomic::AtomicUsize::new(0);
    serve(move |mut stream| {
        let mut request = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
        let _ = request.by_ref().take_while(|line| !line.is_empty()).count();
        let is_cut = requests.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < cuts;
        let body = if is_cut { &zip[..zip.len() / 2] } else { &zip };
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(body);
    })
}

#[test]
fn a_body_that_ends_with_the_connection_is_fetched_again_if_it_is_cut() {
    let mut bad = BadNight::new();
    let zip = fs::read(bad.path("web/my_zip.zip")).unwrap();
    let half = format!("the download ended early, after {} bytes", zip.len() / 2);
    let url = |port| json!(format!("http://127.0.0.1:{port}/my_zip.zip"));
    bad.set("source.url", url(without_length(zip.clone(), usize::MAX)));
    bad.must_fail(&[&half]).logged("(2 of 2)");
    bad.set("source.url", url(without_length(zip, 1)));
    bad.run().exited_with(0).logged(&half).logged("retries 1");
    assert_delivered(&bad);
    // A complete page that is not a ZIP is reported as such.
    bad.set("source.url", url(without_length(b"<!doctype html><title>Please log in</title>".to_vec(), 0)));
    let outcome = bad.must_fail(&["is not a ZIP", "<!doctype html>"]);
    assert!(!outcome.log.contains("trying again"), "{}", outcome.all());
}

#[test]
fn a_retry_after_is_respected_up_to_the_maximum_pause() {
    let mut bad = BadNight::new();
    bad.set("retry.max_pause_seconds", json!(2));
    for (requested, waited) in [(1, 1), (3_600, 2)] {
        bad.serve(|web| web.status_for(503, 1).retry_after(requested));
        // An archive from the previous server would be another job's.
        let _ = fs::remove_file(bad.archive());
        let started = Instant::now();
        bad.run().exited_with(0).logged(&format!("trying again in {waited}.0 s (2 of 2)"));
        assert!(started.elapsed() >= Duration::from_secs(waited), "{:?}", started.elapsed());
    }
}

#[test]
fn an_upload_cut_anywhere_continues_over_a_new_connection() {
    for place in CUT_POINTS {
        let mut bad = BadNight::with_sftp(|sftp| sftp.cut_after((SIZE * place / 1000) as u64, 1));
        bad.enlarge(SIZE);
        bad.run().exited_with(0).logged("sending the archive failed, trying again").logged("retries 1");
        assert_delivered(&bad);
        // The run fails after the last attempt.
        let mut bad = BadNight::with_sftp(|sftp| sftp.cut_after((SIZE * place / 1000) as u64, 1));
        bad.enlarge(SIZE);
        bad.set("retry.attempts", json!(1));
        let before = bad.listing();
        bad.run().exited_with(4).logged("the connection to the server broke while");
        bad.assert_still_holds(&before);
        assert!(!bad.is_delivered(), "cut at {place}");
    }
}

#[test]
fn an_upload_that_stalls_anywhere_continues_over_a_new_connection() {
    for place in CUT_POINTS {
        let bytes = (SIZE * place / 1000) as u64;
        let mut bad = BadNight::with_sftp(|sftp| sftp.stall_writes(bytes, 1));
        bad.enlarge(SIZE);
        bad.set("sftp.timeout_seconds", json!(1));
        bad.run().exited_with(0).logged("sending the archive failed, trying again").logged("retries 1");
        assert_delivered(&bad);
        let mut bad = BadNight::with_sftp(|sftp| sftp.stall_after(bytes));
        bad.enlarge(SIZE);
        bad.set("sftp.timeout_seconds", json!(1));
        let started = Instant::now();
        bad.run().exited_with(4).logged("(2 of 2)").logged("the connection to the server broke while");
        assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
        assert!(!bad.is_delivered(), "stalled at {place}");
    }
}

#[test]
fn an_upload_to_openssh_survives_a_broken_or_stalled_connection() {
    /// Approximate bytes of a login.
    const LOGIN: usize = 8_000;
    for place in CUT_POINTS {
        for stalls in [false, true] {
            let mut bad = BadNight::new();
            bad.enlarge(SIZE);
            let line = Proxy::builder(SocketAddr::from(([127, 0, 0, 1], bad.sshd.port())));
            let bytes = (LOGIN + SIZE * place / 1000) as u64;
            let line = if stalls { line.stall_after(bytes) } else { line.cut_after(bytes) }.start();
            bad.set("sftp.port", json!(line.port())).set("sftp.timeout_seconds", json!(2));
            bad.run().exited_with(0).logged("sending the archive failed, trying again").logged("retries 1");
            assert_delivered(&bad);
        }
    }
}

/// A loopback port that neither accepts nor refuses connections because its queue is full, and the process that keeps it open.
fn unreachable_port() -> (u16, Child) {
    let script = "import socket, sys\n\
        queue = socket.socket(); queue.bind(('127.0.0.1', 0)); queue.listen(0)\n\
        held = []\n\
        for _ in range(8):\n\
        \x20   end = socket.socket(); end.settimeout(0.2)\n\
        \x20   try: end.connect(queue.getsockname())\n\
        \x20   except OSError: pass\n\
        \x20   held.append(end)\n\
        print(queue.getsockname()[1], flush=True); sys.stdin.read()";
    let mut holder =
        Command::new("python3").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut port = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut port).unwrap();
    (port.trim().parse().unwrap(), holder)
}

#[test]
fn an_unreachable_host_is_retried_and_fails_the_run_in_time() {
    let (port, holder) = unreachable_port();
    let mut bad = BadNight::new();
    bad.set("sftp.port", json!(port)).set("sftp.timeout_seconds", json!(1));
    let started = Instant::now();
    bad.must_fail(&[&format!("no connection to 127.0.0.1:{port}"), "firewalls"])
        .logged("trying again")
        .logged("(2 of 2)");
    assert!((2..10).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    kill(holder);
}

#[test]
fn a_removal_executed_after_a_broken_connection_causes_a_second_upload() {
    let part = Arc::new(Mutex::new(PathBuf::new()));
    let path = part.clone();
    let mut bad = BadNight::with_sftp(|sftp| {
        sftp.before_removal(move || {
            // Requested over the first connection, executed after the second one has started to write.
            let path = path.lock().unwrap().clone();
            wait_until("a second upload", || fs::metadata(&path).is_ok_and(|part| part.len() > 1_000));
        })
    });
    *part.lock().unwrap() = bad.directory.join(bad.part_of(&bad.archive_aged(0)));
    fs::write(&*part.lock().unwrap(), "left").unwrap();
    bad.set("sftp.timeout_seconds", json!(1));
    let outcome = bad.run();
    outcome.exited_with(0).logged("sending it again");
    outcome.logged("disappeared");
    assert!(bad.is_delivered() && !part.lock().unwrap().exists(), "{:?}", bad.names());
}

#[test]
fn a_removal_executed_between_verifying_and_renaming_causes_a_second_upload() {
    let part = Arc::new(Mutex::new(PathBuf::new()));
    let (path, renaming) = (part.clone(), Arc::new(AtomicBool::new(false)));
    let begun = renaming.clone();
    let mut bad = BadNight::with_sftp(|sftp| {
        sftp.before_removal(move || wait_until("a rename", || begun.load(Ordering::SeqCst))).on_operation(
            move |operation| {
                let is_rename = operation.moment == Moment::Before && operation.what.starts_with("rename");
                if is_rename && !renaming.swap(true, Ordering::SeqCst) {
                    wait_until("the removal", || !path.lock().unwrap().exists());
                }
                RequestFault::None
            },
        )
    });
    *part.lock().unwrap() = bad.directory.join(bad.part_of(&bad.archive_aged(0)));
    fs::write(&*part.lock().unwrap(), "left").unwrap();
    bad.set("sftp.timeout_seconds", json!(1));
    bad.run().exited_with(0).logged("sending it again").logged("disappeared");
    assert!(bad.is_delivered() && !part.lock().unwrap().exists(), "{:?}", bad.names());
}

#[test]
fn removing_a_failed_upload_does_not_wait_for_a_silent_server() {
    let bad =
        BadNight::with_sftp(|sftp| sftp.full_after(20_000).before_removal(|| thread::sleep(Duration::from_secs(20))));
    let started = Instant::now();
    bad.run().exited_with(4).logged("no space, a quota");
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
}
