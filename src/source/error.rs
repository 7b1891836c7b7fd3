//! What can go wrong with the web server, and what the operator can do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::https::agent::{AgentError, is_unknown_host};
use crate::https::pem::PemError;
use crate::rules::dump::Names;
use crate::runtime::interrupt::Interrupted;
use crate::runtime::retry::Retryable;

/// Why the ZIP could not be read.
#[derive(Debug, Error)]
pub enum SourceError {
    #[error("{key} ({}) cannot be used: {}. It must be a PEM file", pem.path.display(), pem.reason)]
    Pem {
        /// The configuration's key.
        key: &'static str,
        pem: PemError,
    },
    /// The value of `source.proxy` is a secret.
    #[error("source.proxy is not the address of a proxy")]
    Proxy,
    #[error("the name {host} cannot be resolved. Check source.url and this machine's DNS")]
    UnknownHost {
        host: String,
        /// The resolver's error, if there is one.
        source: Option<io::Error>,
    },
    /// No connection, or a broken one.
    #[error("no connection to {host}. Check that the web server runs and that no firewall is in the way")]
    Connection { host: String, source: io::Error },
    #[error("{host} did not answer within {} s while {phase} (source.timeout_seconds)", limit.as_secs())]
    Timeout { host: String, phase: &'static str, limit: Duration },
    /// TLS failed, mostly because the server's certificate is not trusted.
    #[error("TLS with {host} failed: {problem}")]
    Tls { host: String, problem: String },
    /// A redirect away from https.
    #[error(
        "{0} redirects to an address without TLS, which is not followed. Put the final https address into source.url"
    )]
    InsecureRedirect(String),
    #[error(
        "{host} redirects to \"{location}\", which is not an address that can be followed. Correct the redirect there"
    )]
    BadRedirect {
        host: String,
        /// The address, without its query.
        location: String,
    },
    #[error("{0} redirects in circles. Open source.url in a browser to see where it leads")]
    TooManyRedirects(String),
    /// An HTTP status other than 200 and 206.
    #[error("{url} answered {status}{}", advice(*status, *is_own))]
    Status {
        /// The address, without its query.
        url: String,
        status: u16,
        /// Whether it has the origin of `source.url`; no other gets credentials.
        is_own: bool,
        retry_after: Option<Duration>,
    },
    /// The body ended early, after `received` bytes.
    #[error("the download broke off after {received} bytes. Check the web server and the line to it")]
    BrokenBody { received: u64, source: io::Error },
    /// No more bytes arrived over an open connection.
    #[error(
        "the download stalled after {received} bytes: nothing arrived for {} s (source.timeout_seconds). Check the web \
         server and the line to it",
        limit.as_secs()
    )]
    Stalled { received: u64, limit: Duration },
    #[error("the download is slower than 1 KiB/s over {} s (source.timeout_seconds); {received} bytes were received", limit.as_secs())]
    TooSlow { received: u64, limit: Duration },
    #[error(
        "the ZIP has {size} bytes or more, more than source.max_dump_bytes allows ({cap}). Raise it if that is right"
    )]
    TooLarge {
        /// Bytes announced or received.
        size: u64,
        cap: u64,
    },
    #[error("writing to {} (archive.work_directory). Check its free space and permissions", folder.display())]
    WorkDirectory { folder: PathBuf, source: io::Error },
    #[error("{host} does not answer as a web server does: {problem}")]
    Protocol { host: String, problem: String },
    #[error("the ZIP has changed on the web server while it was read")]
    Changed,
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

fn advice(status: u16, is_own: bool) -> &'static str {
    match status {
        401 | 403 if !is_own => {
            ". It was reached by a redirect, and credentials are sent to the scheme, host and port of source.url alone. \
             Put the final address into source.url"
        }
        401 => " (not authorised). Check source.username and source.password",
        403 => " (forbidden). Check what the web server allows this user to read",
        404 | 410 => " (not found). Check source.url, and that the ZIP was published",
        429 => " (too many requests). Ask for it less often",
        500.. => ". Look into the web server's log",
        _ => "",
    }
}

