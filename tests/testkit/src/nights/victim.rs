//! A run of the program that can be killed.

use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::model::Exit;

const POLL_INTERVAL: Duration = Duration::from_micros(200);
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// All clones refer to the same run.
#[derive(Clone, Default)]
pub struct Victim {
    child: Arc<Mutex<Option<Child>>>,
}

pub struct Finished {
    pub exit: Exit,
    pub duration: Duration,
}

impl Victim {
    pub fn kill(&self) {
        if let Some(child) = self.child.lock().unwrap().as_mut() {
            child.kill().expect("a child can be killed");
        }
    }

    /// Runs `command`, and kills it once `should_kill` returns true for the time since the start.
    pub fn run(&self, mut command: Command, mut should_kill: impl FnMut(Duration) -> bool) -> Finished {
        let start = {
            let mut child = self.child.lock().unwrap();
            *child = Some(command.spawn().expect("the program can be started"));
            Instant::now()
        };
        loop {
            let status =
                self.child.lock().unwrap().as_mut().unwrap().try_wait().expect("the status of a child can be read");
            let duration = start.elapsed();
            if let Some(status) = status {
                *self.child.lock().unwrap() = None;
                return Finished { exit: status.code().map_or(Exit::Killed, Exit::Code), duration };
            }
            if should_kill(duration) {
                self.kill();
            }
            assert!(duration < TIME_LIMIT, "the program did not exit within {TIME_LIMIT:?}");
            thread::sleep(POLL_INTERVAL);
        }
    }
}
