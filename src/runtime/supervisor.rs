//! Runs work that may get stuck: signals, time limits and panics end the work but not the program.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals as SignalIterator;

use crate::runtime::interrupt::{Interrupt, Interruption};
use crate::runtime::worker::inherit;

/// Interrupted work that takes longer to end is abandoned.
const GRACE_PERIOD: Duration = Duration::from_secs(2);
/// For all work after a signal: the program must exit within 5 seconds.
const SIGNAL_LIMIT: Duration = Duration::from_millis(4_500);

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WorkOutcome {
    Returned,
    /// With the panic's message.
    Panicked(String),
    /// Interrupted, but did not end within the grace period.
    Stuck,
}

enum Event {
    Ended {
        work: u32,
        panic: Option<String>,
    },
    /// When the first signal arrived, and which.
    Signal((Instant, Interruption)),
}

/// The signals that this process receives: SIGINT and SIGTERM. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Signals(Arc<Mutex<Received>>);

#[derive(Default)]
struct Received {
    first: Option<(Instant, Interruption)>,
    supervisors: Vec<Sender<Event>>,
}

impl Signals {
    /// Registers the signals: the first one interrupts all work, a second one ends the program immediately with 128 plus its
    /// number.
    pub(crate) fn register() -> io::Result<Signals> {
        let is_second = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order, because the first signal must find the flag unset.
            flag::register_conditional_shutdown(signal, 128 + signal, is_second.clone())?;
            flag::register(signal, is_second.clone())?;
        }
        let mut iterator = SignalIterator::new([SIGINT, SIGTERM])?;
        let signals = Signals::default();
        let received = signals.clone();
        thread::spawn(move || {
            for signal in iterator.forever() {
                let cause = if signal == SIGINT { Interruption::Sigint } else { Interruption::Sigterm };
                let mut received = received.received();
                let first = *received.first.get_or_insert((Instant::now(), cause));
                received.supervisors.retain(|supervisor| supervisor.send(Event::Signal(first)).is_ok());
            }
        });
        Ok(signals)
    }

    /// The first signal, if one was received.
    pub(crate) fn cause(&self) -> Option<Interruption> {
        self.received().first.map(|(_, cause)| cause)
    }

    /// How long ago the first signal was received, if one was.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.received().first.map(|(when, _)| when.elapsed())
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs pieces of work one after another, each on its own thread. Several supervisors can do so at the same time.
pub(crate) struct Supervisor {
    events: Receiver<Event>,
    sender: Sender<Event>,
    begun: u32,
    signalled: Option<(Instant, Interruption)>,
}

impl Supervisor {
    /// A supervisor whose work the `signals` interrupt.
    pub(crate) fn new(signals: &Signals) -> Supervisor {
        let (sender, events) = mpsc::channel();
        let mut received = signals.received();
        received.supervisors.push(sender.clone());
        Supervisor { events, sender, begun: 0, signalled: received.first }
    }

    /// Runs `work` until it ends. A signal or exceeding `limit` triggers `interrupt`; work that does not end within the grace
    /// period is abandoned.
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
            end = end.min(when + SIGNAL_LIMIT);
        }
        let work = inherit(work);
        thread::spawn(move || {
            let panic = panic::catch_unwind(AssertUnwindSafe(work)).err().map(|panic| text_of(&*panic));
            // Fails only if the program is exiting.
            let _ = sender.send(Event::Ended { work: number, panic });
        });
        loop {
            match self.events.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(Event::Ended { work, panic }) if work == number => {
                    return panic.map_or(WorkOutcome::Returned, WorkOutcome::Panicked);
                }
                // From abandoned work.
                Ok(Event::Ended { .. }) => {}
                Ok(Event::Signal(first)) => {
                    self.signalled = Some(first);
                    interrupt.trigger(first.1);
                    is_interrupted = true;
                    end = end.min(Instant::now() + GRACE_PERIOD);
                }
                Err(RecvTimeoutError::Timeout) if !is_interrupted => {
                    interrupt.trigger(Interruption::Deadline);
                    is_interrupted = true;
                    end = Instant::now() + GRACE_PERIOD;
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
    fn work_that_exceeds_its_limit_is_interrupted_and_abandoned_if_stuck() {
        let mut supervisor = Supervisor::new(&Signals::default());
        let interrupt = Interrupt::new();
        let clone = interrupt.clone();
        let limit = Duration::from_millis(20);
        let outcome = supervisor.run(move || _ = clone.pause(Duration::from_secs(60)), limit, &interrupt);
        assert_eq!((outcome, interrupt.cause()), (WorkOutcome::Returned, Some(Interruption::Deadline)));
        let outcome = supervisor.run(|| thread::sleep(Duration::from_secs(60)), limit, &Interrupt::new());
        assert_eq!(outcome, WorkOutcome::Stuck);
        assert_eq!(supervisor.run(|| (), limit, &Interrupt::new()), WorkOutcome::Returned);
    }

    #[test]
    fn a_panic_is_reported() {
        let mut supervisor = Supervisor::new(&Signals::default());
        let outcome = supervisor.run(|| panic!("out of {}", "luck"), Duration::from_secs(60), &Interrupt::new());
        assert_eq!(outcome, WorkOutcome::Panicked("out of luck".to_owned()));
    }
}
