//! An SSH server that serves one folder over SFTP: connections and authentication.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use russh::keys::PublicKey;
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, PublicKeyOffer, Response, Server as _, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, MethodKind, MethodSet, SshId};
use tokio::sync::watch;

use super::listener::{Background, bind, loopback};
use super::sftp_faults::Faults;
use super::sftp_files::{self, Files, Operations};
use super::sftp_reorder::swapping_writes;
use super::sftp_traits::Traits;
use super::sftp_watch::{Watch, Watched};
use super::ssh_keys::SshKey;

/// Short, so that tests of wrong passwords are fast.
const REJECTION_TIME: Duration = Duration::from_millis(50);

/// A login attempt and its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthAttempt {
    /// `password`, `keyboard-interactive` or `publickey`.
    pub method: &'static str,
    pub username: String,
    pub accepted: bool,
}

#[derive(Default)]
struct State {
    username: String,
    password: Option<String>,
    interactive_password: Option<String>,
    public_keys: Vec<PublicKey>,
    no_sftp: bool,
    rejected: Range<u64>,
    disconnected_at_password: Range<u64>,
    root: PathBuf,
    faults: Arc<Faults>,
    traits: Arc<Traits>,
    watch: Watch,
    connections: AtomicU64,
    attempts: Mutex<Vec<AuthAttempt>>,
    operations: Operations,
}

pub struct Builder {
    address: SocketAddr,
    host_keys: Vec<SshKey>,
    pub(super) faults: Faults,
    pub(super) traits: Traits,
    pub(super) watch: Watch,
    state: State,
}

pub struct SftpServer {
    address: SocketAddr,
    host_keys: Vec<SshKey>,
    state: Arc<State>,
    _background: Background,
}

impl SftpServer {
    /// A server with `folder` as its root and login folder, for the user `backup`, with a new Ed25519 host key unless
    /// others are added. Every login fails until a method is enabled.
    pub fn builder(folder: &Path) -> Builder {
        Builder {
            address: loopback(0),
            host_keys: Vec::new(),
            faults: Faults::default(),
            traits: Traits::default(),
            watch: Watch::default(),
            state: State {
                username: "backup".to_owned(),
                root: folder.canonicalize().expect("the served folder exists"),
                ..State::default()
            },
        }
    }

    pub fn host(&self) -> String {
        self.address.ip().to_string()
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn username(&self) -> &str {
        &self.state.username
    }

    pub fn host_keys(&self) -> &[SshKey] {
        &self.host_keys
    }

    /// Lines of `known_hosts` for all host keys.
    pub fn known_hosts(&self) -> String {
        self.host_keys.iter().map(|key| key.known_hosts_line(&self.host(), self.port()) + "\n").collect()
    }

    /// The fingerprint of the first host key: `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        self.host_keys[0].fingerprint()
    }

    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::SeqCst)
    }

    pub fn bytes_written(&self) -> u64 {
        self.state.faults.bytes_written()
    }

    pub fn bytes_read(&self) -> u64 {
        self.state.faults.bytes_read()
    }

    pub fn auth_attempts(&self) -> Vec<AuthAttempt> {
        self.state.attempts.lock().unwrap().clone()
    }

    /// The operations on files in order, such as `rename /.a.part /a`, except reads and writes of open files.
    pub fn operations(&self) -> Vec<String> {
        self.state.operations.lock().unwrap().clone()
    }
}

impl Builder {
    setters! { self;
        port(port: u16) { self.address.set_port(port); }
        /// Replaces the user `backup`.
        username(username: &str) { username.clone_into(&mut self.state.username); }
        /// Accepts this password with the method `password`.
        password(password: &str) { self.state.password = Some(password.to_owned()); }
        /// Accepts this password with the method `keyboard-interactive`.
        keyboard_interactive(password: &str) { self.state.interactive_password = Some(password.to_owned()); }
        /// Accepts this user key; may be called again.
        public_key(key: &SshKey) { self.state.public_keys.push(key.public().clone()); }
        /// Adds this host key; may be called again.
        host_key(key: SshKey) { self.host_keys.push(key); }
        /// Rejects the subsystem `sftp`.
        without_sftp() { self.state.no_sftp = true; }
        /// Closes the connections with these numbers (from 1) before the login.
        reject_connections(connections: Range<u64>) { self.state.rejected = connections; }
        /// Closes the connections with these numbers (from 1) instead of replying to a password.
        disconnect_at_password(connections: Range<u64>) { self.state.disconnected_at_password = connections; }
    }

