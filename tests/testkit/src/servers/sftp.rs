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
use russh::{Channel, ChannelId, MethodKind, MethodSet};
use tokio::runtime::Runtime;

use super::listener::{bind, loopback, runtime, stop};
use super::sftp_faults::Faults;
use super::sftp_files::{Files, Operations};
use super::sftp_watch::{Watch, Watched};
use super::ssh_keys::SshKey;

/// Short, so that a test of a wrong password is quick.
const REJECTION: Duration = Duration::from_millis(50);

/// A login attempt and its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthAttempt {
    /// `password`, `keyboard-interactive` or `publickey`.
    pub method: &'static str,
    pub username: String,
    pub accepted: bool,
}

#[derive(Default)]
struct Door {
    username: String,
    password: Option<String>,
    interactive_password: Option<String>,
    public_keys: Vec<PublicKey>,
    no_sftp: bool,
    turned_away: Range<u64>,
    hung_up_on: Range<u64>,
    root: PathBuf,
    faults: Arc<Faults>,
    watch: Watch,
    connections: AtomicU64,
    attempts: Mutex<Vec<AuthAttempt>>,
    operations: Operations,
}

pub struct Builder {
    address: SocketAddr,
    host_keys: Vec<SshKey>,
    pub(super) faults: Faults,
    pub(super) watch: Watch,
    door: Door,
}

pub struct SftpServer {
    address: SocketAddr,
    host_keys: Vec<SshKey>,
    door: Arc<Door>,
    runtime: Option<Runtime>,
}

impl SftpServer {
    /// A server with `folder` as its root and login folder, for the user `backup`. The default host key is a new
    /// Ed25519 key. There is no login until a method is enabled.
    pub fn builder(folder: &Path) -> Builder {
        Builder {
            address: loopback(0),
            host_keys: Vec::new(),
            faults: Faults::default(),
            watch: Watch::default(),
            door: Door {
                username: "backup".to_owned(),
                root: folder.canonicalize().expect("the served folder exists"),
                ..Door::default()
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
        &self.door.username
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
        self.door.connections.load(Ordering::SeqCst)
    }

    pub fn bytes_written(&self) -> u64 {
        self.door.faults.bytes_written()
    }

    pub fn bytes_read(&self) -> u64 {
        self.door.faults.bytes_read()
    }

    pub fn auth_attempts(&self) -> Vec<AuthAttempt> {
        self.door.attempts.lock().unwrap().clone()
    }

    /// The operations on files in order, such as `rename /.a.part /a`, without reads and writes of open files.
    pub fn operations(&self) -> Vec<String> {
        self.door.operations.lock().unwrap().clone()
    }
}

impl Drop for SftpServer {
    fn drop(&mut self) {
        stop(&mut self.runtime);
    }
}

impl Builder {
    setters! { self;
        port(port: u16) { self.address.set_port(port); }
        /// Replaces the user `backup`.
        username(username: &str) { username.clone_into(&mut self.door.username); }
        /// Accepts this password with the method `password`.
        password(password: &str) { self.door.password = Some(password.to_owned()); }
        /// Accepts this password with the method `keyboard-interactive`.
        keyboard_interactive(password: &str) { self.door.interactive_password = Some(password.to_owned()); }
        /// Accepts this user key; may be called again.
        public_key(key: &SshKey) { self.door.public_keys.push(key.public().clone()); }
        /// Adds this host key; may be called again.
        host_key(key: SshKey) { self.host_keys.push(key); }
        /// Refuses the subsystem `sftp`.
        without_sftp() { self.door.no_sftp = true; }
        /// Ends the connections with these numbers (from 1) before their user can log in.
        turn_away(connections: Range<u64>) { self.door.turned_away = connections; }
        /// Ends the connections with these numbers (from 1) instead of answering to a password.
        hang_up_on_passwords(connections: Range<u64>) { self.door.hung_up_on = connections; }
    }

    pub fn start(mut self) -> SftpServer {
        if self.host_keys.is_empty() {
            self.host_keys.push(SshKey::ed25519());
        }
        self.door.faults = Arc::new(self.faults);
        self.door.watch = self.watch;
        let door = Arc::new(self.door);
        let mut methods = MethodSet::empty();
        if !door.public_keys.is_empty() {
            methods.push(MethodKind::PublicKey);
        }
        if door.password.is_some() {
            methods.push(MethodKind::Password);
        }
        if door.interactive_password.is_some() {
            methods.push(MethodKind::KeyboardInteractive);
        }
        let config = Arc::new(Config {
            methods,
            keys: self.host_keys.iter().map(|key| key.private().clone()).collect(),
            auth_rejection_time: REJECTION,
            auth_rejection_time_initial: Some(Duration::ZERO),
            // Otherwise every answer waits for the client's delayed acknowledgement.
            nodelay: true,
            ..Config::default()
        });
        let listener = bind(self.address).expect("the port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let runtime = runtime();
        let mut entrance = Entrance { door: Arc::clone(&door) };
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("tokio takes the socket");
            let _ = entrance.run_on_socket(config, &listener).await;
        });
        SftpServer { address, host_keys: self.host_keys, door, runtime: Some(runtime) }
    }
}

struct Entrance {
    door: Arc<Door>,
}

impl russh::server::Server for Entrance {
    type Handler = Visitor;

