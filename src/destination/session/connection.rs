//! One authenticated connection: what a failed request means, and how the connection ends.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ssh2::{Session, Sftp};

use crate::config;
use crate::destination::error::{DestinationError, is_link, is_missing};
use crate::runtime::error_chain::with_causes;
use crate::runtime::interrupt::{CloserGuard, Interrupt};

/// An authenticated connection. When it is dropped or the run is interrupted, its socket is shut down first: libssh2 would
/// otherwise wait for answers on a dead link.
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
    /// `sftp` runs over `session`, which runs over `socket`, which `closer` shuts down when `interrupt` is triggered.
    pub(crate) fn new(
        config: &config::Sftp,
        interrupt: &Interrupt,
        (sftp, session, socket): (Sftp, Session, TcpStream),
        closer: CloserGuard,
    ) -> Connection {
        let (directory, timeout, interrupt) = (config.directory.clone(), config.timeout, interrupt.clone());
        Connection { sftp, interrupt, directory, timeout, session, socket, _closer: closer }
    }

    /// Disconnects with a message. A connection that is only dropped is cut.
    ///
    /// # Errors
    /// If the link is broken, which no longer matters.
    pub fn close(self) -> Result<(), DestinationError> {
        self.session.disconnect(None, "done", None).map_err(|error| self.failed("to say goodbye", error))
    }

    /// As [`close`](Connection::close), if it does not matter whether that succeeds.
    pub fn goodbye(self) {
        if let Err(error) = self.close() {
            tracing::debug!("{}", with_causes(&error));
        }
    }

    /// The path of the file called `name` in `sftp.directory`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.directory).join(name)
    }

    pub(crate) fn directory(&self) -> &Path {
        Path::new(&self.directory)
    }

    /// `error`, the answer when the server was asked `what` ("to remove …"), as a broken link or a refusal.
    pub(crate) fn failed(&self, what: &str, error: ssh2::Error) -> DestinationError {
        if is_link(&error) {
            return self.broken(format!("when it was asked {what}"), error.into());
        }
        DestinationError::Refused { what: what.to_owned(), source: error }
    }

    /// As [`failed`](Connection::failed), after a read or write failed `during` something ("while …"). libssh2's error does
    /// not distinguish a refusal from a broken link: whether the server still answers does.
    pub(crate) fn transfer_failed(&self, during: String, what: &str, error: io::Error) -> DestinationError {
        if error.kind() == io::ErrorKind::TimedOut || !self.is_alive() {
            return self.broken(during, error);
        }
        DestinationError::refused(what)
    }

    /// A broken link; `during` is what was under way ("while …").
    pub(crate) fn broken(&self, during: String, error: io::Error) -> DestinationError {
        DestinationError::Broken { what: during, limit: self.timeout, source: error }
    }

    fn is_alive(&self) -> bool {
        match self.sftp.stat(self.directory()) {
            Ok(_) => true,
            Err(error) => !is_link(&error),
        }
    }

    /// Shuts the socket down: no call waits for an answer any more.
    pub(crate) fn cut(&self) {
        // It may be shut down already.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    pub(crate) fn check_directory(&self) -> Result<(), DestinationError> {
        match self.sftp.stat(self.directory()) {
            Ok(stat) if stat.is_dir() => Ok(()),
            Ok(_) => Err(DestinationError::NotADirectory(self.directory.clone())),
            Err(error) if is_missing(&error) => Err(DestinationError::NoDirectory(self.directory.clone())),
            Err(error) => Err(self.failed(&format!("to look at {:?}", self.directory), error)),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.cut();
    }
}
