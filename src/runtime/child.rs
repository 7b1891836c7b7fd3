//! Child processes: a clean environment, no inherited files, a time limit, bounded output.

use std::ffi::OsStr;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// What a child gets of this program's environment, in addition to `LC_*`. Other variables may hold secrets.
const VARIABLES: [&str; 8] = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "XDG_RUNTIME_DIR"];

/// The first descriptor that is neither standard input nor output nor error.
const FIRST_OTHER: i32 = 3;

/// How many bytes of standard error are kept.
const MAX_STDERR: u64 = 4 * 1024;

/// How long the pipes of a child may take to end after it.
const AFTER_THE_END: Duration = Duration::from_secs(1);

/// How a child process ended.
#[derive(Debug)]
pub(crate) struct ChildOutcome {
    /// `None` if its process group was killed at the time limit.
    pub(crate) status: Option<ExitStatus>,
    /// The beginning of its standard error, trimmed.
    pub(crate) stderr: String,
    /// The error of writing to its standard input; `None` also if it did not read all of it.
    pub(crate) input: Option<io::Result<()>>,
}

/// Runs `program` with `arguments` and `input`, in a process group of its own, for up to `limit`. It gets no open file but
/// standard input, output (`/dev/null`) and error: neither those that this program inherited, nor those of C libraries,
/// which do not all set FD_CLOEXEC.
pub(crate) fn run(program: &Path, arguments: &[&str], input: Vec<u8>, limit: Duration) -> io::Result<ChildOutcome> {
    close_fds::set_fds_cloexec_threadsafe(FIRST_OTHER, &[]);
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| is_passed_on(name)))
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    // These threads are left behind if the child, or a process that it started, hangs.
    let written = child.stdin.take().map(|mut pipe| on_thread(move || pipe.write_all(&input)));
    let read = child.stderr.take().map(|mut pipe| {
        on_thread(move || {
            let mut text = Vec::new();
            let _ = pipe.by_ref().take(MAX_STDERR).read_to_end(&mut text);
            // A child whose standard error is full or closed may fail.
            thread::spawn(move || io::copy(&mut pipe, &mut io::sink()));
            String::from_utf8_lossy(&text).trim().to_owned()
        })
    });
    let Some(status) = wait(&mut child, limit)? else {
        return Ok(ChildOutcome { status: None, stderr: String::new(), input: None });
    };
    let stderr = read.and_then(|read| read.recv_timeout(AFTER_THE_END).ok()).unwrap_or_default();
    let input = written.and_then(|written| written.recv_timeout(AFTER_THE_END).ok());
    Ok(ChildOutcome { status: Some(status), stderr, input })
}

fn is_passed_on(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| VARIABLES.contains(&name) || name.starts_with("LC_"))
}

fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    receiver
}

/// Waits until `child` ends; at its `limit` kills its process group and returns `None`.
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
