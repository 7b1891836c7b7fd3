//! Runs the programs of a drill: in its sandbox, as its user, with a clean environment and bounded output. The time limit and
//! an interruption end them.

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::drill::error::DrillError;
use crate::drill::sandbox::Sandbox;
use crate::drill::user::Ids;
use crate::rules::drill_errors::ErrorLog;
use crate::rules::drill_facts::Engine;
use crate::runtime::worker::propagate_panic;

/// The first file descriptor after standard error.
const FIRST_FD: i32 = 3;
const BUFFER: usize = 128 * 1024;
/// In bytes; a longer line is split.
const MAX_LINE: u64 = 64 * 1024;
/// In bytes; the rest is discarded.
const MAX_OUTPUT: u64 = 16 * 1024 * 1024;
/// The maximum wait for the end of a program after SIGQUIT, and for its pipes after its end.
const END_LIMIT: Duration = Duration::from_secs(2);
const POLL_INTERVAL: Duration = Duration::from_millis(5);
const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];

/// The process groups that run, with the signal that ends each.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    is_over: bool,
    groups: Vec<(Pid, Signal)>,
}

#[derive(Debug)]
pub(super) struct Runner {
    /// Where the programs run and write.
    pub(super) folder: PathBuf,
    pub(super) ids: Option<Ids>,
    pub(super) programs: Option<PathBuf>,
    pub(super) sandbox: Option<Sandbox>,
    pub(super) running: Arc<Running>,
}

/// Dropping it ends its process group.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    signal: Signal,
    status: Option<ExitStatus>,
    running: Arc<Running>,
    pub(super) errors: Arc<Mutex<ErrorLog>>,
    drained: Receiver<()>,
}

pub(super) struct Outcome {
    pub(super) stdout: String,
    /// What made the program fail.
    pub(super) failure: Option<String>,
    pub(super) errors: ErrorLog,
}

impl Running {
    /// Ends all programs; none can be started afterwards.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.is_over = true;
        for (group, signal) in &state.groups {
            // Fails if it has ended.
            let _ = kill_process_group(*group, *signal);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runner {
    /// The path of the program `name`: in drill.programs, in the newest of PostgreSQL's folders, or in the system's.
    pub(super) fn find(&self, name: &str) -> Option<PathBuf> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut versions: Vec<(u32, PathBuf)> = versions
            .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
            .collect();
        versions.sort();
        let usual = versions.into_iter().rev().map(|(_, path)| path).chain(FOLDERS.map(PathBuf::from));
        let folders: Vec<PathBuf> = self.programs.clone().map_or_else(|| usual.collect(), |folder| vec![folder]);
        folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file())
    }

    pub(super) fn need(&self, program: &'static str, package: &'static str) -> Result<PathBuf, DrillError> {
        self.find(program).ok_or(DrillError::MissingProgram { program, package })
    }

    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let variables = [("LC_ALL", "C.UTF-8"), ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")];
        command.env_clear().envs(variables).env("HOME", &self.folder).env("TMPDIR", self.folder.join("tmp"));
        command.current_dir(&self.folder).process_group(0);
        if let Some(Ids { user, group }) = self.ids {
            // This also removes root's other groups.
            command.uid(user).gid(group);
        }
        command
    }

