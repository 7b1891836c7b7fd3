//! Runs child processes with a clean environment, no inherited files, a time limit and bounded output.

use std::ffi::OsStr;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// The variables that a child inherits, in addition to `LC_*`. Others may contain secrets.
const VARIABLES: [&str; 8] = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "XDG_RUNTIME_DIR"];

/// The first file descriptor after standard error.
const FIRST_FD: i32 = 3;

/// In bytes; the rest is discarded.
const MAX_STDERR: u64 = 4 * 1024;

/// The maximum wait for a child's pipes after its exit.
const PIPE_LIMIT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct ChildOutcome {
    /// `None` if its process group was killed at the time limit.
    pub(crate) status: Option<ExitStatus>,
    /// The beginning of its standard error, trimmed.
    pub(crate) stderr: String,
    /// The result of writing to its standard input; `None` if it did not read all of it.
    pub(crate) input: Option<io::Result<()>>,
}

/// Runs `program` in its own process group, with `input` as standard input and `/dev/null` as standard output, for up to
/// `limit`. It inherits no other files, not even those that C libraries opened without FD_CLOEXEC.
pub(crate) fn run(program: &Path, arguments: &[&str], input: Vec<u8>, limit: Duration) -> io::Result<ChildOutcome> {
    close_fds::set_fds_cloexec_threadsafe(FIRST_FD, &[]);
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| is_inherited(name)))
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    // If the child or a process that it started hangs, these threads are abandoned.
    let written = child.stdin.take().map(|mut pipe| on_thread(move || pipe.write_all(&input)));
    let read = child.stderr.take().map(|mut pipe| {
        on_thread(move || {
            let mut text = Vec::new();
            let _ = pipe.by_ref().take(MAX_STDERR).read_to_end(&mut text);
            // Drains the pipe: the child might fail if it is full or closed.
            thread::spawn(move || io::copy(&mut pipe, &mut io::sink()));
            String::from_utf8_lossy(&text).trim().to_owned()
        })
    });
    let Some(status) = wait(&mut child, limit)? else {
        return Ok(ChildOutcome { status: None, stderr: String::new(), input: None });
    };
    let stderr = read.and_then(|read| read.recv_timeout(PIPE_LIMIT).ok()).unwrap_or_default();
    let input = written.and_then(|written| written.recv_timeout(PIPE_LIMIT).ok());
    Ok(ChildOutcome { status: Some(status), stderr, input })
}

fn is_inherited(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| VARIABLES.contains(&name) || name.starts_with("LC_"))
}

fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    receiver
}

/// Waits for `child`; after `limit`, kills its process group and returns `None`.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begun.elapsed() >= limit {
            kill_process_group(Pid::from_child(child), Signal::KILL)?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(20));
    }
}
