//! Runs the programs of a drill: in its sandbox, as its user, with a clean environment and bounded output. The time limit and
//! an interruption end them.

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::drill::error::DrillError;
use crate::drill::sandbox;
use crate::drill::user::Ids;
use crate::rules::drill_errors::ErrorLog;
use crate::rules::drill_facts::Engine;
use crate::rules::loading::BEGINNING;
use crate::runtime::worker::propagate_panic;

/// The first file descriptor after standard error.
const FIRST_FD: i32 = 3;
const BUFFER: usize = 128 * 1024;
/// In bytes; a longer line is split.
const MAX_LINE: u64 = 64 * 1024;
/// In bytes; the rest is discarded.
const MAX_OUTPUT: usize = 16 * 1024 * 1024;
/// The maximum wait for the end of a program after its signal, and for its pipes after its end.
const END_LIMIT: Duration = Duration::from_millis(1500);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The process groups that run.
#[derive(Debug, Default)]
pub(super) struct Running {
    is_over: bool,
    /// Each with the signal that ends it.
    groups: Vec<(Pid, Signal)>,
}

#[derive(Debug)]
pub(super) struct Runner {
    /// Where the programs run and write.
    pub(super) folder: PathBuf,
    /// Whose errors they print.
    pub(super) engine: Engine,
    pub(super) ids: Option<Ids>,
    pub(super) programs: Option<PathBuf>,
    pub(super) is_confined: bool,
    pub(super) running: Arc<Mutex<Running>>,
}

/// Dropping it ends its process group.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    signal: Signal,
    status: Option<ExitStatus>,
    running: Arc<Mutex<Running>>,
    pub(super) errors: Arc<Mutex<ErrorLog>>,
    draining: JoinHandle<()>,
}

pub(super) struct Outcome {
    pub(super) stdout: String,
    /// What made the program fail.
    pub(super) failure: Option<String>,
    pub(super) errors: ErrorLog,
    /// The last bytes of its input, at least [`BEGINNING`] of them if there are that many.
    pub(super) end: Vec<u8>,
}

impl Running {
    /// Ends all programs; none can be started afterwards.
    pub(super) fn end(&mut self) {
        self.is_over = true;
        for (group, signal) in &self.groups {
            // Fails if it has just ended.
            let _ = kill_process_group(*group, *signal);
        }
    }
}

