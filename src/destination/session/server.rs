//! The SFTP server: connects, checks the host key, logs in, and retries work over new connections.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use ssh2::{MethodType, Session};

use crate::config::{self, HostKeyPolicy};
use crate::destination::error::{DestinationError, has_no_common};
use crate::destination::session::accounts::Accounts;
use crate::destination::session::authentication::{Failure, Login, authenticate};
use crate::destination::session::connection::Connection;
use crate::destination::session::connection_pool::ConnectionPool;
use crate::destination::session::host_key::{self, Verdict};
use crate::destination::session::keep_alive::Keeper;
use crate::destination::session::known_hosts::{self, Known, Place};
use crate::destination::transfer::rate_limit::RateLimit;
use crate::rules::connections::{Shares, for_round_trip, in_flight};
use crate::rules::known_hosts::{HostName, algorithm_of};
use crate::rules::upload_method::Method;
use crate::runtime::error_chain::with_causes;
use crate::runtime::interrupt::{CloserGuard, Interrupt};
use crate::runtime::retry::Retry;

/// Identification, key exchange, new keys, authentication service (RFC 4253).
const HANDSHAKE_ROUND_TRIPS: u32 = 4;

/// The configured server. Cheap to clone; all clones share their state.
#[derive(Debug, Clone)]
pub struct Server {
    pub(crate) config: Arc<config::Sftp>,
    pub(crate) interrupt: Interrupt,
    retry: Retry,
    adds_host_key: bool,
    /// The host key of the first connection; later connections must present the same key.
    pub(crate) host_key: Arc<OnceLock<HostKey>>,
    login: Arc<OnceLock<Login>>,
    was_refused: Arc<AtomicBool>,
    /// Whether an additional connection was refused, although the first was not.
    is_full: Arc<AtomicBool>,
    accounts: Accounts,
    /// Held while an additional connection offers the password, so that at most one of them is refused.
    password: Arc<Mutex<()>>,
    method: Arc<OnceLock<Method>>,
    /// How many connections saturate the link in one direction.
    useful_connections: Arc<AtomicU64>,
    pub(crate) rate_limit: Option<Arc<RateLimit>>,
    pub(crate) pool: Arc<ConnectionPool>,
    /// `sftp.directory`, resolved by the first connection.
    directory: Arc<OnceLock<PathBuf>>,
    pub(crate) keeper: Arc<Keeper>,
}

/// A connection before the login.
struct Handshake {
    session: Session,
    socket: TcpStream,
    closer: CloserGuard,
    round_trip: Duration,
}

#[derive(Debug)]
pub(crate) struct HostKey {
    pub(crate) key: Vec<u8>,
    /// Its line in known_hosts.
    pub(crate) place: Option<Place>,
    pub(crate) new_fingerprint: Option<String>,
}

impl Server {
    /// `interrupt` ends all connections. `adds_host_key`: whether a first host key is added to known_hosts. `accounts` is shared
    /// with other jobs.
    pub fn new(
        config: &config::Sftp,
        interrupt: &Interrupt,
        retry: &Retry,
        (adds_host_key, accounts): (bool, Accounts),
    ) -> Server {
        Server {
            config: Arc::new(config.clone()),
            interrupt: interrupt.clone(),
            retry: retry.clone(),
            adds_host_key,
            host_key: Arc::default(),
            login: Arc::default(),
            was_refused: Arc::default(),
            is_full: Arc::default(),
            accounts,
            password: Arc::default(),
            method: Arc::default(),
            useful_connections: Arc::new(AtomicU64::new(1)),
            rate_limit: config.max_kib_per_second.map(|kib| Arc::new(RateLimit::new(kib.saturating_mul(1024)))),
            pool: Arc::default(),
            directory: Arc::default(),
            keeper: Arc::default(),
        }
    }

    /// The same server with another interrupt.
    pub(crate) fn with_interrupt(&self, interrupt: &Interrupt) -> Server {
        Server { interrupt: interrupt.clone(), ..self.clone() }
    }

    /// Host and port, for messages.
    pub fn address(&self) -> String {
        format!("{}:{}", self.config.host, self.config.port)
    }

