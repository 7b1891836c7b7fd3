//! One connection to the server, from the first packet to a directory that is there.

use std::io;
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ssh2::{ErrorCode, MethodType, Session, Sftp};

use crate::config::{self, HostKeyPolicy};
use crate::destination::error::DestinationError;
use crate::destination::error::{is_link, is_missing};
use crate::destination::session::authentication::{Failure, Login, authenticate};
use crate::destination::session::connection_pool::Reserve;
use crate::destination::session::host_key::{self, Verdict};
use crate::destination::session::known_hosts::{self, Known, Place};
use crate::destination::transfer::lanes;
use crate::rules::known_hosts::HostName;
use crate::runtime::interrupt::{CloserGuard, Interrupt};
use crate::runtime::retry::Retry;

/// How often a handshake waits for an answer: identification, key exchange, new keys, the service of logging in
/// (RFC 4253).
const ROUND_TRIPS_OF_HANDSHAKE: u32 = 4;

/// The server, as the configuration names it. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Server {
    pub(crate) config: Arc<config::Sftp>,
    pub(crate) interrupt: Interrupt,
    retry: Retry,
    /// Whether a first host key may be added to known_hosts.
    remembers: bool,
    /// The host key of the first connection, which every later one must show too.
    pub(crate) host_key: Arc<OnceLock<HostKey>>,
    /// How the first login was made.
    pub(crate) login: Arc<OnceLock<Login>>,
    /// Whether it has refused the login, or its host key was refused.
    has_turned_away: Arc<AtomicBool>,
    /// How many connections a transfer may use.
    connections: Arc<AtomicU64>,
    /// Connections that were made in advance.
    pub(crate) reserve: Arc<Reserve>,
}

#[derive(Debug)]
pub(crate) struct HostKey {
    pub(crate) key: Vec<u8>,
    /// Where it is known from.
    pub(crate) place: Option<Place>,
    pub(crate) new_fingerprint: Option<String>,
}

/// A connection that is authenticated.
///
/// Its socket is shut down first when it is dropped, or when the run is told to end: libssh2 would else wait for
/// answers on a dead link.
pub struct Connection {
    pub(crate) sftp: Sftp,
    pub(crate) interrupt: Interrupt,
    directory: String,
    timeout: Duration,
    pub(crate) session: Session,
    socket: TcpStream,
    _closer: CloserGuard,
}

impl Server {
    /// The server of `config`. Connections end with `interrupt`; a first host key is added to known_hosts if
    /// `remembers`.
    pub fn new(config: &config::Sftp, interrupt: &Interrupt, retry: &Retry, remembers: bool) -> Server {
        Server {
            config: Arc::new(config.clone()),
            interrupt: interrupt.clone(),
            retry: retry.clone(),
            remembers,
            host_key: Arc::default(),
            login: Arc::default(),
            has_turned_away: Arc::default(),
            connections: Arc::new(AtomicU64::new(1)),
            reserve: Arc::default(),
        }
    }

    /// An archive of about `size` bytes is to be sent or read back: further connections that are worth it are made as
    /// soon as there is one.
    pub fn expect_transfer(&self, size: u64) {
        self.reserve.want(size);
    }

    /// The server's host key's fingerprint, where this run was the first to meet it.
    pub fn new_fingerprint(&self) -> Option<&str> {
        self.host_key.get().and_then(|host_key| host_key.new_fingerprint.as_deref())
    }

    /// Whether the server has refused the login in this run, or was not trusted: neither is to be tried again.
    pub fn has_turned_away(&self) -> bool {
        self.has_turned_away.load(Ordering::SeqCst)
    }

    /// Connects, trying again as the policy allows.
    ///
    /// # Errors
    /// The last attempt's.
    pub fn connect(&self) -> Result<Connection, DestinationError> {
        self.retry.run("connecting to the SFTP server", || self.connect_once())
    }

    /// Connects, does `work`, and does both again over a new connection where the link breaks, as the policy
    /// allows. `what` names the work in the log. Gives the connection back for more.
    ///
    /// # Errors
    /// The last attempt's.
    pub fn with_connection<T>(
        &self,
        what: &str,
        mut first: Option<Connection>,
        mut work: impl FnMut(&Connection) -> Result<T, DestinationError>,
    ) -> Result<(T, Connection), DestinationError> {
        self.retry.run(what, || {
            let connection = match first.take() {
                Some(connection) => connection,
                None => self.connect_once()?,
            };
            match work(&connection) {
                Ok(value) => Ok((value, connection)),
                Err(error) => {
                    // A shut-down socket looks like any broken link.
                    self.interrupt.check()?;
                    Err(error)
                }
            }
        })
    }

