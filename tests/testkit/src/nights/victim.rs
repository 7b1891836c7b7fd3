//! A run of the program that can be killed.

use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::model::Ending;

/// How often its state is checked.
const GLANCE: Duration = Duration::from_micros(200);
/// No run takes longer.
const LIMIT: Duration = Duration::from_secs(120);

/// A run of the program that can be killed. All clones refer to the same run.
#[derive(Clone, Default)]
pub struct Victim {
    child: Arc<Mutex<Option<Child>>>,
}

pub struct Ended {
    pub ending: Ending,
    pub duration: Duration,
}

impl Victim {
    pub fn kill(&self) {
        if let Some(child) = self.child.lock().unwrap().as_mut() {
            child.kill().expect("one's own child can be killed");
        }
    }

    /// Runs `command`, and kills it once `is_time` returns true; its argument is the time since the start.
    pub fn run(&self, mut command: Command, mut is_time: impl FnMut(Duration) -> bool) -> Ended {
        let begun = {
            let mut child = self.child.lock().unwrap();
            *child = Some(command.spawn().expect("the program can be started"));
            Instant::now()
        };
        loop {
            let status = self.child.lock().unwrap().as_mut().unwrap().try_wait().expect("one can wait for a child");
            let duration = begun.elapsed();
            if let Some(status) = status {
                *self.child.lock().unwrap() = None;
                return Ended { ending: status.code().map_or(Ending::Killed, Ending::Code), duration };
            }
            if is_time(duration) {
                self.kill();
            }
            assert!(duration < LIMIT, "the program has not ended within {LIMIT:?}");
            thread::sleep(GLANCE);
        }
    }
}
