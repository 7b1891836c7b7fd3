//! A mail server that records mails: implicit TLS, STARTTLS or plain, with or without a login.
//!
//! `mailin` implements the protocol; this file reads the lines and decides.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mailin::{Action, AuthMechanism, Handler, Response, Session, SessionBuilder};
use rustls::ServerConfig;

use super::certificates::{Authority, Identity, LOOPBACK_NAMES};
use super::listener::loopback;
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
struct Office {
    security: Security,
    login: Option<(String, String)>,
    refused_recipients: Vec<String>,
    refused_messages: Option<u16>,
    is_silent: bool,
    is_silent_after_data: bool,
    is_closing: AtomicBool,
    connections: AtomicU64,
    logins: Mutex<Vec<(String, bool)>>,
    mails: Mutex<Vec<Mail>>,
    open: Mutex<Vec<TcpStream>>,
}

pub struct Builder {
    address: SocketAddr,
    identity: Option<Identity>,
    office: Office,
}

pub struct SmtpServer {
    address: SocketAddr,
    office: Arc<Office>,
    accepting: Option<JoinHandle<()>>,
}

impl SmtpServer {
    /// A server that accepts every mail, with a certificate of [`Authority::shared`].
    pub fn builder(security: Security) -> Builder {
        Builder { address: loopback(0), identity: None, office: Office { security, ..Office::default() } }
    }

    pub fn host(&self) -> String {
        self.address.ip().to_string()
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The accepted mails in order.
    pub fn messages(&self) -> Vec<Mail> {
        self.office.mails.lock().unwrap().clone()
    }

    pub fn connections(&self) -> u64 {
        self.office.connections.load(Ordering::SeqCst)
    }

    /// Every login attempt: the user's name, and whether it was accepted.
    pub fn logins(&self) -> Vec<(String, bool)> {
        self.office.logins.lock().unwrap().clone()
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.office.is_closing.store(true, Ordering::SeqCst);
        for stream in self.office.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl Builder {
    setters! { self;
        port(port: u16) { self.address.set_port(port); }
        /// The server's certificate.
        identity(identity: Identity) { self.identity = Some(identity); }
        /// Requires this login, by `AUTH PLAIN` or `AUTH LOGIN`.
        login(username: &str, password: &str) { self.office.login = Some((username.to_owned(), password.to_owned())); }
        /// Answers 550 to this recipient; may be called again.
        refuse_recipient(address: &str) { self.office.refused_recipients.push(address.to_owned()); }
        /// Answers `status` (4xx or 5xx) to each message, and does not record it.
        refuse_messages(status: u16) { self.office.refused_messages = Some(status); }
        /// Accepts connections and never sends anything.
        silent() { self.office.is_silent = true; }
        /// Records a message and never confirms it.
        silent_after_data() { self.office.is_silent_after_data = true; }
    }

    pub fn start(self) -> SmtpServer {
        let identity = self.identity.unwrap_or_else(|| Authority::shared().server(&LOOPBACK_NAMES));
        let (office, tls) = (Arc::new(self.office), identity.server_config(None));
        let listener = TcpListener::bind(self.address).expect("the port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let accepting = thread::spawn({
            let office = Arc::clone(&office);
            move || accept(&listener, &office, &tls)
        });
        SmtpServer { address, office, accepting: Some(accepting) }
    }
}

fn accept(listener: &TcpListener, office: &Arc<Office>, tls: &Arc<ServerConfig>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let mut open = office.open.lock().unwrap();
        if office.is_closing.load(Ordering::SeqCst) {
            return;
        }
        office.connections.fetch_add(1, Ordering::SeqCst);
        let Ok(clone) = stream.try_clone() else { continue };
        open.push(clone);
        let (office, tls) = (Arc::clone(office), Arc::clone(tls));
        // A client that disconnects early is no error of the server.
        thread::spawn(move || drop(converse(stream, &office, &tls)));
    }
}

fn converse(stream: TcpStream, office: &Arc<Office>, tls: &Arc<ServerConfig>) -> io::Result<()> {
    let _ = stream.set_nodelay(true);
    if office.is_silent {
        // Until the client gives up or the server is dropped.
        return io::copy(&mut Line::Plain(stream), &mut io::sink()).map(drop);
    }
    let mut line = Line::Plain(stream);
    let is_encrypted = Arc::new(AtomicBool::new(false));
    let mut session = session(office, &is_encrypted);
    if office.security == Security::Tls {
        line = line.encrypt(tls)?;
        session.tls_active();
        is_encrypted.store(true, Ordering::SeqCst);
    }
    say(&mut line, &session.greeting())?;
    let mut received = Vec::new();
    while let Some(text) = next_line(&mut line, &mut received)? {
        let response = session.process(&text);
        match response.action {
            Action::NoReply => {}
            Action::Reply => say(&mut line, &response)?,
            Action::Close => {
                say(&mut line, &response)?;
                break;
            }
            Action::UpgradeTls => {
                say(&mut line, &response)?;
                // Input received before TLS must be discarded (RFC 3207, section 4.2).
                received.clear();
                line = line.encrypt(tls)?;
                session.tls_active();
                is_encrypted.store(true, Ordering::SeqCst);
            }
        }
    }
    line.close();
    Ok(())
}

fn session(office: &Arc<Office>, is_encrypted: &Arc<AtomicBool>) -> Session<Clerk> {
    let mut builder = SessionBuilder::new("embedded.test");
    if office.security == Security::StartTls {
        builder.enable_start_tls();
    }
    if office.login.is_some() {
        builder.enable_auth(AuthMechanism::Plain).enable_auth(AuthMechanism::Login);
        if office.security == Security::None {
            builder.insecure_enable_plaintext_auth();
        }
    }
    let clerk = Clerk { office: Arc::clone(office), mail: Mail::default(), is_encrypted: Arc::clone(is_encrypted) };
    builder.build(IpAddr::V4(Ipv4Addr::LOCALHOST), clerk)
}

fn say(line: &mut Line, response: &Response) -> io::Result<()> {
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

/// Answers the commands of one connection.
struct Clerk {
    office: Arc<Office>,
    mail: Mail,
    is_encrypted: Arc<AtomicBool>,
}

impl Clerk {
    fn check(&mut self, username: &str, password: &str) -> Response {
        let login = Some((username.to_owned(), password.to_owned()));
        let accepted = self.office.login == login;
        self.office.logins.lock().unwrap().push((username.to_owned(), accepted));
        if !accepted {
            return mailin::response::INVALID_CREDENTIALS;
        }
        self.mail.username = Some(username.to_owned());
        mailin::response::AUTH_OK
    }
}

impl Handler for Clerk {
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
        if self.office.refused_recipients.iter().any(|refused| refused == to) {
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
        if let Some(status) = self.office.refused_messages {
            let mut refusal = Response::custom(status, "Message refused".to_owned());
            // Otherwise mailin treats the next commands as part of the message.
            refusal.is_error = false;
            return refusal;
        }
        self.office.mails.lock().unwrap().push(self.mail.clone());
        while self.office.is_silent_after_data && !self.office.is_closing.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(20));
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
