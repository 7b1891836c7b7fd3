//! Runs child processes with a clean environment, no inherited files, a time limit and bounded output.

use std::ffi::OsStr;
use std::io::{self, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// The variables that a child inherits, in addition to `LC_*`. Others may contain secrets.
const VARIABLES: [&str; 8] = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "XDG_RUNTIME_DIR"];

/// The first file descriptor after standard error.
const FIRST_FD: i32 = 3;

/// In bytes; the rest of a child's output is discarded.
pub(crate) const MAX_OUTPUT: usize = 64 * 1024;

/// The maximum wait for a child's pipes after its exit.
const PIPE_LIMIT: Duration = Duration::from_secs(1);

const POLL_INTERVAL: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) path: &'a Path,
    pub(crate) arguments: Vec<&'a str>,
    /// The variables that it inherits in addition to the usual ones.
    pub(crate) variables: &'a [String],
    /// Its standard input.
    pub(crate) input: Vec<u8>,
    pub(crate) kept: Kept,
    pub(crate) limit: Duration,
    /// Whether its process group is killed when it exits.
    pub(crate) ends_group: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    Stdout,
    Stderr,
    Both,
}

#[derive(Debug)]
pub(crate) struct ChildOutcome {
    /// `None` if its process group was killed before it exited.
    pub(crate) status: Option<ExitStatus>,
    /// The beginning of its output.
    pub(crate) output: Vec<u8>,
    /// The result of writing to its standard input; `None` if it did not read all of it.
    pub(crate) input: Option<io::Result<()>>,
}

/// Runs `program` in its own process group until it exits, its limit is reached or `is_over`. It inherits no files, not even
/// those that C libraries opened without FD_CLOEXEC.
pub(crate) fn run(program: Program<'_>, is_over: impl Fn() -> bool) -> io::Result<ChildOutcome> {
    close_fds::set_fds_cloexec_threadsafe(FIRST_FD, &[]);
    let (output, pipe) = io::pipe()?;
    let keep = |is_kept| if is_kept { pipe.try_clone().map(Stdio::from) } else { Ok(Stdio::null()) };
    let mut child = Command::new(program.path)
        .args(&program.arguments)
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| is_inherited(name, program.variables)))
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(keep(program.kept != Kept::Stderr)?)
        .stderr(keep(program.kept != Kept::Stdout)?)
        .spawn()?;
    drop(pipe);
    // If the child or a process that it started hangs, these threads are abandoned.
    let written = child.stdin.take().map(|mut pipe| on_thread(move || pipe.write_all(&program.input)));
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keeping = kept.clone();
    let read = on_thread(move || keep_beginning(output, &keeping));
    let status = wait(&mut child, program.limit, program.ends_group, is_over)?;
    let _ = read.recv_timeout(PIPE_LIMIT);
    let output = std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
    let input = written.filter(|_| status.is_some()).and_then(|written| written.recv_timeout(PIPE_LIMIT).ok());
    Ok(ChildOutcome { status, output, input })
}

fn is_inherited(name: &OsStr, more: &[String]) -> bool {
    let is_usual = |name: &str| VARIABLES.contains(&name) || name.starts_with("LC_");
    name.to_str().is_some_and(|name| is_usual(name) || more.iter().any(|more| more == name))
}

fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    receiver
}

/// Reads `pipe` to its end, because the child might fail if it is full or closed.
fn keep_beginning(mut pipe: impl Read, kept: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 8 * 1024];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                let left = MAX_OUTPUT - kept.len();
                kept.extend_from_slice(&buffer[..count.min(left)]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Waits for `child`; after `limit` or if `is_over`, kills its process group and returns `None`.
fn wait(
    child: &mut Child,
    limit: Duration,
    ends_group: bool,
    is_over: impl Fn() -> bool,
) -> io::Result<Option<ExitStatus>> {
    let (begun, id) = (Instant::now(), Pid::from_child(child));
    // Until the child is reaped, no other group gets its id.
    let poll = || waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT);
    let has_exited = loop {
        if poll()?.is_some() {
            break true;
        }
        if begun.elapsed() >= limit || is_over() {
            break false;
        }
        thread::sleep(POLL_INTERVAL);
    };
    if ends_group || !has_exited {
        // It fails if the program has changed its user.
        let _ = kill_process_group(id, Signal::KILL);
    }
    child.wait().map(|status| has_exited.then_some(status))
}
