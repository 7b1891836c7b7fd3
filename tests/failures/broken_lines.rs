//! The line breaks, stalls or leads nowhere: what is tried again, what goes on from where it was, and when it is given up.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::bad_night::BadNight;
use super::interruptions::wait_until;
use testkit::servers::Proxy;
use testkit::servers::zips::noise;

/// Bytes of an archive that is sent in several steps.
const SIZE: usize = 2_000_000;
/// Thousandths of the archive that get through before the line breaks.
const PLACES: [usize; 3] = [0, 500, 990];

/// Makes the night's archive `SIZE` bytes long or a little more.
fn enlarge(bad: &mut BadNight) {
    bad.dump = noise(SIZE);
    let modified = bad.modified;
    bad.publish_dump_of(modified);
}

/// The archive must be there, whole, under its own name alone.
#[track_caller]
fn assert_delivered(bad: &BadNight) {
    let folder = tempfile::tempdir().unwrap();
    let archive = bad.directory.join(bad.archive_of(0));
    let status = Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(folder.path()).status().unwrap();
    assert!(status.success());
    assert!(fs::read(folder.path().join("dumpfile.sql")).unwrap() == bad.dump, "other bytes");
    assert!(bad.names().iter().all(|name| !name.starts_with('.')), "{:?}", bad.names());
    bad.leaves_no_temporary_file();
}

/// Serves each connection on a port of loopback with `converse`, in threads that end with the test. Gives the port.
fn serve(converse: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            converse(stream);
        }
    });
    port
}

#[test]
fn a_web_server_that_resets_the_connection_is_tried_again_and_then_told() {
    let mut bad = BadNight::new();
    // What is closed with bytes unread is reset (RFC 2525, section 2.17).
    let port = serve(|stream| _ = stream.peek(&mut [0]));
    bad.set("source.url", json!(format!("https://127.0.0.1:{port}/my_zip.zip")));
    bad.must_fail(&["no connection to 127.0.0.1", "Connection reset", "Check that the web server runs"])
        .logged("trying again")
        .logged("(2 of 2)");
}

#[test]
fn a_body_in_chunks_that_breaks_off_is_fetched_again() {
    let mut bad = BadNight::new();
    bad.serve(|web| web.without_ranges().without_length().cut_after(20_000, 1));
    bad.run().exited_with(0).logged("the download broke off after 20000 bytes").logged("retries 1");
    assert_delivered(&bad);
    bad.serve(|web| web.without_ranges().without_length().cut_after(20_000, 10));
    fs::remove_file(bad.directory.join(bad.archive_of(0))).unwrap();
    bad.must_fail(&["the download broke off after 20000 bytes"]).logged("(2 of 2)");
}

/// A web server whose bodies end with the connection. It sends `zip`, of which the first `cuts` times only a half.
fn without_length(zip: Vec<u8>, cuts: usize) -> u16 {
    let answered = std::sync::atomic::AtomicUsize::new(0);
    serve(move |mut stream| {
        let mut request = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
        let _ = request.by_ref().take_while(|line| !line.is_empty()).count();
        let is_cut = answered.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < cuts;
        let body = if is_cut { &zip[..zip.len() / 2] } else { &zip };
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(body);
    })
}

#[test]
fn a_body_that_only_the_end_of_the_connection_ends_is_fetched_again_where_it_is_cut() {
    let mut bad = BadNight::new();
    let zip = fs::read(bad.path("web/my_zip.zip")).unwrap();
    let half = format!("the download broke off after {} bytes", zip.len() / 2);
    let url = |port| json!(format!("http://127.0.0.1:{port}/my_zip.zip"));
    bad.set("source.url", url(without_length(zip.clone(), usize::MAX)));
    bad.must_fail(&[&half]).logged("(2 of 2)");
    bad.set("source.url", url(without_length(zip, 1)));
    bad.run().exited_with(0).logged(&half).logged("retries 1");
    assert_delivered(&bad);
    // A page that somebody put there is whole, and told as what it is.
    bad.set("source.url", url(without_length(b"<!doctype html><title>Please log in</title>".to_vec(), 0)));
    let outcome = bad.must_fail(&["is not a ZIP", "<!doctype html>"]);
    assert!(!outcome.log.contains("trying again"), "{}", outcome.all());
}

#[test]
fn a_retry_after_is_waited_for_as_long_as_the_longest_pause_allows() {
    let mut bad = BadNight::new();
    bad.set("retry.max_pause_seconds", json!(2));
    for (asked, waited) in [(1, 1), (3_600, 2)] {
        bad.serve(|web| web.status_for(503, 1).retry_after(asked));
        // The former server's archive would be another job's.
        let _ = fs::remove_file(bad.directory.join(bad.archive_of(0)));
        let begun = Instant::now();
        bad.run().exited_with(0).logged(&format!("trying again in {waited}.0 s (2 of 2)"));
        assert!(begun.elapsed() >= Duration::from_secs(waited), "{:?}", begun.elapsed());
    }
}

