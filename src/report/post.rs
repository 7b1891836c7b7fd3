//! Posts a report over HTTPS to a secret URL.
//!
//! Certificates are always verified, redirects and proxies from the environment are ignored, and no error contains the URL or
//! its host.

use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use ureq::{Agent, Timeout};
use url::Url;

use crate::https::agent::{AgentError, Settings, agent, is_unknown_host};
use crate::https::pem::PemError;
use crate::https::retry_after::retry_after;
use crate::rules::address::is_loopback;
use crate::runtime::retry::Retryable;

/// For each step: resolving, connecting, sending and receiving.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// In bytes; the rest of a response is not read.
const MAX_BODY: u64 = 4 * 1024;

/// In bytes; shorter parts of a URL are ordinary words and are not hidden.
const MIN_HIDDEN: usize = 4;

/// How error messages describe a service.
#[derive(Debug)]
pub struct Service {
    /// As in "the Mattermost server".
    pub name: &'static str,
    pub address_key: &'static str,
    pub ca_key: &'static str,
    /// The verb phrase for a rejected report: "did not post the message".
    pub refused: &'static str,
    /// The consequence of a missing response: "the ping may have arrived".
    pub unanswered: &'static str,
    /// Whether sending a report twice does no harm.
    pub is_repeatable: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum PostError {
    #[error("{} is not an https URL (http is allowed only to this machine)", service.address_key)]
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
    /// Unless empty, `reply` begins with a colon and `advice` with a semicolon.
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
    pub fn refused(
        service: &'static Service,
        response: Response,
        advice: &'static str,
        is_transient: bool,
    ) -> PostError {
        let Response { status, reply, retry_after, .. } = response;
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
    url: Url,
    ca_file: Option<&'a Path>,
}

pub struct Message {
    pub content_type: &'static str,
    pub body: String,
    /// For the whole POST; with `None`, only [`TIMEOUT`] for each step applies.
    pub limit: Option<Duration>,
}

pub struct Response {
    pub status: u16,
    /// Trimmed; may contain the URL, so never show it.
    pub body: String,
    /// For messages: a colon and the body without the URL; empty if there is no body.
    pub reply: String,
    pub retry_after: Option<Duration>,
}

impl<'a> Endpoint<'a> {
    /// With a `ca_file`, only its certificate authorities are trusted. Fails if the URL is neither https nor on this machine.
    pub fn new(
        service: &'static Service,
        url: &SecretString,
        ca_file: Option<&'a Path>,
    ) -> Result<Endpoint<'a>, PostError> {
        let url = Url::parse(url.expose_secret()).map_err(|_| PostError::Address { service })?;
        let is_local = url.host_str().is_some_and(is_loopback);
        if url.scheme() != "https" && !(url.scheme() == "http" && is_local) {
            return Err(PostError::Address { service });
        }
        Ok(Endpoint { service, url, ca_file })
    }

    /// Posts `message` once, to the URL with `suffix` appended to its path. Fails if no complete response arrived, whatever
    /// its status.
    pub fn post(&self, suffix: &str, message: Message) -> Result<Response, PostError> {
        let agent = self.agent(message.limit)?;
        let mut url = self.url.clone();
        if !suffix.is_empty() {
            url.set_path(&format!("{}{suffix}", url.path().trim_end_matches('/')));
        }
        let response = agent
            .post(url.as_str())
            .header("Content-Type", message.content_type)
            .send(message.body)
            .map_err(|error| self.request_error(error, message.limit))?;
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let mut body = Vec::new();
        let read = response.into_body().into_reader().take(MAX_BODY).read_to_end(&mut body);
        if status.is_success()
            && let Err(error) = read
        {
            return Err(PostError::NoAnswer { service: self.service, reason: self.hide(&error.to_string()) });
        }
        let body = String::from_utf8_lossy(&body).trim().to_owned();
        let reply = if body.is_empty() { String::new() } else { format!(": {}", self.hide(&body)) };
        Ok(Response { status: status.as_u16(), body, reply, retry_after })
    }

    fn agent(&self, limit: Option<Duration>) -> Result<Agent, PostError> {
        let service = self.service;
        let settings = Settings {
            https_only: self.url.scheme() == "https",
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
        let timed_out = || format!("timed out after {} s", limit.unwrap_or(TIMEOUT).as_secs());
        match error {
            ureq::Error::HostNotFound => {
                PostError::Unreachable { service, reason: "its name cannot be resolved".to_owned() }
            }
            ureq::Error::ConnectionFailed => {
                PostError::Unreachable { service, reason: "the connection failed".to_owned() }
            }
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                PostError::Unreachable { service, reason: timed_out() }
            }
            ureq::Error::Timeout(_) => PostError::NoAnswer { service, reason: timed_out() },
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
            // rustls wraps its errors in InvalidData.
            io::ErrorKind::InvalidData if error.get_ref().is_some() => PostError::Tls { service, reason },
            _ => PostError::NoAnswer { service, reason },
        }
    }

    /// Replaces the URL, the parts of its path and query, and its host.
    fn hide(&self, text: &str) -> String {
        let url = &self.url;
        let mut parts = vec![url.as_str()];
        parts.extend(Some(url.path()).into_iter().chain(url.path_segments().into_iter().flatten()));
        if let Some(query) = url.query() {
            parts.extend(query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value)));
            parts.push(query);
        }
        parts.retain(|part| part.len() >= MIN_HIDDEN);
        // Longest first: a part may contain another.
        parts.sort_by_key(|part| usize::MAX - part.len());
        let mut text = parts.iter().fold(text.to_owned(), |text, part| text.replace(part, "[URL]"));
        if let Some(host) = url.host_str() {
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
        unanswered: "it may have arrived",
        is_repeatable: true,
    };

    fn hide(url: &str, text: &str) -> String {
        Endpoint::new(&SERVICE, &url.into(), None).unwrap().hide(text)
    }

    #[test]
    fn no_part_of_the_url_is_shown() {
        let url = "https://hc.example.org/ping-key-7Yx/nightly?create=1&token=s3cr3t";
        for text in [
            url,
            "no /ping-key-7Yx/nightly?create=1&token=s3cr3t",
            "no /ping-key-7Yx/nightly/start",
            "neither ping-key-7Yx nor nightly nor s3cr3t at hc.example.org",
        ] {
            let shown = hide(url, text);
            for secret in ["ping-key-7Yx", "nightly", "s3cr3t", "hc.example.org"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
        assert_eq!(hide("https://h.example.org/a/b", "a bad day"), "a bad day", "short parts are ordinary words");
    }

    #[test]
    fn plain_http_is_allowed_only_to_this_machine() {
        for (url, is_allowed) in [
            ("https://hc.example.org/x", true),
            ("http://127.0.0.1:1/x", true),
            ("http://hc.example.org/x", false),
            ("ftp://127.0.0.1/x", false),
            ("x", false),
        ] {
            assert_eq!(Endpoint::new(&SERVICE, &url.into(), None).is_ok(), is_allowed, "{url}");
        }
    }
}
