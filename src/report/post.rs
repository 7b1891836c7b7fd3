//! Posts a report over HTTPS to an address that is itself a secret.
//!
//! TLS is always verified, redirects and the environment's proxies are not followed, and no error contains the address or its
//! host.

use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use ureq::{Agent, Timeout};
use url::Url;

use crate::config::is_loopback;
use crate::https::agent::{AgentError, Settings, agent, is_unknown_host};
use crate::https::pem::PemError;
use crate::https::retry_after::retry_after;
use crate::runtime::retry::Retryable;

/// For each step: to resolve, connect, send and receive.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// How much of an answer is read, in bytes.
const MAX_REPLY: u64 = 4 * 1024;

/// A shorter piece of an address is an ordinary word, and not hidden.
const SHORTEST_PIECE: usize = 4;

/// A service, as the error texts need it.
#[derive(Debug)]
pub struct Service {
    /// "the Mattermost server".
    pub name: &'static str,
    pub address_key: &'static str,
    pub ca_key: &'static str,
    /// What it did instead of accepting the report: "did not post the message".
    pub refused: &'static str,
    /// What is unknown, and what follows from it, if no answer arrived.
    pub unanswered: &'static str,
    /// Whether a report may arrive twice.
    pub is_repeatable: bool,
}

/// Why a report was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    #[error("{} is not an https address (http is for this machine only)", service.address_key)]
    Address { service: &'static Service },
    #[error("{}: {pem}", service.ca_key)]
    CaFile { service: &'static Service, pem: PemError },
    /// There was no connection, so nothing was posted.
    #[error("cannot reach {}: {reason}; check the host in {}", service.name, service.address_key)]
    Unreachable { service: &'static Service, reason: String },
    #[error(
        "no trusted TLS connection to {}: {reason}; check the host in {}, and {} for a private certificate authority",
        service.name, service.address_key, service.ca_key
    )]
    Tls { service: &'static Service, reason: String },
    /// The connection broke or timed out.
    #[error("no answer from {}: {reason}; {}", service.name, service.unanswered)]
    NoAnswer { service: &'static Service, reason: String },
    /// `reply` begins with a colon unless it is empty; `advice` with a semicolon.
    #[error("{} {}: status {status}{reply}{advice}", service.name, service.refused)]
    Refused {
        service: &'static Service,
        status: u16,
        reply: String,
        advice: &'static str,
        is_transient: bool,
        retry_after: Option<Duration>,
    },
}

impl PostError {
    pub fn refused(service: &'static Service, answer: Answer, advice: &'static str, is_transient: bool) -> PostError {
        let Answer { status, shown: reply, retry_after, .. } = answer;
        PostError::Refused { service, status, reply, advice, is_transient, retry_after }
    }
}

impl Retryable for PostError {
    fn is_transient(&self) -> bool {
        match self {
            PostError::Unreachable { .. } => true,
            PostError::NoAnswer { service, .. } => service.is_repeatable,
            PostError::Refused { is_transient, .. } => *is_transient,
            PostError::Address { .. } | PostError::CaFile { .. } | PostError::Tls { .. } => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        if let PostError::Refused { retry_after, .. } = self { *retry_after } else { None }
    }
}

pub struct Endpoint<'a> {
    service: &'static Service,
    address: Url,
    ca_file: Option<&'a Path>,
}

pub struct Message {
    pub content_type: &'static str,
    pub body: String,
    /// For the whole POST; `None` is [`TIMEOUT`] for each step.
    pub limit: Option<Duration>,
}

pub struct Answer {
    pub status: u16,
    /// The trimmed body as received: not to be shown.
    pub body: String,
    /// The body after a colon, without the address; empty if there is none.
    pub shown: String,
    pub retry_after: Option<Duration>,
}

impl<'a> Endpoint<'a> {
    /// If there is a `ca_file`, only its authorities are trusted.
    ///
    /// # Errors
    /// If the address is neither https nor this machine's.
    pub fn new(
        service: &'static Service,
        address: &SecretString,
        ca_file: Option<&'a Path>,
    ) -> Result<Endpoint<'a>, PostError> {
        let address = Url::parse(address.expose_secret()).map_err(|_| PostError::Address { service })?;
        let may_be_plain = address.host_str().is_some_and(is_loopback);
        if address.scheme() != "https" && !(address.scheme() == "http" && may_be_plain) {
            return Err(PostError::Address { service });
        }
        Ok(Endpoint { service, address, ca_file })
    }

    /// Posts `message`, once, to the address with `suffix` appended to its path.
    ///
    /// # Errors
    /// If there was no complete answer; any status is an answer.
    pub fn post(&self, suffix: &str, message: Message) -> Result<Answer, PostError> {
        let agent = self.agent(message.limit)?;
        let mut address = self.address.clone();
        if !suffix.is_empty() {
            address.set_path(&format!("{}{suffix}", address.path().trim_end_matches('/')));
        }
        let response = agent
            .post(address.as_str())
            .header("Content-Type", message.content_type)
            .send(message.body)
            .map_err(|error| self.request_error(error, message.limit))?;
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let mut reply = Vec::new();
        let read = response.into_body().into_reader().take(MAX_REPLY).read_to_end(&mut reply);
        if status.is_success()
            && let Err(error) = read
        {
            return Err(PostError::NoAnswer { service: self.service, reason: self.hide(&error.to_string()) });
        }
        let body = String::from_utf8_lossy(&reply).trim().to_owned();
        let shown = if body.is_empty() { String::new() } else { format!(": {}", self.hide(&body)) };
        Ok(Answer { status: status.as_u16(), body, shown, retry_after })
    }

    fn agent(&self, limit: Option<Duration>) -> Result<Agent, PostError> {
        let service = self.service;
        let settings = Settings {
            https_only: self.address.scheme() == "https",
            ca_file: self.ca_file,
            identity: None,
            proxy: None,
            step_limit: TIMEOUT,
            body_limit: Some(TIMEOUT),
            limit,
        };
        agent(settings).map_err(|error| match error {
            AgentError::CaFile(pem) | AgentError::Certificate(pem) | AgentError::Key(pem) => {
                PostError::CaFile { service, pem }
            }
            AgentError::Proxy => PostError::Address { service },
        })
    }

    fn request_error(&self, error: ureq::Error, limit: Option<Duration>) -> PostError {
        let service = self.service;
        let nothing_within = || format!("nothing within {} s", limit.unwrap_or(TIMEOUT).as_secs());
        match error {
            ureq::Error::HostNotFound => {
                PostError::Unreachable { service, reason: "its name cannot be resolved".to_owned() }
            }
            ureq::Error::ConnectionFailed => {
                PostError::Unreachable { service, reason: "the connection failed".to_owned() }
            }
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                PostError::Unreachable { service, reason: nothing_within() }
            }
            ureq::Error::Timeout(_) => PostError::NoAnswer { service, reason: nothing_within() },
            ureq::Error::Io(error) => self.io_error(&error),
            ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::Pem(_) => {
                PostError::Tls { service, reason: self.hide(&error.to_string()) }
            }
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => PostError::Address { service },
            other => PostError::NoAnswer { service, reason: self.hide(&other.to_string()) },
        }
    }

    fn io_error(&self, error: &io::Error) -> PostError {
        let (service, reason) = (self.service, self.hide(&error.to_string()));
        if is_unknown_host(error) {
            return PostError::Unreachable { service, reason: "its name cannot be resolved".to_owned() };
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable => PostError::Unreachable { service, reason },
            // rustls wraps its errors so.
            io::ErrorKind::InvalidData if error.get_ref().is_some() => PostError::Tls { service, reason },
            _ => PostError::NoAnswer { service, reason },
        }
    }

    /// `text` without the address, the pieces of its path and query, and its host.
    fn hide(&self, text: &str) -> String {
        let address = &self.address;
        let mut pieces = vec![address.as_str()];
        pieces.extend(Some(address.path()).into_iter().chain(address.path_segments().into_iter().flatten()));
        if let Some(query) = address.query() {
            pieces.extend(query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value)));
            pieces.push(query);
        }
        pieces.retain(|piece| piece.len() >= SHORTEST_PIECE);
        // Longest first, as a piece may contain another one.
        pieces.sort_by_key(|piece| usize::MAX - piece.len());
        let mut text = pieces.iter().fold(text.to_owned(), |text, piece| text.replace(piece, "[the address]"));
        if let Some(host) = address.host_str() {
            text = text.replace(host, "[the server]");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SERVICE: Service = Service {
        name: "the server",
        address_key: "a.url",
        ca_key: "a.ca_file",
        refused: "refused",
        unanswered: "it is unknown",
        is_repeatable: true,
    };

    fn hidden(address: &str, text: &str) -> String {
        Endpoint::new(&SERVICE, &address.into(), None).unwrap().hide(text)
    }

    #[test]
    fn no_part_of_the_address_is_shown() {
        let address = "https://hc.example.org/ping-key-7Yx/nightly?create=1&token=s3cr3t";
        for text in [
            address,
            "no /ping-key-7Yx/nightly?create=1&token=s3cr3t",
            "no /ping-key-7Yx/nightly/start",
            "neither ping-key-7Yx nor nightly nor s3cr3t at hc.example.org",
        ] {
            let shown = hidden(address, text);
            for secret in ["ping-key-7Yx", "nightly", "s3cr3t", "hc.example.org"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
        assert_eq!(hidden("https://h.example.org/a/b", "a bad day"), "a bad day", "short pieces are ordinary words");
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        for (address, is_fine) in [
            ("https://hc.example.org/x", true),
            ("http://127.0.0.1:1/x", true),
            ("http://hc.example.org/x", false),
            ("ftp://127.0.0.1/x", false),
            ("x", false),
        ] {
            assert_eq!(Endpoint::new(&SERVICE, &address.into(), None).is_ok(), is_fine, "{address}");
        }
    }
}