    fn new_client(&mut self, _: Option<SocketAddr>) -> Visitor {
        let number = self.door.connections.fetch_add(1, Ordering::SeqCst) + 1;
        Visitor { door: Arc::clone(&self.door), number, channels: HashMap::new() }
    }
}

struct Visitor {
    door: Arc<Door>,
    number: u64,
    channels: HashMap<ChannelId, Channel<Msg>>,
}

impl Visitor {
    fn decide(&self, method: &'static str, username: &str, is_right: bool) -> Auth {
        let accepted = is_right && username == self.door.username;
        let attempt = AuthAttempt { method, username: username.to_owned(), accepted };
        self.door.attempts.lock().unwrap().push(attempt);
        if accepted { Auth::Accept } else { Auth::reject() }
    }

    fn unless_hung_up(&self, answer: Auth) -> Result<Auth, russh::Error> {
        if self.door.hung_up_on.contains(&self.number) { Err(russh::Error::Disconnect) } else { Ok(answer) }
    }

    fn knows(&self, key: &PublicKey) -> bool {
        // The comment is not part of the key.
        self.door.public_keys.iter().any(|known| known.key_data() == key.key_data())
    }
}

impl Handler for Visitor {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, russh::Error> {
        if self.door.turned_away.contains(&self.number) { Err(russh::Error::Disconnect) } else { Ok(None) }
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        let answer = self.decide("password", user, self.door.password.as_deref() == Some(password));
        self.unless_hung_up(answer)
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
        let expected = self.door.interactive_password.as_deref().map(str::as_bytes);
        let is_right = expected.is_some() && given.as_deref() == expected;
        let answer = self.decide("keyboard-interactive", user, is_right);
        self.unless_hung_up(answer)
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, russh::Error> {
        if self.knows(offer.public_key) { Ok(Auth::Accept) } else { Ok(self.decide("publickey", user, false)) }
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        Ok(self.decide("publickey", user, self.knows(key.public_key)))
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
        let channel = self.channels.remove(&id).filter(|_| name == "sftp" && !self.door.no_sftp);
        let Some(channel) = channel else {
            return session.channel_failure(id);
        };
        session.channel_success(id)?;
        let (faults, operations) = (Arc::clone(&self.door.faults), Arc::clone(&self.door.operations));
        let files = Files::new(self.door.root.clone(), faults, operations, session.handle());
        russh_sftp::server::run(channel.into_stream(), Watched::new(files, self.door.watch.clone())).await;
        Ok(())
    }
}
