//! A mail server that records mails: implicit TLS, STARTTLS or plain, with or without a login.
//!
//! `mailin` implements the protocol; this file reads the lines and decides.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use mailin::{Action, AuthMechanism, Handler, Response, Session, SessionBuilder};
use rustls::ServerConfig;

use super::certificates::{Authority, Identity};
use super::listener::{TcpServer, loopback};
use super::smtp_line::Line;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Security {
    /// TLS from the first byte, as on port 465.
    #[default]
    Tls,
    /// STARTTLS, as on port 587; a login is accepted only after it.
    StartTls,
    /// Plain, as on port 25.
    None,
}

#[derive(Debug, Clone, Default)]
pub struct Mail {
    /// The envelope's sender.
    pub from: String,
    /// The accepted recipients of the envelope.
    pub to: Vec<String>,
    /// The message as received, with dot-stuffing removed.
    pub raw: Vec<u8>,
    /// The login, if there was one.
    pub username: Option<String>,
    pub is_encrypted: bool,
}

#[derive(Default)]
struct State {
    security: Security,
    login: Option<(String, String)>,
    refused_recipients: Vec<String>,
    refused_messages: Option<u16>,
    is_silent: bool,
    is_silent_after_data: bool,
    connections: AtomicU64,
    logins: Mutex<Vec<(String, bool)>>,
    mails: Mutex<Vec<Mail>>,
}

pub struct Builder {
    address: SocketAddr,
    identity: Option<Identity>,
    state: State,
}

pub struct SmtpServer {
    server: TcpServer,
    state: Arc<State>,
}

impl SmtpServer {
    /// A server that accepts every mail, with a certificate of [`Authority::shared`].
    pub fn builder(security: Security) -> Builder {
        Builder { address: loopback(0), identity: None, state: State { security, ..State::default() } }
    }

    pub fn host(&self) -> String {
        self.server.address.ip().to_string()
    }

    pub fn port(&self) -> u16 {
        self.server.address.port()
    }

    /// The accepted mails in order.
    pub fn messages(&self) -> Vec<Mail> {
        self.state.mails.lock().unwrap().clone()
    }

    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Every login attempt: the user's name, and whether it was accepted.
    pub fn logins(&self) -> Vec<(String, bool)> {
        self.state.logins.lock().unwrap().clone()
    }
}

impl Builder {
    setters! { self;
        port(port: u16) { self.address.set_port(port); }
        identity(identity: Identity) { self.identity = Some(identity); }
        /// Requires this login, by `AUTH PLAIN` or `AUTH LOGIN`.
        login(username: &str, password: &str) { self.state.login = Some((username.to_owned(), password.to_owned())); }
        /// Answers 550 to this recipient; may be called again.
        refuse_recipient(address: &str) { self.state.refused_recipients.push(address.to_owned()); }
        /// Answers `status` (4xx or 5xx) to each message, and does not record it.
        refuse_messages(status: u16) { self.state.refused_messages = Some(status); }
        /// Accepts connections and never sends anything.
        silent() { self.state.is_silent = true; }
        /// Records a message and never confirms it.
        silent_after_data() { self.state.is_silent_after_data = true; }
    }

    pub fn start(self) -> SmtpServer {
        let tls = self.identity.unwrap_or_else(Authority::loopback_identity).server_config(None);
        let state = Arc::new(self.state);
        let shared = Arc::clone(&state);
        let server = TcpServer::start(self.address, move |stream, connections| {
            shared.connections.fetch_add(1, Ordering::SeqCst);
            if let Some(stream) = connections.add(stream) {
                // A client that disconnects early is no error of the server.
                let _ = converse(stream, &shared, &tls);
            }
        });
        SmtpServer { server: server.expect("the port is free"), state }
    }
}

