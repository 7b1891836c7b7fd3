//! What the reports that go over HTTPS share: one POST to an address that is itself the secret.
//!
//! TLS is always verified, no redirect is followed, the environment's proxies are not used, and no error text holds
//! the address or the host's name in it.

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

/// To connect, and for each further step until the answer.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// So much of an answer is read, in bytes; success is two of them.
const MAX_REPLY: u64 = 4 * 1024;

/// A piece of an address that is shorter is an ordinary word.
const SHORTEST_PIECE: usize = 4;

/// Who is posted to, in the words of the error texts.
#[derive(Debug)]
pub struct Service {
    /// "the Mattermost server".
    pub name: &'static str,
    /// The configuration's key of the address.
    pub address_key: &'static str,
    /// The configuration's key of the private certificate authorities.
    pub ca_key: &'static str,
    /// What is open, and what follows, where no answer came.
    pub unanswered: &'static str,
}

/// Why nothing can be said of how a POST was taken.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The address cannot be used.
    #[error("{} is not an https address (http is for this machine only)", service.address_key)]
    Address {
        /// Whose it is.
        service: &'static Service,
    },
    /// The private certificate authorities could not be read.
    #[error("{}: {pem}", service.ca_key)]
    CaFile {
        /// Whose they are.
        service: &'static Service,
        pem: PemError,
    },
    /// There was no connection, so nothing was posted.
    #[error("cannot reach {}: {reason}; check the host in {}", service.name, service.address_key)]
    Unreachable {
        /// Who was to be reached.
        service: &'static Service,
        /// What happened.
        reason: String,
    },
    /// The server's certificate is not trusted.
    #[error(
        "no trusted TLS connection to {}: {reason}; check the host in {}, and {} for a private certificate authority",
        service.name, service.address_key, service.ca_key
    )]
    Tls {
        /// Who was to be reached.
        service: &'static Service,
        /// What happened.
        reason: String,
    },
    /// The connection broke or fell silent after it was made.
    #[error("no answer from {}: {reason}; {}", service.name, service.unanswered)]
    NoAnswer {
        /// Who was posted to.
        service: &'static Service,
        /// What happened.
        reason: String,
    },
}

/// Where a report goes.
pub struct Endpoint<'a> {
    service: &'static Service,
    address: Url,
    ca_file: Option<&'a Path>,
}

/// What is posted.
pub struct Message {
    /// Stands in the header `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
    /// For the whole POST; `None` is [`TIMEOUT`] for each step.
    pub limit: Option<Duration>,
}

/// What a server answered.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body without white space around it, as the server sent it: not to be told.
    pub body: String,
    /// The same after a colon, as it may be told; empty where the server said nothing.
    pub told: String,
    /// How long it wants to be left alone.
    pub retry_after: Option<Duration>,
}

impl<'a> Endpoint<'a> {
    /// The endpoint of `service` at `address`, where the authorities in `ca_file`, if given, are the only ones to trust.
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

    /// Posts `message`, once, to the address with `suffix` at the end of its path.
    ///
    /// # Errors
    /// If there was no whole answer. Every status is one.
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
        let told = if body.is_empty() { String::new() } else { format!(": {}", self.hide(&body)) };
        Ok(Answer { status: status.as_u16(), body, told, retry_after })
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
            // rustls hands its errors up so.
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
        // The longest first: what holds another piece goes as a whole.
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

    static SERVICE: Service =
        Service { name: "the server", address_key: "a.url", ca_key: "a.ca_file", unanswered: "it is open" };

    fn hidden(address: &str, text: &str) -> String {
        Endpoint::new(&SERVICE, &address.into(), None).unwrap().hide(text)
    }

    #[test]
    fn nothing_of_the_address_is_told() {
        let address = "https://hc.example.org/ping-key-7Yx/nightly?create=1&token=s3cr3t";
        for text in [
            address,
            "no /ping-key-7Yx/nightly?create=1&token=s3cr3t",
            "no /ping-key-7Yx/nightly/start",
            "neither ping-key-7Yx nor nightly nor s3cr3t at hc.example.org",
        ] {
            let told = hidden(address, text);
            for secret in ["ping-key-7Yx", "nightly", "s3cr3t", "hc.example.org"] {
                assert!(!told.contains(secret), "{told}");
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