    pub fn addresses(&self) -> Result<Vec<SocketAddr>, DestinationError> {
        let (host, port) = (self.config.host.as_str(), self.config.port);
        let unknown = |source| DestinationError::UnknownHost { host: host.to_owned(), source };
        Ok((host, port).to_socket_addrs().map_err(unknown)?.collect())
    }

    /// The fingerprint of the server's host key, if this run is the first to see it.
    pub fn new_fingerprint(&self) -> Option<&str> {
        self.host_key.get().and_then(|host_key| host_key.new_fingerprint.as_deref())
    }

    /// The method of this run's first successful login.
    pub fn login(&self) -> Option<Login> {
        self.login.get().copied()
    }

    /// Whether a login or the host key was refused in this run. Neither is retried.
    pub fn was_refused(&self) -> bool {
        self.was_refused.load(Ordering::SeqCst)
    }

    /// Announces a transfer of about `size` bytes: additional connections are opened once the first has logged in.
    pub fn expect_transfer(&self, size: u64) {
        self.pool.clear();
        self.pool.set_expected(size);
    }

    /// Maximum number of connections for a transfer, based on the last measured round trip.
    pub(crate) fn connections(&self) -> u64 {
        self.useful_connections.load(Ordering::SeqCst).min(self.config.connections)
    }

    /// The maximum bytes in flight for each of the connections that write and read at the same time.
    pub(crate) fn in_flight(&self, writers: u64, readers: u64) -> usize {
        in_flight(self.useful_connections.load(Ordering::SeqCst), writers, readers)
    }

    /// The method of uploads to begin with, once a connection has logged in.
    pub(crate) fn method(&self) -> Method {
        self.method.get().copied().unwrap_or_else(|| Method::for_banner(""))
    }

    /// How an upload divides its connections.
    pub(crate) fn shares(&self) -> Shares {
        self.shares_for(self.useful_connections.load(Ordering::SeqCst))
    }

    fn shares_for(&self, useful_connections: u64) -> Shares {
        Shares::new(useful_connections, self.config.connections, self.method().writing)
    }

    /// Connects, with retries. The connection is kept alive until it is used for a transfer.
    pub fn connect(&self) -> Result<Connection, DestinationError> {
        self.retry.run("connecting to the SFTP server", || self.connect_once().inspect(Connection::rest))
    }

    /// Runs `work` over `first` or a new connection, and retries it over another one if the connection breaks. If it broke
    /// while it was resting, that is no failed attempt. `what` names the work in the log. Also returns the connection, which
    /// is kept alive.
    pub fn with_connection<T>(
        &self,
        what: &str,
        mut first: Option<Connection>,
        mut work: impl FnMut(&Connection) -> Result<T, DestinationError>,
    ) -> Result<(T, Connection), DestinationError> {
        self.retry.run(what, || {
            loop {
                let connection = match first.take().filter(Connection::wake) {
                    Some(connection) => connection,
                    None => self.connect_once()?,
                };
                let result = self.unless_interrupted(work(&connection));
                if matches!(result, Err(DestinationError::Broken { .. })) {
                    // Whatever broke it probably broke the others too.
                    self.pool.clear();
                }
                match result {
                    Ok(value) => {
                        connection.rest();
                        return Ok((value, connection));
                    }
                    Err(error @ DestinationError::Broken { .. }) if !connection.wake() => {
                        tracing::info!("the idle connection broke, connecting again: {}", with_causes(&error));
                    }
                    Err(error) => return Err(error),
                }
            }
        })
    }

    /// Connects once and measures the round trip.
    pub(crate) fn connect_once(&self) -> Result<Connection, DestinationError> {
        let connection = self.open(&self.was_refused)?;
        let round_trip = connection.check_directory()?;
        self.useful_connections.store(for_round_trip(round_trip), Ordering::SeqCst);
        Ok(connection)
    }

