//! An authenticated connection: classifies failed requests and closes the connection.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ssh2::{File, Session, Sftp};

use crate::config;
use crate::destination::error::{DestinationError, is_connection_error, is_missing};
use crate::destination::session::keep_alive::{Keeper, KeeperGuard, Pulse};
use crate::runtime::error_chain::with_causes;
use crate::runtime::interrupt::{CloserGuard, Interrupt};

/// Factor of the time limit for requests after which the server has to move or write many bytes: an object store copies a
/// renamed file, and stores a file when it is closed; a sync writes the disk's buffers.
const SLOW_REQUEST_FACTOR: u32 = 10;

/// An authenticated connection. Dropping it or interrupting the run shuts its socket down first: libssh2 would otherwise wait
/// for replies over a dead connection.
pub struct Connection {
    pub(crate) sftp: Arc<Sftp>,
    pub(crate) interrupt: Interrupt,
    configured_directory: String,
    /// Set by the first connection of the run: on some servers relative and absolute paths name different folders.
    directory: Arc<OnceLock<PathBuf>>,
    pub(crate) session: Session,
    socket: TcpStream,
    pulse: Arc<Pulse>,
    _keeper: KeeperGuard,
    _closer: CloserGuard,
}

impl Connection {
    /// `sftp` uses `session`, which uses `socket`. `closer` shuts the socket down when `interrupt` is triggered.
    ///
    /// # Errors
    /// If no handle of the socket is left.
    pub(crate) fn new(
        (config, directory): (&config::Sftp, &Arc<OnceLock<PathBuf>>),
        (keeper, interrupt): (&Keeper, &Interrupt),
        (sftp, session, socket): (Sftp, Session, TcpStream),
        closer: CloserGuard,
    ) -> io::Result<Connection> {
        let sftp = Arc::new(sftp);
        let pulse = Arc::new(Pulse::new(&sftp, socket.try_clone()?));
        let keeper = keeper.add(&pulse, limit(&session));
        let (configured_directory, directory) = (config.directory.clone(), Arc::clone(directory));
        let interrupt = interrupt.clone();
        Ok(Connection {
            sftp,
            interrupt,
            configured_directory,
            directory,
            session,
            socket,
            pulse,
            _keeper: keeper,
            _closer: closer,
        })
    }

    /// Keeps the connection alive until it is [woken](Connection::wake). No transfer may be in progress on it.
    pub(crate) fn rest(&self) {
        self.pulse.rest();
    }

    /// Ends the rest, if any. Returns `false` if the connection broke during a rest.
    pub(crate) fn wake(&self) -> bool {
        self.pulse.wake()
    }

    /// Keeps the connection alive during `wait`. All earlier writes must have been acknowledged.
    pub(crate) fn rest_during<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.rest();
        let value = wait();
        self.wake();
        value
    }

    /// Runs `request` with ten times the time limit.
    pub(crate) fn patiently<T>(&self, request: impl FnOnce() -> T) -> T {
        let timeout = self.session.timeout();
        self.session.set_timeout(timeout.saturating_mul(SLOW_REQUEST_FACTOR));
        let value = request();
        self.session.set_timeout(timeout);
        value
    }

    /// Closes a written file. `failed` converts an error.
    pub(crate) fn close_file(
        &self,
        mut file: File,
        failed: impl FnOnce(ssh2::Error) -> DestinationError,
    ) -> Result<(), DestinationError> {
        self.patiently(|| file.close().map_err(failed))
    }

    /// Disconnects properly; dropping a connection only shuts its socket down.
    ///
    /// # Errors
    /// If the connection is broken.
    pub fn close(self) -> Result<(), DestinationError> {
        self.session.disconnect(None, "done", None).map_err(|error| self.failed("to disconnect", error))
    }

    /// As [`close`](Connection::close), but only logs an error.
    pub fn close_quietly(self) {
        if let Err(error) = self.close() {
            tracing::debug!("{}", with_causes(&error));
        }
    }

    /// The path of the file `name` in `sftp.directory`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.get().map_or(Path::new(&self.configured_directory), PathBuf::as_path)
    }

    /// `sftp.directory` as configured, for messages.
    pub(crate) fn configured_directory(&self) -> &str {
        &self.configured_directory
    }

    /// The error for a failed request `what` ("to remove …"): a broken connection or a refusal.
    pub(crate) fn failed(&self, what: &str, error: ssh2::Error) -> DestinationError {
        if is_connection_error(&error) {
            return self.broken(format!("during a request {what}"), error.into());
        }
        DestinationError::Refused { what: what.to_owned(), source: error }
    }

    /// As [`failed`](Connection::failed), for a failed read or write; `during` is the activity ("while …"). libssh2's error
    /// does not distinguish a refusal from a broken connection, so this checks whether the server still replies.
    pub(crate) fn transfer_failed(&self, during: String, what: &str, error: io::Error) -> DestinationError {
        if error.kind() == io::ErrorKind::TimedOut || !self.pulse.responds() {
            return self.broken(during, error);
        }
        DestinationError::refused(what)
    }

    /// A broken connection; `during` is the activity ("while …").
    pub(crate) fn broken(&self, during: String, error: io::Error) -> DestinationError {
        DestinationError::Broken { what: during, limit: limit(&self.session), source: error }
    }

    /// Shuts the socket down, which ends all waiting calls.
    pub(crate) fn shut_down(&self) {
        // It may be shut down already.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Checks the directory, and resolves it unless that is done. Returns the duration of a small request.
    pub(crate) fn check_directory(&self) -> Result<Duration, DestinationError> {
        let configured = self.configured_directory();
        if self.directory.get().is_none() {
            match self.sftp.realpath(configured.as_ref()) {
                Ok(path) if path.is_absolute() => {
                    let started = Instant::now();
                    if self.sftp.stat(&path).is_ok_and(|stat| stat.is_dir()) {
                        self.directory.get_or_init(|| path);
                        return Ok(started.elapsed());
                    }
                }
                Err(error) if is_connection_error(&error) => {
                    return Err(self.failed(&format!("to resolve {configured:?}"), error));
                }
                _ => {}
            }
        }
        let started = Instant::now();
        match self.sftp.stat(self.directory()) {
            Ok(stat) if stat.is_dir() => drop(self.directory.get_or_init(|| configured.into())),
            Ok(_) => return Err(DestinationError::NotADirectory(configured.to_owned())),
            Err(error) if is_missing(&error) => return Err(DestinationError::NoDirectory(configured.to_owned())),
            Err(error) => return Err(self.failed(&format!("to look up {configured:?}"), error)),
        }
        Ok(started.elapsed())
    }
}

/// The current time limit for a reply.
fn limit(session: &Session) -> Duration {
    Duration::from_millis(session.timeout().into())
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shut_down();
    }
}
