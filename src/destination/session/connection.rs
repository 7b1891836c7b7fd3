//! An authenticated connection: classifies failed requests and closes the connection.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ssh2::{Session, Sftp};

use crate::config;
use crate::destination::error::{DestinationError, is_connection_error, is_missing};
use crate::runtime::error_chain::with_causes;
use crate::runtime::interrupt::{CloserGuard, Interrupt};

/// An authenticated connection. Dropping it or interrupting the run shuts its socket down first: libssh2 would otherwise wait
/// for replies over a dead connection.
pub struct Connection {
    pub(crate) sftp: Sftp,
    pub(crate) interrupt: Interrupt,
    directory: String,
    timeout: Duration,
    pub(crate) session: Session,
    socket: TcpStream,
    _closer: CloserGuard,
}

impl Connection {
    /// `sftp` uses `session`, which uses `socket`. `closer` shuts the socket down when `interrupt` is triggered.
    pub(crate) fn new(
        config: &config::Sftp,
        interrupt: &Interrupt,
        (sftp, session, socket): (Sftp, Session, TcpStream),
        closer: CloserGuard,
    ) -> Connection {
        let (directory, timeout, interrupt) = (config.directory.clone(), config.timeout, interrupt.clone());
        Connection { sftp, interrupt, directory, timeout, session, socket, _closer: closer }
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
        Path::new(&self.directory).join(name)
    }

    pub(crate) fn directory(&self) -> &Path {
        Path::new(&self.directory)
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
        if error.kind() == io::ErrorKind::TimedOut || !self.is_alive() {
            return self.broken(during, error);
        }
        DestinationError::refused(what)
    }

    /// A broken connection; `during` is the activity ("while …").
    pub(crate) fn broken(&self, during: String, error: io::Error) -> DestinationError {
        DestinationError::Broken { what: during, limit: self.timeout, source: error }
    }

    fn is_alive(&self) -> bool {
        match self.sftp.stat(self.directory()) {
            Ok(_) => true,
            Err(error) => !is_connection_error(&error),
        }
    }

    /// Shuts the socket down, which ends all waiting calls.
    pub(crate) fn shut_down(&self) {
        // It may be shut down already.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    pub(crate) fn check_directory(&self) -> Result<(), DestinationError> {
        match self.sftp.stat(self.directory()) {
            Ok(stat) if stat.is_dir() => Ok(()),
            Ok(_) => Err(DestinationError::NotADirectory(self.directory.clone())),
            Err(error) if is_missing(&error) => Err(DestinationError::NoDirectory(self.directory.clone())),
            Err(error) => Err(self.failed(&format!("to look up {:?}", self.directory), error)),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shut_down();
    }
}
