//! Child processes: a clean environment, no open files, and an end at their time limit.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// What a child gets of this program's environment, in addition to `LC_*`. Other variables may hold secrets.
const VARIABLES: [&str; 8] = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "XDG_RUNTIME_DIR"];

/// The first descriptor that is neither standard input nor output nor error.
const FIRST_OTHER: i32 = 3;

/// A command that runs `program` in a process group of its own. It gets the usual variables, and no open file but
/// standard input, output and error: neither those that this program inherited, nor those of C libraries, which do not
/// all set FD_CLOEXEC.
pub fn command(program: &Path) -> Command {
    close_fds::set_fds_cloexec_threadsafe(FIRST_OTHER, &[]);
    let mut command = Command::new(program);
    command.env_clear().envs(std::env::vars_os().filter(|(name, _)| is_passed_on(name))).process_group(0);
    command
}

fn is_passed_on(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| VARIABLES.contains(&name) || name.starts_with("LC_"))
}

/// Waits until `child`, made by [`command`], ends. At its `limit`, its process group is killed: then `None`.
///
/// # Errors
/// If the system cannot wait for it.
pub fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
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
