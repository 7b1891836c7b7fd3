//! Runs work that may get stuck: signals, time limits and panics end the work, but do not prevent the reports.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};
use std::{io, thread};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::runtime::interrupt::{Interrupt, Interruption};

/// How long interrupted work may take to end; then it is abandoned.
const GRACE: Duration = Duration::from_secs(2);
/// A signal ends the program within 5 seconds: this, and a moment to exit.
const FROM_SIGNAL_TO_END: Duration = Duration::from_millis(4_500);

/// How supervised work ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WorkOutcome {
    Returned,
    /// With the panic's message.
    Panicked(String),
    /// It was interrupted, did not end in time, and is abandoned.
    Stuck,
}

enum Event {
    Ended { work: u32, panic: Option<String> },
    Signal(Interruption),
}

/// Runs pieces of work one after another, each on its own thread.
pub(crate) struct Supervisor {
    events: Receiver<Event>,
    sender: Sender<Event>,
    begun: u32,
    signalled: Option<(Instant, Interruption)>,
}

impl Supervisor {
    /// From now on SIGINT and SIGTERM interrupt the work; a second signal ends the program at once, with 128 plus the signal's
    /// number.
    pub(crate) fn new() -> io::Result<Supervisor> {
        let (sender, events) = mpsc::channel();
        let is_second = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag unset and sets it.
            flag::register_conditional_shutdown(signal, 128 + signal, is_second.clone())?;
            flag::register(signal, is_second.clone())?;
        }
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let signalled = sender.clone();
        thread::spawn(move || {
            for signal in signals.forever() {
                let cause = if signal == SIGINT { Interruption::Sigint } else { Interruption::Sigterm };
                if signalled.send(Event::Signal(cause)).is_err() {
                    return;
                }
            }
        });
        Ok(Supervisor { events, sender, begun: 0, signalled: None })
    }

    /// Runs `work` until it ends. A signal or the end of `limit` triggers `interrupt`; work that does not end soon after is
    /// abandoned.
    pub(crate) fn run(
        &mut self,
        work: impl FnOnce() + Send + 'static,
        limit: Duration,
        interrupt: &Interrupt,
    ) -> WorkOutcome {
        self.begun += 1;
        let (number, sender) = (self.begun, self.sender.clone());
        let mut end = Instant::now() + limit;
        let mut is_interrupted = false;
        if let Some((when, cause)) = self.signalled {
            interrupt.trigger(cause);
            is_interrupted = true;
            end = end.min(when + FROM_SIGNAL_TO_END);
        }
        thread::spawn(move || {
            let panic = panic::catch_unwind(AssertUnwindSafe(work)).err().map(|panic| text_of(&*panic));
            // Nobody receives it when the program is about to end.
            let _ = sender.send(Event::Ended { work: number, panic });
        });
        loop {
            match self.events.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(Event::Ended { work, panic }) if work == number => {
                    return panic.map_or(WorkOutcome::Returned, WorkOutcome::Panicked);
                }
                // Of abandoned work.
                Ok(Event::Ended { .. }) => {}
                Ok(Event::Signal(cause)) => {
                    let now = Instant::now();
                    self.signalled.get_or_insert((now, cause));
                    interrupt.trigger(cause);
                    is_interrupted = true;
                    end = end.min(now + GRACE);
                }
                Err(RecvTimeoutError::Timeout) if !is_interrupted => {
                    interrupt.trigger(Interruption::Deadline);
                    is_interrupted = true;
                    end = Instant::now() + GRACE;
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return WorkOutcome::Stuck,
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
    fn work_that_exceeds_its_limit_is_interrupted_and_then_abandoned() {
        let mut supervisor = Supervisor::new().unwrap();
        let interrupt = Interrupt::new();
        let heeding = interrupt.clone();
        let limit = Duration::from_millis(20);
        let ended = supervisor.run(move || _ = heeding.pause(Duration::from_secs(60)), limit, &interrupt);
        assert_eq!((ended, interrupt.cause()), (WorkOutcome::Returned, Some(Interruption::Deadline)));
        let deaf = supervisor.run(|| thread::sleep(Duration::from_secs(60)), limit, &Interrupt::new());
        assert_eq!(deaf, WorkOutcome::Stuck);
        assert_eq!(supervisor.run(|| (), limit, &Interrupt::new()), WorkOutcome::Returned);
    }

    #[test]
    fn a_panic_is_reported() {
        let mut supervisor = Supervisor::new().unwrap();
        let ended = supervisor.run(|| panic!("out of {}", "luck"), Duration::from_secs(60), &Interrupt::new());
        assert_eq!(ended, WorkOutcome::Panicked("out of luck".to_owned()));
    }
}