impl Runner {
    /// The path of the program `name`: in drill.programs, in the newest of PostgreSQL's folders, or in the system's.
    pub(super) fn find(&self, name: &str) -> Option<PathBuf> {
        let postgresql = Path::new("/usr/lib/postgresql");
        let entries = std::fs::read_dir(postgresql).into_iter().flatten().flatten();
        let mut versions: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        versions.sort_unstable_by(|a, b| b.cmp(a));
        let usual = versions.iter().map(|version| postgresql.join(version.to_string()).join("bin"));
        let usual = usual.chain(["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"].map(PathBuf::from));
        let folders = self.programs.as_ref().map_or_else(|| usual.collect(), |folder| vec![folder.clone()]);
        folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file())
    }

    /// A command with the program `name`, which `package` contains.
    pub(super) fn command(&self, name: &'static str, package: &'static str) -> Result<Command, DrillError> {
        let program = self.find(name).ok_or(DrillError::MissingProgram { program: name, package })?;
        let mut command = Command::new(program);
        let variables = [("LC_ALL", "C.UTF-8"), ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")];
        command.env_clear().envs(variables).env("HOME", &self.folder).env("TMPDIR", self.folder.join("tmp"));
        command.current_dir(&self.folder).process_group(0).stdin(Stdio::null()).stdout(Stdio::null());
        if let Some(Ids { user, group }) = self.ids {
            // This also removes root's other groups.
            command.uid(user).gid(group);
        }
        Ok(command)
    }

    /// Starts `command`, to be ended by `signal`.
    pub(super) fn spawn(&self, mut command: Command, signal: Signal) -> Result<Process, DrillError> {
        close_fds::set_fds_cloexec_threadsafe(FIRST_FD, &[]);
        command.stderr(Stdio::piped());
        let program = name_of(&command);
        let failed = |error: io::Error| DrillError::Program { program, message: format!("it does not start: {error}") };
        let mut running = lock(&self.running);
        if running.is_over {
            return Err(failed(io::ErrorKind::Interrupted.into()));
        }
        // Landlock restricts a thread and what it starts. The thread ends at once: the program could otherwise trace it.
        let start = || {
            if self.is_confined {
                sandbox::restrict(&self.folder, self.programs.as_deref()).map_err(io::Error::other)?;
            }
            command.spawn()
        };
        let mut child = propagate_panic(thread::scope(|scope| scope.spawn(start).join())).map_err(failed)?;
        running.groups.push((Pid::from_child(&child), signal));
        drop(running);
        let errors = Arc::new(Mutex::new(ErrorLog::new(self.engine)));
        let (log, stderr) = (errors.clone(), child.stderr.take());
        let draining = drain(stderr, move |line| {
            lock(&log).add(String::from_utf8_lossy(line).trim_end_matches(['\n', '\r']));
        });
        Ok(Process { child, signal, status: None, running: self.running.clone(), errors, draining })
    }

    /// Runs `command` until it ends, with `input` as its standard input. After an error that hurts the data, ends it, but reads
    /// the rest of `input`, which may reveal that the input is damaged.
    pub(super) fn run(&self, mut command: Command, input: &mut dyn Read) -> Result<Outcome, DrillError> {
        let program = name_of(&command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = self.spawn(command, Signal::KILL)?;
        let output = Arc::new(Mutex::new(Vec::new()));
        let (kept, stdout) = (output.clone(), process.child.stdout.take());
        let reading = drain(stdout, move |line| {
            let mut kept = lock(&kept);
            let left = MAX_OUTPUT - kept.len();
            kept.extend_from_slice(&line[..line.len().min(left)]);
        });
        let mut stdin = process.child.stdin.take();
        // If this fails, the pipe blocks.
        let _ = stdin.as_ref().map(|pipe| ioctl_fionbio(pipe, true));
        let (mut buffer, mut end, mut is_unread) = (vec![0; BUFFER], Vec::new(), false);
        while !lock(&self.running).is_over {
            let count = match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(DrillError::Read(error)),
            };
            end.extend_from_slice(&buffer[count.saturating_sub(BEGINNING)..count]);
            end.drain(..end.len().saturating_sub(2 * BEGINNING));
            let has_failed = lock(&process.errors).has_failed();
            if let Some(pipe) = &mut stdin
                && (has_failed || !self.write(pipe, &buffer[..count]))
            {
                (stdin, is_unread) = (None, true);
                if has_failed {
                    process.end();
                }
            }
        }
        drop(stdin);
        let mut ended = None;
        // A process that the program started may keep its pipes open.
        let is_drained = |process: &Process| process.draining.is_finished() && reading.is_finished();
        while !process.poll() || !is_drained(&process) && ended.get_or_insert_with(Instant::now).elapsed() < END_LIMIT {
            thread::sleep(POLL_INTERVAL);
            if lock(&self.running).is_over {
                process.end();
            }
        }
        let mut errors = std::mem::replace(&mut *lock(&process.errors), ErrorLog::new(self.engine));
        errors.finish();
        let unread =
            || is_unread.then(|| format!("{program} ended before the end of the dump: {}", errors.last_message()));
        let failure = errors.failure(process.status.and_then(|status| status.code())).or_else(unread);
        let stdout = String::from_utf8_lossy(&lock(&output)).into_owned();
        Ok(Outcome { stdout, failure, errors, end })
    }

    /// Returns false if nothing reads `pipe` any more, or the drill is over: another process may keep the pipe open.
    fn write(&self, pipe: &mut ChildStdin, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() && !lock(&self.running).is_over {
            match pipe.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let limit = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
                    let _ = poll(&mut [PollFd::new(pipe, PollFlags::OUT)], Some(&limit));
                }
                Err(_) => return false,
            }
        }
        bytes.is_empty()
    }

    /// Runs `command`, which must succeed, and returns its output.
    pub(super) fn require(&self, command: Command, input: &str) -> Result<String, DrillError> {
        let program = name_of(&command);
        let outcome = self.run(command, &mut input.as_bytes())?;
        outcome.failure.map_or(Ok(outcome.stdout), |message| Err(DrillError::Program { program, message }))
    }
}

impl Process {
    /// Whether it has ended.
    pub(super) fn poll(&mut self) -> bool {
        // While this is locked, nothing kills a group that has ended.
        let mut running = lock(&self.running);
        if self.status.is_none()
            && let Ok(Some(status)) = self.child.try_wait()
        {
            let own = Pid::from_child(&self.child);
            running.groups.retain(|(group, _)| *group != own);
            self.status = Some(status);
        }
        self.status.is_some()
    }

    fn end(&mut self) {
        let begun = Instant::now();
        while !self.poll() {
            let signal = if begun.elapsed() < END_LIMIT { self.signal } else { Signal::KILL };
            // Fails if it has just ended.
            let _ = kill_process_group(Pid::from_child(&self.child), signal);
            thread::sleep(POLL_INTERVAL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes each line of `pipe` to `keep`, to its end.
fn drain(pipe: Option<impl Read + Send + 'static>, mut keep: impl FnMut(&[u8]) + Send + 'static) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut lines = pipe.map(BufReader::new);
        let mut line = Vec::new();
        while let Some(lines) = &mut lines
            && let Ok(1..) = lines.take(MAX_LINE).read_until(b'\n', &mut line)
        {
            keep(&line);
            line.clear();
        }
    })
}

fn name_of(command: &Command) -> String {
    Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned()
}