    /// Starts `command`, to be ended by `signal`. `engine` is for reading its standard error.
    pub(super) fn spawn(&self, mut command: Command, engine: Engine, signal: Signal) -> Result<Process, DrillError> {
        let program = name_of(&command);
        let failed = |source| DrillError::Start { program: program.clone(), source };
        close_fds::set_fds_cloexec_threadsafe(FIRST_FD, &[]);
        command.stderr(Stdio::piped());
        let mut state = self.running.lock();
        if state.is_over {
            return Err(failed(io::ErrorKind::Interrupted.into()));
        }
        // Landlock restricts a thread and what it starts. The thread ends at once: the program could otherwise trace it.
        let started = thread::scope(|scope| {
            let confined = scope.spawn(|| {
                self.sandbox.as_ref().map(Sandbox::restrict).transpose().map_err(io::Error::other)?;
                command.spawn()
            });
            confined.join()
        });
        let mut child = propagate_panic(started).map_err(failed)?;
        state.groups.push((Pid::from_child(&child), signal));
        drop(state);
        let errors = Arc::new(Mutex::new(ErrorLog::new(engine)));
        let (log, stderr) = (errors.clone(), child.stderr.take());
        let drained = on_thread(move || {
            let mut stderr = BufReader::new(stderr?);
            let mut line = Vec::new();
            while stderr.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                let text = String::from_utf8_lossy(&line);
                lock(&log).add(text.trim_end_matches(['\n', '\r']));
                line.clear();
            }
            Some(())
        });
        Ok(Process { child, signal, status: None, running: self.running.clone(), errors, drained })
    }

    /// Runs `command` until it ends, with `input` as its standard input. After an error that hurts the data, ends it, but reads
    /// the rest of `input`, which may reveal that the input is damaged.
    pub(super) fn run(
        &self,
        mut command: Command,
        engine: Engine,
        input: &mut dyn Read,
    ) -> Result<Outcome, DrillError> {
        let program = name_of(&command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = self.spawn(command, engine, Signal::KILL)?;
        let mut stdin = process.child.stdin.take();
        let output = Arc::new(Mutex::new(Vec::new()));
        let (kept, stdout) = (output.clone(), process.child.stdout.take());
        let read = on_thread(move || {
            let mut stdout = stdout?;
            let mut buffer = vec![0; BUFFER];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                let mut kept = lock(&kept);
                let left = MAX_OUTPUT as usize - kept.len();
                kept.extend_from_slice(&buffer[..count.min(left)]);
            }
            Some(())
        });
        let mut buffer = vec![0; BUFFER];
        let mut is_unread = false;
        while !self.running.lock().is_over {
            let count = match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => {
                    process.end();
                    break;
                }
            };
            let Some(pipe) = &mut stdin else { continue };
            let has_failed = lock(&process.errors).has_failed();
            if has_failed || pipe.write_all(&buffer[..count]).is_err() {
                is_unread = true;
                stdin = None;
                if has_failed {
                    process.end();
                }
            }
        }
        drop(stdin);
        while !process.poll().map_err(|source| DrillError::Start { program: program.clone(), source })? {
            thread::sleep(POLL_INTERVAL);
        }
        for pipe in [&process.drained, &read] {
            // A process that the program started may keep the pipe open.
            let _ = pipe.recv_timeout(END_LIMIT);
        }
        let mut errors = std::mem::replace(&mut *lock(&process.errors), ErrorLog::new(engine));
        errors.finish();
        let code = process.status.and_then(|status| status.code());
        let unread =
            || is_unread.then(|| format!("{program} ended before the end of the dump: {}", errors.last_message()));
        let failure = errors.failure(code).or_else(unread);
        let stdout = String::from_utf8_lossy(&lock(&output)).into_owned();
        Ok(Outcome { stdout, failure, errors })
    }

    /// Runs `command`, which prepares or serves the drill, and must succeed.
    pub(super) fn prepare(&self, command: Command, engine: Engine) -> Result<(), DrillError> {
        let program = name_of(&command);
        let outcome = self.run(command, engine, &mut io::empty())?;
        outcome.failure.map_or(Ok(()), |message| Err(DrillError::Program { program, message }))
    }
}

impl Process {
    /// Whether it has ended.
    pub(super) fn poll(&mut self) -> io::Result<bool> {
        // While this is locked, nothing kills a group that has ended.
        let mut state = self.running.lock();
        if self.status.is_none() {
            self.status = self.child.try_wait()?;
            if self.status.is_some() {
                let own = Pid::from_child(&self.child);
                state.groups.retain(|(group, _)| *group != own);
            }
        }
        Ok(self.status.is_some())
    }

    /// Ends its process group.
    pub(super) fn end(&mut self) {
        let begun = Instant::now();
        let mut signal = self.signal;
        while let Ok(false) = self.poll() {
            // Fails if it has just ended.
            let _ = kill_process_group(Pid::from_child(&self.child), signal);
            thread::sleep(POLL_INTERVAL);
            if begun.elapsed() > END_LIMIT {
                signal = Signal::KILL;
            }
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

fn name_of(command: &Command) -> String {
    Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn on_thread(work: impl FnOnce() -> Option<()> + Send + 'static) -> Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || work().map(|()| sender.send(())));
    receiver
}