    /// How many connections a transfer may use: as many as the round trip that was last seen makes worth it.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn connect_once(&self) -> Result<Connection, DestinationError> {
        let connection = self.open();
        // A shut-down socket looks like any broken link.
        self.interrupt.check()?;
        let connection = connection?;
        let asked = Instant::now();
        connection.find_directory()?;
        self.connections.store(self.worth_over(asked.elapsed()), Ordering::SeqCst);
        Ok(connection)
    }

    /// How many connections are worth it over this round trip, as far as the configuration allows.
    fn worth_over(&self, round_trip: Duration) -> u64 {
        lanes::worth_over(round_trip).min(self.config.connections)
    }

    /// One more connection, in one attempt, beside one that has found the directory.
    pub(crate) fn connect_further(&self) -> Result<Connection, DestinationError> {
        let connection = self.open();
        self.interrupt.check()?;
        connection
    }

    fn open(&self) -> Result<Connection, DestinationError> {
        if self.has_turned_away() {
            let (address, username) = (self.address(), self.config.username.clone());
            let problem = "an earlier login of this run was refused, and none is tried again".to_owned();
            return Err(DestinationError::Authentication { address, username, problem });
        }
        self.open_trusted().inspect_err(|error| {
            if error.is_refusal() {
                self.has_turned_away.store(true, Ordering::SeqCst);
            }
        })
    }

    fn open_trusted(&self) -> Result<Connection, DestinationError> {
        if let Some(first) = self.host_key.get() {
            return self.open_asking_for(&host_key::algorithms_of(&first.key), &Known::default());
        }
        let known = known_hosts::read(&self.config.known_hosts, &self.name())?;
        match &self.config.host_key {
            HostKeyPolicy::Pinned(_) => {
                let mut last = None;
                for algorithms in host_key::pinned_attempts() {
                    match self.open_asking_for(&algorithms, &known) {
                        // The server has no key of that type, or one that is not pinned: it may have another.
                        Err(error @ (DestinationError::HostKey(_) | DestinationError::Handshake { .. })) => {
                            // The refusal of a key says more than "no key of that type".
                            if !matches!(last, Some(DestinationError::HostKey(_))) {
                                last = Some(error);
                            }
                        }
                        other => return other,
                    }
                }
                Err(last.unwrap_or_else(|| DestinationError::HostKey("no type of host key to ask for".to_owned())))
            }
            HostKeyPolicy::AcceptNew | HostKeyPolicy::Strict => {
                match self.open_asking_for(&host_key::wanted_algorithms(&known), &known) {
                    // The server may have a new key of another type: asked for any, it shows which, and the refusal
                    // can name both.
                    Err(DestinationError::Handshake { source, .. })
                        if has_no_common(&source) && known.keys().next().is_some() =>
                    {
                        self.open_asking_for(&host_key::wanted_algorithms(&Known::default()), &known)
                    }
                    other => other,
                }
            }
        }
    }

    fn open_asking_for(&self, algorithms: &str, known: &Known) -> Result<Connection, DestinationError> {
        let config = &*self.config;
        let socket = self.tcp()?;
        let closing = |error| DestinationError::Connection { address: self.address(), source: error };
        let closer = self.interrupt.on_trigger({
            let socket = socket.try_clone().map_err(closing)?;
            move || {
                // It may be closed already, which is as good.
                let _ = socket.shutdown(Shutdown::Both);
            }
        });
        let mut session = Session::new().map_err(|error| self.handshake_error(error))?;
        session.set_timeout(u32::try_from(config.timeout.as_millis()).unwrap_or(u32::MAX));
        session.method_pref(MethodType::HostKey, algorithms).map_err(|error| self.handshake_error(error))?;
        session.set_tcp_stream(socket.try_clone().map_err(closing)?);
        let greeted = Instant::now();
        session.handshake().map_err(|error| self.handshake_error(error))?;
        let round_trip = greeted.elapsed() / ROUND_TRIPS_OF_HANDSHAKE;
        self.check_host_key(&session, known)?;
        let (address, username) = (self.address(), config.username.clone());
        let login = authenticate(&session, config, self.login()).map_err(|failure| match failure {
            Failure::Link(error) => self.broken("while logging in", error),
            Failure::Refused(problem) => DestinationError::Authentication { address, username, problem },
            Failure::Unable(problem) => DestinationError::NoCredential { address, username, problem },
        })?;
        self.login.get_or_init(|| login);
        // From here on a login is known to be good. The directory will tell the round trip more exactly.
        self.reserve.fill(self, self.worth_over(round_trip));
        let sftp = session.sftp().map_err(|error| DestinationError::NoSftp {
            address: self.address(),
            username: config.username.clone(),
            error,
        })?;
        Ok(Connection {
            sftp,
            interrupt: self.interrupt.clone(),
            directory: config.directory.clone(),
            timeout: config.timeout,
            session,
            socket,
            _closer: closer,
        })
    }

    fn tcp(&self) -> Result<TcpStream, DestinationError> {
        let (host, port) = (self.config.host.as_str(), self.config.port);
        let addresses = (host, port)
            .to_socket_addrs()
            .map_err(|source| DestinationError::UnknownHost { host: host.to_owned(), source })?;
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match TcpStream::connect_timeout(&address, self.config.timeout) {
                Ok(socket) => {
                    // Requests are small and wait for answers; where this is not to be had, it is only slower.
                    let _ = socket.set_nodelay(true);
                    return Ok(socket);
                }
                Err(error) => last = error,
            }
        }
        Err(DestinationError::Connection { address: self.address(), source: last })
    }

    /// `known` is what known_hosts says before the first connection.
    fn check_host_key(&self, session: &Session, known: &Known) -> Result<(), DestinationError> {
        let refused = |reason: &str| DestinationError::HostKey(format!("{}: {reason}", self.address()));
        let (key, _) = session.host_key().ok_or_else(|| refused("the server showed no host key"))?;
        if let Some(first) = self.host_key.get() {
            return if first.key == key {
                Ok(())
            } else {
                Err(refused(&format!(
                    "the host key changed during the run, from {} to {}",
                    host_key::fingerprint(&first.key),
                    host_key::fingerprint(key)
                )))
            };
        }
        let file = self.config.known_hosts.display().to_string();
        let new_fingerprint = match host_key::judge(key, &self.name(), known, &self.config.host_key, &file) {
            Verdict::Trusted => None,
            Verdict::New { line, fingerprint } => {
                if self.remembers {
                    known_hosts::append(&self.config.known_hosts, &line)?;
                }
                Some(fingerprint)
            }
            Verdict::Refused(reason) => return Err(DestinationError::HostKey(reason)),
        };
        let place = known.place_of(key).cloned();
        self.host_key.get_or_init(|| HostKey { key: key.to_vec(), place, new_fingerprint });
        Ok(())
    }

    fn name(&self) -> HostName {
        HostName::new(&self.config.host, self.config.port)
    }

    /// Host and port, for messages.
    fn address(&self) -> String {
        format!("{}:{}", self.config.host, self.config.port)
    }

    fn handshake_error(&self, source: ssh2::Error) -> DestinationError {
        let advice = if has_no_common(&source) {
            "The server offers no algorithm, or no type of host key, that is accepted here. Update the server"
        } else {
            "Check that sftp.host and sftp.port are those of an SSH server that answers"
        };
        DestinationError::Handshake { address: self.address(), advice, source }
    }

    fn broken(&self, what: &str, error: ssh2::Error) -> DestinationError {
        DestinationError::Broken { what: what.to_owned(), limit: self.config.timeout, source: error.into() }
    }
}

