//! Keeps idle connections alive: many services close a connection after a minute without a request.
//!
//! Only connections that are marked as resting get requests. In a transfer, libssh2 may have sent only a part of a write, and
//! any other request would then end up in the middle of it.

use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use ssh2::Sftp;

use crate::destination::error::is_connection_error;
use crate::runtime::worker::inherit;

const MAX_INTERVAL: Duration = Duration::from_secs(15);

/// A connection that rested for longer is checked before it is used.
const TRUSTED: Duration = Duration::from_secs(1);

/// Sends requests over the resting connections of a server. Its thread ends with the last connection.
#[derive(Debug, Default)]
pub(crate) struct Keeper(Mutex<Weak<Sender<Message>>>);

pub(crate) enum Message {
    Add(Weak<Pulse>),
    Beat,
}

/// As long as it exists, the keeper's thread runs.
pub(crate) type KeeperGuard = Arc<Sender<Message>>;

/// The state of a connection, shared with the keeper.
pub(crate) struct Pulse {
    state: Mutex<State>,
    sftp: Arc<Sftp>,
    socket: TcpStream,
}

#[derive(Debug, Clone, Copy)]
enum State {
    InUse,
    /// The time of the last request.
    Resting(Instant),
    /// It broke while it was resting.
    Dead,
}

impl Keeper {
    /// Adds a connection with this time limit for replies.
    pub(crate) fn add(&self, pulse: &Arc<Pulse>, timeout: Duration) -> KeeperGuard {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = current.upgrade().unwrap_or_else(|| {
            let (sender, receiver) = mpsc::channel();
            thread::spawn(inherit(move || keep(&receiver, MAX_INTERVAL.min(timeout / 2))));
            Arc::new(sender)
        });
        *current = Arc::downgrade(&sender);
        // The thread receives as long as there is a sender.
        let _ = sender.send(Message::Add(Arc::downgrade(pulse)));
        sender
    }

    /// Sends a request over each resting connection now, without waiting for the reply: a connection that is needed soon is then
    /// not checked first.
    pub(crate) fn beat_soon(&self) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        // Without a sender, there is no connection.
        _ = sender.map(|sender| sender.send(Message::Beat));
    }
}

fn keep(receiver: &Receiver<Message>, interval: Duration) {
    let mut pulses: Vec<Weak<Pulse>> = Vec::new();
    let mut next = Instant::now() + interval;
    loop {
        match receiver.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(Message::Add(pulse)) => pulses.push(pulse),
            Err(RecvTimeoutError::Disconnected) => return,
            Ok(Message::Beat) | Err(RecvTimeoutError::Timeout) => {
                pulses.retain(|pulse| pulse.upgrade().is_some_and(|pulse| pulse.beat()));
                next = Instant::now() + interval;
            }
        }
    }
}

impl Pulse {
    pub(crate) fn new(sftp: &Arc<Sftp>, socket: TcpStream) -> Pulse {
        Pulse { state: Mutex::new(State::InUse), sftp: Arc::clone(sftp), socket }
    }

    /// Lets the keeper use the connection.
    pub(crate) fn rest(&self) {
        let mut state = self.state();
        if matches!(*state, State::InUse) {
            *state = State::Resting(Instant::now());
        }
    }

    /// Ends the rest, if any. Returns `false` if the connection broke during a rest.
    pub(crate) fn wake(&self) -> bool {
        let mut state = self.state();
        if matches!(*state, State::Resting(since) if since.elapsed() > TRUSTED) {
            self.send_request(&mut state);
        }
        if matches!(*state, State::Resting(_)) {
            *state = State::InUse;
        }
        !matches!(*state, State::Dead)
    }

    /// Whether the server replies to a request, even with a refusal.
    pub(crate) fn responds(&self) -> bool {
        self.sftp.stat(Path::new(".")).map_or_else(|error| !is_connection_error(&error), |_| true)
    }

    /// Sends a request if the connection is resting. Returns whether it still works.
    fn beat(&self) -> bool {
        let mut state = self.state();
        if matches!(*state, State::Resting(_)) {
            self.send_request(&mut state);
        }
        !matches!(*state, State::Dead)
    }

    fn send_request(&self, state: &mut State) {
        if self.responds() {
            *state = State::Resting(Instant::now());
        } else {
            *state = State::Dead;
            // The next request then fails at once. It may be shut down already.
            let _ = self.socket.shutdown(Shutdown::Both);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
