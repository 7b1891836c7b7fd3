//! 64 MiB of random bytes in place of each input: a clear error within limits of time and memory, and no panic.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::Outcome;

use super::bad_night::BadNight;

const SIZE: usize = 64 * 1024 * 1024;
const MAX_DURATION: Duration = Duration::from_secs(60);
const MAX_KIB: u64 = 128 * 1024;

/// Different in each test run. The seed is printed if a test fails.
static RANDOM_BYTES: LazyLock<(u64, Vec<u8>)> = LazyLock::new(|| {
    let seed = fastrand::u64(..);
    let mut bytes = vec![0; SIZE];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    (seed, bytes)
});

fn random_bytes() -> &'static [u8] {
    let (seed, bytes) = &*RANDOM_BYTES;
    eprintln!("the random bytes come from the seed {seed}");
    bytes
}

/// Runs the job. Asserts that it stays within limits of time and memory, does not panic, and prints no control characters or
/// overlong lines.
#[track_caller]
pub(crate) fn run_with_limits(bad: &BadNight) -> Outcome {
    run_command_with_limits(bad, &bad.command())
}

#[track_caller]
fn run_command_with_limits(bad: &BadNight, command: &Command) -> Outcome {
    let usage = bad.path("usage");
    let mut timed = Command::new("time");
    timed.args(["-f", "%M", "-o"]).arg(&usage).arg(command.get_program()).args(command.get_args());
    timed.env("TZ", "UTC").env_remove("SSH_AUTH_SOCK");
    let started = Instant::now();
    let outcome = bad.outcome(timed.output().expect("time is missing: install the Debian package of that name"));
    assert!(started.elapsed() < MAX_DURATION, "{:?}", started.elapsed());
    let usage = fs::read_to_string(usage).unwrap();
    let kib: u64 = usage.lines().last().unwrap().parse().unwrap();
    assert!(kib < MAX_KIB, "{kib} KiB of memory");
    assert!(!outcome.all().contains("panicked") && !outcome.all().contains("internal error"), "{}", outcome.all());
    for line in outcome.log.lines().chain(outcome.stderr.lines()) {
        assert!(!line.contains(char::is_control) && line.chars().count() < 10_000, "{line:?}");
    }
    outcome
}

/// Serves `greeting` and then random bytes on a loopback port, after the end of a request if `waits_for_request`. Returns the
/// port.
fn serve_random_bytes(greeting: &'static str, waits_for_request: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let bytes = random_bytes();
    let handle = move |mut stream: TcpStream| {
        if waits_for_request {
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let _ = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).count();
        }
        let _ = stream.write_all(greeting.as_bytes()).and_then(|()| stream.write_all(bytes));
    };
    thread::spawn(move || listener.incoming().flatten().for_each(handle));
    port
}

#[test]
fn random_bytes_are_not_a_zip() {
    for in_parts in [true, false] {
        let mut bad = BadNight::new();
        bad.publish_bytes(random_bytes());
        bad.serve(|web| if in_parts { web } else { web.without_ranges() });
        run_with_limits(&bad).exited_with(4).logged("is not a ZIP").logged("Open source.url in a browser");
    }
}

#[test]
fn random_bytes_are_not_a_configuration() {
    let bad = BadNight::new();
    let command = bad.command();
    let config = bad.path("config.json");
    fs::write(&config, random_bytes()).unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
    let outcome = run_command_with_limits(&bad, &command);
    outcome.exited_with(3).logged("CRITICAL");
    assert!(outcome.stderr.contains("config.json") && outcome.stderr.lines().count() == 1, "{}", outcome.all());
}

#[test]
fn random_bytes_are_not_a_known_hosts_file() {
    let bad = BadNight::new();
    fs::write(bad.path("known_hosts"), random_bytes()).unwrap();
    run_with_limits(&bad).exited_with(4).logged("known_hosts").logged("cannot be used");
    // The maximum size that is read.
    File::options().write(true).open(bad.path("known_hosts")).unwrap().set_len(4 * 1024 * 1024).unwrap();
    run_with_limits(&bad).exited_with(4).logged("known_hosts").logged("Correct it or remove it");
    assert!(!bad.sshd.log().contains("Accepted"), "{}", bad.sshd.log());
}

#[test]
fn random_bytes_are_not_an_ssh_server() {
    for greeting in ["", "SSH-2.0-", "SSH-2.0-OpenSSH_9.2\r\n"] {
        let mut bad = BadNight::new();
        bad.set("sftp.port", json!(serve_random_bytes(greeting, false))).set("sftp.timeout_seconds", json!(5));
        run_with_limits(&bad).exited_with(4).logged("no SSH session with 127.0.0.1");
    }
}

#[test]
fn random_bytes_are_not_a_web_server() {
    for greeting in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"] {
        let mut bad = BadNight::new();
        bad.set("source.url", json!(format!("http://127.0.0.1:{}/my_zip.zip", serve_random_bytes(greeting, true))));
        run_with_limits(&bad).exited_with(4).logged("ERROR");
    }
}

#[test]
fn random_bytes_are_not_a_mattermost_response() {
    for greeting in
        ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "HTTP/1.1 400 No\r\n\r\n"]
    {
        let mut bad = BadNight::new();
        bad.set(
            "mattermost.webhook_url",
            json!(format!("http://127.0.0.1:{}/hooks/x", serve_random_bytes(greeting, true))),
        );
        let outcome = run_with_limits(&bad);
        outcome.exited_with(1).logged("posting to Mattermost failed: ");
        assert!(bad.is_delivered(), "{}", outcome.all());
    }
}

#[test]
fn random_bytes_are_not_a_mail_server() {
    for security in ["tls", "starttls", "none"] {
        for greeting in ["", "220 ", "220-"] {
            let mut bad = BadNight::new();
            let server =
                json!({"host": "127.0.0.1", "port": serve_random_bytes(greeting, false), "security": security});
            bad.set("email.server", server).set("retry.attempts", Value::from(1));
            let outcome = run_with_limits(&bad);
            outcome.exited_with(1).logged("the mail did not reach 1 of 1 recipients");
            assert!(bad.is_delivered(), "{}", outcome.all());
        }
    }
}
