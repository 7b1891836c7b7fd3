//! Watches over work that may get stuck: signals, time limits and panics end it, and never the program's reports.

use std::any::Any;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::runtime::interrupt::Interrupt;
use crate::runtime::interrupt::Interruption;

/// How long work that was told to end may take to do so; then it is left behind.
const GRACE: Duration = Duration::from_secs(2);
/// A signal ends the program within 5 seconds: this, and a moment to come to an end.
const FROM_SIGNAL_TO_END: Duration = Duration::from_millis(4_500);

/// How supervised work ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself.
    Returned,
    /// With a panic that said this.
    Panicked(String),
    /// Not at all: it was told to end, did not in time, and is left behind.
    Stuck,
}

enum Event {
    Ended { work: u32, panic: Option<String> },
    Signal(Interruption),
}

/// Runs one piece of work after the other, each on a thread of its own.
pub(crate) struct Supervisor {
    events: Receiver<Event>,
    sender: Sender<Event>,
    begun: u32,
    signalled: Option<(Instant, Interruption)>,
}

impl Supervisor {
    /// From now on SIGINT and SIGTERM end the work instead of the program; the second of them ends the program at
    /// once.
    pub(crate) fn new() -> io::Result<Supervisor> {
        let (sender, events) = mpsc::channel();
        let is_second = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // The order counts: the first signal finds the flag down and puts it up.
            flag::register_conditional_shutdown(signal, 128 + signal, is_second.clone())?;
            flag::register(signal, is_second.clone())?;
        }
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let teller = sender.clone();
        thread::spawn(move || {
            for signal in signals.forever() {
                let cause = if signal == SIGINT { Interruption::Sigint } else { Interruption::Sigterm };
                if teller.send(Event::Signal(cause)).is_err() {
                    return;
                }
            }
        });
        Ok(Supervisor { events, sender, begun: 0, signalled: None })
    }

    /// Runs `work` until it ends, or until a signal or `limit` triggers `interrupt` and it does not end in time.
    pub(crate) fn run(
        &mut self,
        work: impl FnOnce() + Send + 'static,
        limit: Duration,
        interrupt: &Interrupt,
    ) -> Ended {
        self.begun += 1;
        let (number, sender) = (self.begun, self.sender.clone());
        let mut end = Instant::now() + limit;
        let mut told_to_end = false;
        if let Some((when, cause)) = self.signalled {
            interrupt.trigger(cause);
            told_to_end = true;
            end = end.min(when + FROM_SIGNAL_TO_END);
        }
        thread::spawn(move || {
            let panic = panic::catch_unwind(AssertUnwindSafe(work)).err().map(|panic| text_of(&*panic));
            // Nobody listens any more where the program is about to end.
            let _ = sender.send(Event::Ended { work: number, panic });
        });
        loop {
            match self.events.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(Event::Ended { work, panic }) if work == number => {
                    return panic.map_or(Ended::Returned, Ended::Panicked);
                }
                // Of work that was left behind.
                Ok(Event::Ended { .. }) => {}
                Ok(Event::Signal(cause)) => {
                    let now = Instant::now();
                    self.signalled.get_or_insert((now, cause));
                    interrupt.trigger(cause);
                    told_to_end = true;
                    end = end.min(now + GRACE);
                }
                Err(RecvTimeoutError::Timeout) if !told_to_end => {
                    interrupt.trigger(Interruption::Deadline);
                    told_to_end = true;
                    end = Instant::now() + GRACE;
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ended::Stuck,
            }
        }
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_does_not_end_in_time_is_told_to_and_then_left_behind() {
        let mut supervisor = Supervisor::new().unwrap();
        let interrupt = Interrupt::new();
        let heeding = interrupt.clone();
        let limit = Duration::from_millis(20);
        let ended = supervisor.run(move || _ = heeding.pause(Duration::from_secs(60)), limit, &interrupt);
        assert_eq!((ended, interrupt.cause()), (Ended::Returned, Some(Interruption::Deadline)));
        let deaf = supervisor.run(|| thread::sleep(Duration::from_secs(60)), limit, &Interrupt::new());
        assert_eq!(deaf, Ended::Stuck);
        assert_eq!(supervisor.run(|| (), limit, &Interrupt::new()), Ended::Returned);
    }

    #[test]
    fn a_panic_is_told() {
        let mut supervisor = Supervisor::new().unwrap();
        let ended = supervisor.run(|| panic!("out of {}", "luck"), Duration::from_secs(60), &Interrupt::new());
        assert_eq!(ended, Ended::Panicked("out of luck".to_owned()));
    }
}