impl Retryable for SourceError {
    fn is_transient(&self) -> bool {
        match self {
            SourceError::UnknownHost { .. }
            | SourceError::Connection { .. }
            | SourceError::Timeout { .. }
            | SourceError::BrokenBody { .. }
            | SourceError::Stalled { .. }
            | SourceError::TooSlow { .. } => true,
            SourceError::Status { status, .. } => matches!(status, 408 | 429 | 500..),
            SourceError::Pem { .. }
            | SourceError::Proxy
            | SourceError::Tls { .. }
            | SourceError::InsecureRedirect(_)
            | SourceError::BadRedirect { .. }
            | SourceError::TooManyRedirects(_)
            | SourceError::TooLarge { .. }
            | SourceError::WorkDirectory { .. }
            | SourceError::Protocol { .. }
            | SourceError::Changed
            | SourceError::Interrupted(_) => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            SourceError::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl From<AgentError> for SourceError {
    fn from(error: AgentError) -> SourceError {
        match error {
            AgentError::CaFile(pem) => SourceError::Pem { key: "source.ca_file", pem },
            AgentError::Certificate(pem) => SourceError::Pem { key: "source.client_certificate", pem },
            AgentError::Key(pem) => SourceError::Pem { key: "source.client_key", pem },
            AgentError::Proxy => SourceError::Proxy,
        }
    }
}

/// The error for `error` of a request to `host` with the time limit `limit`.
pub(super) fn from_ureq(error: ureq::Error, host: &str, limit: Duration) -> SourceError {
    let host = host.to_owned();
    match error {
        ureq::Error::HostNotFound => SourceError::UnknownHost { host, source: None },
        ureq::Error::Timeout(timeout) => {
            let phase = match timeout {
                ureq::Timeout::Resolve => "its name was looked up",
                ureq::Timeout::Connect => "connecting",
                _ => "it was asked for the ZIP",
            };
            SourceError::Timeout { host, phase, limit }
        }
        ureq::Error::Rustls(error) => SourceError::Tls { host, problem: tls_problem(&error) },
        ureq::Error::Tls(problem) => SourceError::Tls { host, problem: problem.to_owned() },
        ureq::Error::RequireHttpsOnly(_) => SourceError::InsecureRedirect(host),
        ureq::Error::Io(error) => from_handshake(error, &host),
        ureq::Error::ConnectProxyFailed(problem) => {
            SourceError::Protocol { host, problem: format!("the proxy refused the connection ({problem})") }
        }
        // Their texts quote the address, with its query.
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            SourceError::Protocol { host, problem: "its address cannot be used in a request".to_owned() }
        }
        other => SourceError::Protocol { host, problem: other.to_string() },
    }
}

/// The error for `error` of reading a body after `received` bytes, with the time limit `limit` for each read.
pub(super) fn from_body(error: io::Error, received: u64, limit: Duration) -> SourceError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
        Some(ureq::Error::Timeout(_)) => SourceError::Stalled { received, limit },
        _ => SourceError::BrokenBody { received, source: error },
    }
}

/// The error for `error` of connecting to `host` or of the TLS handshake.
pub fn from_handshake(error: io::Error, host: &str) -> SourceError {
    let host = host.to_owned();
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => SourceError::Tls { host, problem: tls_problem(tls) },
        None if is_unknown_host(&error) => SourceError::UnknownHost { host, source: Some(error) },
        None => SourceError::Connection { host, source: error },
    }
}

/// What is wrong with TLS, and how to fix it.
fn tls_problem(error: &rustls::Error) -> String {
    use rustls::CertificateError as Certificate;
    let certificate = match error {
        rustls::Error::InvalidCertificate(certificate) => certificate,
        // It sent no TLS record (RFC 8446 section 5.1).
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
            return "the server on this port does not speak TLS. Correct the port in source.url, or have the server \
                    offer https there"
                .to_owned();
        }
        other => return other.to_string(),
    };
    match certificate {
        Certificate::Expired | Certificate::ExpiredContext { .. } => {
            "the server's certificate has expired. Renew it on the server".to_owned()
        }
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet. Check the clocks of both machines".to_owned()
        }
        Certificate::NotValidForNameContext { presented, .. } if !presented.is_empty() => format!(
            "the server's certificate is for another name: it holds {}. Use one of its names in source.url, or renew it \
             with the right one",
            listed(presented)
        ),
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
            "the server's certificate is for another name. Use the name that it is for in source.url".to_owned()
        }
        Certificate::UnknownIssuer => {
            "the server's certificate is from an unknown authority. If it is your own, name its \
             certificate in source.ca_file"
                .to_owned()
        }
        Certificate::Revoked => "the server's certificate has been revoked. Renew it on the server".to_owned(),
        other => format!("the server's certificate is not valid ({other:?})"),
    }
}

/// The names that a certificate holds. rustls writes each as `DnsName("www.example.com")` or `IpAddress(::1)`.
fn listed(presented: &[String]) -> Names {
    let inner = |name: &'_ str| name.find('(').map_or(0, |at| at + 1);
    Names::new(presented.iter().map(|name| name[inner(name)..].trim_end_matches(')').trim_matches('"')))
}