#[test]
fn an_upload_that_is_cut_anywhere_is_done_over_a_new_connection() {
    for place in PLACES {
        let mut bad = BadNight::with_sftp(|sftp| sftp.cut_after((SIZE * place / 1000) as u64, 1));
        enlarge(&mut bad);
        bad.run().exited_with(0).logged("sending the archive failed, trying again").logged("retries 1");
        assert_delivered(&bad);
        // Once there are no more tries, it is given up.
        let mut bad = BadNight::with_sftp(|sftp| sftp.cut_after((SIZE * place / 1000) as u64, 1));
        enlarge(&mut bad);
        bad.set("retry.attempts", json!(1));
        let history = bad.listing();
        bad.run().exited_with(4).logged("the connection to the server broke while");
        assert!(history.iter().all(|(name, content)| bad.listing().get(name) == Some(content)), "{:?}", bad.names());
        assert!(!bad.names().contains(&bad.archive_of(0)), "cut at {place}");
    }
}

#[test]
fn an_upload_that_stalls_anywhere_is_done_over_a_new_connection() {
    for place in PLACES {
        let bytes = (SIZE * place / 1000) as u64;
        let mut bad = BadNight::with_sftp(|sftp| sftp.stall_writes(bytes, 1));
        enlarge(&mut bad);
        bad.set("sftp.timeout_seconds", json!(1));
        bad.run().exited_with(0).logged("sending the archive failed, trying again").logged("retries 1");
        assert_delivered(&bad);
        let mut bad = BadNight::with_sftp(|sftp| sftp.stall_after(bytes));
        enlarge(&mut bad);
        bad.set("sftp.timeout_seconds", json!(1));
        let begun = Instant::now();
        bad.run().exited_with(4).logged("(2 of 2)").logged("the connection to the server broke while");
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
        assert!(!bad.names().contains(&bad.archive_of(0)), "stalled at {place}");
    }
}

#[test]
fn openssh_gets_the_whole_archive_over_a_line_that_breaks_or_stalls_anywhere() {
    /// About what a login takes.
    const LOGIN: usize = 8_000;
    for place in PLACES {
        for stalls in [false, true] {
            let mut bad = BadNight::new();
            enlarge(&mut bad);
            let line = Proxy::builder(SocketAddr::from(([127, 0, 0, 1], bad.sshd.port())));
            let bytes = (LOGIN + SIZE * place / 1000) as u64;
            let line = if stalls { line.stall_after(bytes) } else { line.cut_after(bytes) }.start();
            bad.set("sftp.port", json!(line.port())).set("sftp.timeout_seconds", json!(2));
            bad.run().exited_with(0).logged("sending the archive failed, trying again").logged("retries 1");
            assert_delivered(&bad);
        }
    }
}

/// A port of loopback that takes no connection and refuses none: its queue is full, so that the system drops what
/// comes. It does so until the process that holds it ends.
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
fn a_host_that_cannot_be_reached_is_tried_again_and_given_up_in_time() {
    let (port, mut holder) = unreachable_port();
    let mut bad = BadNight::new();
    bad.set("sftp.port", json!(port)).set("sftp.timeout_seconds", json!(1));
    let begun = Instant::now();
    bad.must_fail(&[&format!("no connection to 127.0.0.1:{port}"), "firewalls"])
        .logged("trying again")
        .logged("(2 of 2)");
    assert!((2..10).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[test]
fn a_removal_that_a_server_carries_out_after_the_link_broke_costs_a_second_upload_and_not_the_run() {
    let part = Arc::new(Mutex::new(PathBuf::new()));
    let path = part.clone();
    let mut bad = BadNight::with_sftp(|sftp| {
        sftp.before_removal(move || {
            // Asked over the first connection, done when the second one has begun to write.
            let path = path.lock().unwrap().clone();
            wait_until("a second upload", || fs::metadata(&path).is_ok_and(|part| part.len() > 1_000));
        })
    });
    *part.lock().unwrap() = bad.directory.join(bad.part_of(&bad.archive_of(0)));
    fs::write(&*part.lock().unwrap(), "left").unwrap();
    bad.set("sftp.timeout_seconds", json!(1));
    bad.run().exited_with(0).logged("sending it again").logged("it is not there");
    assert!(bad.names().contains(&bad.archive_of(0)) && !part.lock().unwrap().exists(), "{:?}", bad.names());
}

#[test]
fn the_removal_of_a_failed_upload_is_not_waited_for_where_the_server_has_fallen_silent() {
    let bad =
        BadNight::with_sftp(|sftp| sftp.full_after(20_000).before_removal(|| thread::sleep(Duration::from_secs(20))));
    let begun = Instant::now();
    bad.run().exited_with(4).logged("no space, a quota");
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
}