    /// Connects once without checking the directory: the first connection has done that. A refusal ends only such connections,
    /// because the server may limit their number.
    pub(crate) fn connect_additional(&self) -> Result<Connection, DestinationError> {
        let has_password = matches!(self.login(), Some(Login::Password | Login::KeyAndPassword));
        let _turn = has_password.then(|| self.password.lock().unwrap_or_else(PoisonError::into_inner));
        self.open(&self.is_full)
    }

    /// Replaces an error after an interrupt: the interrupt shuts sockets down, which looks like a broken connection.
    fn unless_interrupted<T>(&self, result: Result<T, DestinationError>) -> Result<T, DestinationError> {
        result.or_else(|error| {
            self.interrupt.check()?;
            Err(error)
        })
    }

    /// A refusal sets `is_refused`.
    fn open(&self, is_refused: &AtomicBool) -> Result<Connection, DestinationError> {
        if self.was_refused() || is_refused.load(Ordering::SeqCst) {
            let (address, username) = (self.address(), self.config.username.clone());
            let problem = "an earlier login in this run was refused, so no other is attempted".to_owned();
            return Err(DestinationError::Authentication { address, username, problem });
        }
        let connection = self.open_trusted().inspect_err(|error| {
            if error.is_refusal() {
                is_refused.store(true, Ordering::SeqCst);
            }
        });
        self.unless_interrupted(connection)
    }

    fn open_trusted(&self) -> Result<Connection, DestinationError> {
        if let Some(first) = self.host_key.get() {
            return self.open_with_algorithms(&host_key::algorithms_of(&first.key), &Known::default());
        }
        let known = known_hosts::read(&self.config.known_hosts, &self.host_name())?;
        if matches!(self.config.host_key, HostKeyPolicy::Pinned(_)) {
            return self.open_pinned(&known);
        }
        match self.open_with_algorithms(&host_key::algorithms_for(&known), &known) {
            // The server may have a new key of another type: accept any type, so that the refusal can report both keys.
            Err(DestinationError::Handshake { source, .. })
                if has_no_common(&source) && known.keys().next().is_some() =>
            {
                self.open_with_algorithms(&host_key::algorithms_for(&Known::default()), &known)
            }
            other => other,
        }
    }

    /// Requests a host key of any type. While the server presents another key than the pinned one, requests one of the types
    /// that it has not presented yet.
    fn open_pinned(&self, known: &Known) -> Result<Connection, DestinationError> {
        let mut refused_types = Vec::new();
        let mut refusal = None;
        while let Some(algorithms) = host_key::algorithms_without(&refused_types) {
            let handshake = match self.shake_hands(&algorithms) {
                // The server has no other key.
                Err(DestinationError::Handshake { source, .. }) if refusal.is_some() && has_no_common(&source) => break,
                handshake => handshake?,
            };
            match self.check_host_key(&handshake.session, known) {
                Ok(()) => return self.log_in(handshake),
                Err(error @ DestinationError::HostKey(_)) => refusal = Some(error),
                Err(error) => return Err(error),
            }
            let key = handshake.session.host_key().map(|(key, _)| key).unwrap_or_default();
            match algorithm_of(key) {
                // A pinned key that is revoked.
                _ if self.config.host_key == HostKeyPolicy::Pinned(host_key::fingerprint(key)) => break,
                Some(algorithm) if !refused_types.iter().any(|refused| refused == algorithm) => {
                    refused_types.push(algorithm.to_owned());
                }
                _ => break,
            }
        }
        Err(refusal.unwrap_or_else(|| DestinationError::HostKey("there is no host key type to request".to_owned())))
    }

    fn open_with_algorithms(&self, algorithms: &str, known: &Known) -> Result<Connection, DestinationError> {
        let handshake = self.shake_hands(algorithms)?;
        self.check_host_key(&handshake.session, known)?;
        self.log_in(handshake)
    }