fn converse(stream: Arc<TcpStream>, state: &Arc<State>, tls: &Arc<ServerConfig>) -> io::Result<()> {
    let _ = stream.set_nodelay(true);
    let mut line = Line::new(stream);
    if state.is_silent {
        // Until the client disconnects or the server is dropped.
        return io::copy(&mut line, &mut io::sink()).map(drop);
    }
    let is_encrypted = Arc::new(AtomicBool::new(false));
    let mut session = session(state, &is_encrypted);
    if state.security == Security::Tls {
        line.encrypt(tls)?;
        session.tls_active();
        is_encrypted.store(true, Ordering::SeqCst);
    }
    send(&mut line, &session.greeting())?;
    let mut received = Vec::new();
    while let Some(text) = next_line(&mut line, &mut received)? {
        let response = session.process(&text);
        if response.action != Action::NoReply {
            send(&mut line, &response)?;
        }
        match response.action {
            Action::NoReply | Action::Reply => {}
            Action::Close => break,
            Action::UpgradeTls => {
                // Input received before TLS must be discarded (RFC 3207, section 4.2).
                received.clear();
                line.encrypt(tls)?;
                session.tls_active();
                is_encrypted.store(true, Ordering::SeqCst);
            }
        }
    }
    line.close();
    Ok(())
}

fn session(state: &Arc<State>, is_encrypted: &Arc<AtomicBool>) -> Session<Commands> {
    let mut builder = SessionBuilder::new("embedded.test");
    if state.security == Security::StartTls {
        builder.enable_start_tls();
    }
    if state.login.is_some() {
        builder.enable_auth(AuthMechanism::Plain).enable_auth(AuthMechanism::Login);
        if state.security == Security::None {
            builder.insecure_enable_plaintext_auth();
        }
    }
    let commands = Commands { state: Arc::clone(state), mail: Mail::default(), is_encrypted: Arc::clone(is_encrypted) };
    builder.build(IpAddr::V4(Ipv4Addr::LOCALHOST), commands)
}

fn send(line: &mut Line, response: &Response) -> io::Result<()> {
    let mut text = Vec::new();
    response.write_to(&mut text)?;
    line.write_all(&text)?;
    line.flush()
}

/// The next line with its line ending; `None` if the client has closed the connection.
fn next_line(line: &mut Line, received: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    loop {
        if let Some(end) = received.iter().position(|&byte| byte == b'\n') {
            return Ok(Some(received.drain(..=end).collect()));
        }
        let mut buffer = [0; 16 * 1024];
        match line.read(&mut buffer)? {
            0 => return Ok(None),
            count => received.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Handles the commands of one connection.
struct Commands {
    state: Arc<State>,
    mail: Mail,
    is_encrypted: Arc<AtomicBool>,
}

impl Commands {
    fn check(&mut self, username: &str, password: &str) -> Response {
        let login = Some((username.to_owned(), password.to_owned()));
        let accepted = self.state.login == login;
        self.state.logins.lock().unwrap().push((username.to_owned(), accepted));
        if !accepted {
            return mailin::response::INVALID_CREDENTIALS;
        }
        self.mail.username = Some(username.to_owned());
        mailin::response::AUTH_OK
    }
}

impl Handler for Commands {
    fn mail(&mut self, _ip: IpAddr, _domain: &str, from: &str) -> Response {
        self.mail = Mail {
            from: from.to_owned(),
            username: self.mail.username.take(),
            is_encrypted: self.is_encrypted.load(Ordering::SeqCst),
            ..Mail::default()
        };
        mailin::response::OK
    }

    fn rcpt(&mut self, to: &str) -> Response {
        if self.state.refused_recipients.iter().any(|refused| refused == to) {
            return mailin::response::NO_MAILBOX;
        }
        self.mail.to.push(to.to_owned());
        mailin::response::OK
    }

    fn data(&mut self, text: &[u8]) -> io::Result<()> {
        self.mail.raw.extend_from_slice(text);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        if let Some(status) = self.state.refused_messages {
            let mut refusal = Response::custom(status, "Message refused".to_owned());
            // Otherwise mailin treats the next commands as part of the message.
            refusal.is_error = false;
            return refusal;
        }
        self.state.mails.lock().unwrap().push(self.mail.clone());
        if self.state.is_silent_after_data {
            loop {
                thread::sleep(Duration::MAX);
            }
        }
        mailin::response::OK
    }

    fn auth_plain(&mut self, _authorization_id: &str, username: &str, password: &str) -> Response {
        self.check(username, password)
    }

    fn auth_login(&mut self, username: &str, password: &str) -> Response {
        self.check(username, password)
    }
}