    pub fn start(mut self) -> SftpServer {
        if self.host_keys.is_empty() {
            self.host_keys.push(SshKey::ed25519());
        }
        self.state.faults = Arc::new(self.faults);
        self.state.traits = Arc::new(self.traits);
        self.state.watch = self.watch;
        let state = Arc::new(self.state);
        let mut methods = MethodSet::empty();
        if !state.public_keys.is_empty() {
            methods.push(MethodKind::PublicKey);
        }
        if state.password.is_some() {
            methods.push(MethodKind::Password);
        }
        if state.interactive_password.is_some() {
            methods.push(MethodKind::KeyboardInteractive);
        }
        let mut config = Config {
            methods,
            keys: self.host_keys.iter().map(|key| key.private().clone()).collect(),
            auth_rejection_time: REJECTION_TIME,
            auth_rejection_time_initial: Some(Duration::ZERO),
            // Otherwise every reply waits for the client's delayed acknowledgement.
            nodelay: true,
            ..Config::default()
        };
        if let Some(banner) = state.traits.banner.clone() {
            config.server_id = SshId::Standard(banner.into());
        }
        let config = Arc::new(config);
        let (listener, address) = bind(self.address).expect("the port is free");
        let background = Background::new();
        let mut connections = Connections { state: Arc::clone(&state) };
        background.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("tokio accepts the socket");
            let _ = connections.run_on_socket(config, &listener).await;
        });
        SftpServer { address, host_keys: self.host_keys, state, _background: background }
    }
}

struct Connections {
    state: Arc<State>,
}

impl russh::server::Server for Connections {
    type Handler = Connection;

    fn new_client(&mut self, _: Option<SocketAddr>) -> Connection {
        let number = self.state.connections.fetch_add(1, Ordering::SeqCst) + 1;
        Connection { state: Arc::clone(&self.state), number, channels: HashMap::new(), open: watch::Sender::new(()) }
    }
}

struct Connection {
    state: Arc<State>,
    number: u64,
    channels: HashMap<ChannelId, Channel<Msg>>,
    /// Dropped with the connection.
    open: watch::Sender<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.state.traits.release(self.number);
    }
}

impl Connection {
    /// Records a login attempt, and accepts it if `is_right` and the user name is right.
    fn record(&self, method: &'static str, username: &str, is_right: bool) -> Auth {
        let accepted = is_right && username == self.state.username;
        let attempt = AuthAttempt { method, username: username.to_owned(), accepted };
        self.state.attempts.lock().unwrap().push(attempt);
        if accepted { Auth::Accept } else { Auth::reject() }
    }

    fn unless_disconnected(&self, reply: Auth) -> Result<Auth, russh::Error> {
        let is_disconnected = self.state.disconnected_at_password.contains(&self.number);
        if is_disconnected { Err(russh::Error::Disconnect) } else { Ok(reply) }
    }

    fn accepts_key(&self, key: &PublicKey) -> bool {
        // The comment is not part of the key.
        self.state.public_keys.iter().any(|known| known.key_data() == key.key_data())
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, russh::Error> {
        let is_admitted = !self.state.rejected.contains(&self.number) && self.state.traits.admit(self.number);
        if is_admitted { Ok(None) } else { Err(russh::Error::Disconnect) }
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        let is_accepted = self.state.password.as_deref() == Some(password) && self.state.traits.accepts_login();
        let reply = self.record("password", user, is_accepted);
        self.unless_disconnected(reply)
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        let Some(mut response) = response else {
            return Ok(Auth::Partial {
                name: Cow::Borrowed(""),
                instructions: Cow::Borrowed(""),
                prompts: Cow::Borrowed(&[(Cow::Borrowed("Password: "), false)]),
            });
        };
        let given = response.next();
        let expected = self.state.interactive_password.as_deref().map(str::as_bytes);
        let is_right = expected.is_some() && given.as_deref() == expected;
        let reply = self.record("keyboard-interactive", user, is_right);
        self.unless_disconnected(reply)
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, russh::Error> {
        if self.accepts_key(offer.public_key) { Ok(Auth::Accept) } else { Ok(self.record("publickey", user, false)) }
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        Ok(self.record("publickey", user, self.accepts_key(key.public_key)))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        session.close(channel)
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let channel = self.channels.remove(&id).filter(|_| name == "sftp" && !self.state.no_sftp);
        let Some(channel) = channel else {
            return session.channel_failure(id);
        };
        session.channel_success(id)?;
        let State { root, faults, traits, operations, watch, .. } = &*self.state;
        let connection =
            sftp_files::Connection { number: self.number, session: session.handle(), closed: self.open.subscribe() };
        let shared = (Arc::clone(faults), Arc::clone(traits));
        let files = Watched::new(Files::new(root.clone(), shared, Arc::clone(operations), connection), watch.clone());
        if traits.reorders_writes {
            russh_sftp::server::run(swapping_writes(channel.into_stream()), files).await;
        } else {
            russh_sftp::server::run(channel.into_stream(), files).await;
        }
        Ok(())
    }
}