    fn shake_hands(&self, algorithms: &str) -> Result<Handshake, DestinationError> {
        let socket = self.connect_tcp()?;
        let closer = self.interrupt.on_trigger({
            let socket = socket.try_clone().map_err(|error| self.connection_error(error))?;
            move || {
                // The socket may already be closed.
                let _ = socket.shutdown(Shutdown::Both);
            }
        });
        let mut session = Session::new().map_err(|error| self.handshake_error(error))?;
        session.set_timeout(u32::try_from(self.config.timeout.as_millis()).unwrap_or(u32::MAX));
        session.method_pref(MethodType::HostKey, algorithms).map_err(|error| self.handshake_error(error))?;
        session.set_tcp_stream(socket.try_clone().map_err(|error| self.connection_error(error))?);
        let started = Instant::now();
        session.handshake().map_err(|error| self.handshake_error(error))?;
        Ok(Handshake { session, socket, closer, round_trip: started.elapsed() / HANDSHAKE_ROUND_TRIPS })
    }

    /// Must be called only if the host key is trusted.
    fn log_in(&self, handshake: Handshake) -> Result<Connection, DestinationError> {
        let Handshake { session, socket, closer, round_trip } = handshake;
        let config = &*self.config;
        let (address, username) = (self.address(), config.username.clone());
        let passwords = self.accounts.passwords(config);
        let login = authenticate(&session, config, self.login(), &passwords).map_err(|failure| match failure {
            Failure::Connection(error) => {
                let (what, limit) = ("while logging in".to_owned(), config.timeout);
                DestinationError::Broken { what, limit, source: error.into() }
            }
            Failure::Refused(problem) => DestinationError::Authentication { address, username, problem },
            Failure::Unable(problem) => DestinationError::NoCredential { address, username, problem },
        })?;
        self.login.get_or_init(|| login);
        self.method.get_or_init(|| Method::for_banner(session.banner().unwrap_or_default()));
        // The login works, so more connections can be opened. The directory check will measure the round trip more exactly.
        let server = self.clone();
        self.pool.fill(self.shares_for(for_round_trip(round_trip)), move || server.connect_additional());
        let sftp = session.sftp().map_err(|error| {
            let (address, username) = (self.address(), config.username.clone());
            DestinationError::NoSftp { address, username, error }
        })?;
        let (directory, keeper) = ((config, &self.directory), (&*self.keeper, &self.interrupt));
        Connection::new(directory, keeper, (sftp, session, socket), closer)
            .map_err(|error| self.connection_error(error))
    }

    fn connect_tcp(&self) -> Result<TcpStream, DestinationError> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in self.addresses()? {
            match TcpStream::connect_timeout(&address, self.config.timeout) {
                Ok(socket) => {
                    // Requests are small and wait for replies. Failing to set this only slows them down.
                    let _ = socket.set_nodelay(true);
                    return Ok(socket);
                }
                Err(error) => last = error,
            }
        }
        Err(self.connection_error(last))
    }

    fn connection_error(&self, source: io::Error) -> DestinationError {
        DestinationError::Connection { address: self.address(), source }
    }

    /// `known`: the host's entries in known_hosts, for the first connection.
    fn check_host_key(&self, session: &Session, known: &Known) -> Result<(), DestinationError> {
        let refused = |reason: &str| DestinationError::HostKey(format!("{}: {reason}", self.address()));
        let (key, _) = session.host_key().ok_or_else(|| refused("the server presented no host key"))?;
        if let Some(first) = self.host_key.get() {
            if first.key == key {
                return Ok(());
            }
            let (first, now) = (host_key::fingerprint(&first.key), host_key::fingerprint(key));
            return Err(refused(&format!("the host key changed during the run, from {first} to {now}")));
        }
        let file = self.config.known_hosts.display().to_string();
        let new_fingerprint = match host_key::judge(key, &self.host_name(), known, &self.config.host_key, &file) {
            Verdict::Trusted => None,
            Verdict::New { line, fingerprint } => {
                if self.adds_host_key {
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

    fn host_name(&self) -> HostName {
        HostName::new(&self.config.host, self.config.port)
    }

    fn handshake_error(&self, source: ssh2::Error) -> DestinationError {
        let advice = if has_no_common(&source) {
            "The server offers no algorithm or host key type that this program accepts. Update the server"
        } else {
            "Check that sftp.host and sftp.port point to an SSH server that answers"
        };
        DestinationError::Handshake { address: self.address(), advice, source }
    }
}