/// Whether the two sides have no algorithm, or no type of host key, in common: LIBSSH2_ERROR_KEX_FAILURE and
/// LIBSSH2_ERROR_METHOD_NONE.
fn has_no_common(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::Session(-5 | -17))
}

impl Connection {
    /// Says goodbye. A connection that is only dropped is cut.
    ///
    /// # Errors
    /// If the link is broken, which no longer matters.
    pub fn close(self) -> Result<(), DestinationError> {
        self.session.disconnect(None, "done", None).map_err(|error| self.failed("to say goodbye", error))
    }

    /// The path of the file called `name` in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.directory).join(name)
    }

    /// The directory itself.
    pub(crate) fn directory(&self) -> &Path {
        Path::new(&self.directory)
    }

    /// What `error` means, met when the server was asked `what` ("to remove …").
    pub(crate) fn failed(&self, what: &str, error: ssh2::Error) -> DestinationError {
        if is_link(&error) {
            return self.broken(format!("when it was asked {what}"), error.into());
        }
        DestinationError::Refused { what: what.to_owned(), source: error }
    }

    /// A broken link, `what` being under way ("while …").
    pub(crate) fn broken(&self, what: String, error: io::Error) -> DestinationError {
        DestinationError::Broken { what, limit: self.timeout, source: error }
    }

    /// Whether the server still answers. After a failed read or write this tells a broken link from a refusal,
    /// which libssh2's errors do not.
    pub(crate) fn is_alive(&self) -> bool {
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

    fn find_directory(&self) -> Result<(), DestinationError> {
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
