//! Errors of the web server, with advice for the operator.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::https::agent::{AgentError, is_unknown_host};
use crate::https::pem::PemError;
use crate::rules::dump::Names;
use crate::runtime::interrupt::Interrupted;
use crate::runtime::retry::Retryable;

#[derive(Debug, Error)]
pub enum SourceError {
    #[error("{key} ({}) cannot be used: {}. It must be a PEM file", pem.path.display(), pem.reason)]
    Pem { key: &'static str, pem: PemError },
    /// Does not show the value, which is a secret.
    #[error("source.proxy is not a valid proxy address")]
    Proxy,
    #[error("the name {host} cannot be resolved. Check source.url and this machine's DNS")]
    UnknownHost {
        host: String,
        /// The resolver's error, if there is one.
        source: Option<io::Error>,
    },
    #[error("no connection to {host}. Check that the web server is running and that no firewall blocks it")]
    Connection { host: String, source: io::Error },
    #[error("{host} did not answer within {} s while {phase} (source.timeout_seconds)", limit.as_secs())]
    Timeout { host: String, phase: &'static str, limit: Duration },
    /// Usually because the server's certificate is not trusted.
    #[error("TLS with {host} failed: {problem}")]
    Tls { host: String, problem: String },
    #[error(
        "{0} redirects to an address without TLS, which is not followed. Set source.url to the final https address"
    )]
    InsecureRedirect(String),
    #[error("{host} redirects to \"{location}\", which is not a valid address. Correct the redirect on the server")]
    BadRedirect {
        host: String,
        /// The address, without its query.
        location: String,
    },
    #[error("{0} redirects too many times. Open source.url in a browser to see where it leads")]
    TooManyRedirects(String),
    #[error("{url} answered {status}{}", advice(*status, *is_own, signed))]
    Status {
        /// The address, without its query.
        url: String,
        status: u16,
        /// Whether the address has the origin of `source.url`; only that gets credentials.
        is_own: bool,
        /// The keys with a signature or token; empty if there are none.
        signed: &'static str,
        retry_after: Option<Duration>,
    },
    #[error("the download ended early, after {received} bytes. Check the web server and the network")]
    BrokenBody { received: u64, source: io::Error },
    #[error(
        "the download stalled after {received} bytes: nothing arrived for {} s (source.timeout_seconds). Check the web \
         server and the network",
        limit.as_secs()
    )]
    Stalled { received: u64, limit: Duration },
    #[error("the download is slower than 1 KiB/s over {} s (source.timeout_seconds); received {received} bytes", limit.as_secs())]
    TooSlow { received: u64, limit: Duration },
    #[error(
        "the ZIP has {size} bytes or more, more than source.max_dump_bytes allows ({cap}). Raise that limit if the size is correct"
    )]
    TooLarge {
        /// In bytes, announced or received.
        size: u64,
        cap: u64,
    },
    #[error("writing to {} (archive.work_directory). Check its free space and permissions", folder.display())]
    WorkDirectory { folder: PathBuf, source: io::Error },
    #[error("unexpected response from {host}: {problem}")]
    Protocol { host: String, problem: String },
    #[error("unexpected response from {0}: it does not report which part of the ZIP it sends")]
    UnknownPart(String),
    #[error("the ZIP changed on the web server while it was read")]
    Changed,
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

fn advice(status: u16, is_own: bool, signed: &str) -> String {
    let advice = match status {
        401 | 403 if !is_own => {
            ". It was reached by a redirect, and credentials are sent only to the scheme, host and port of source.url. \
             Set source.url to the final address"
        }
        401 => " (not authorised). Check source.username and source.password",
        403 => " (forbidden). Check the access rules of the web server",
        404 | 410 => " (not found). Check source.url, and that the ZIP was published",
        429 => " (too many requests). Request the ZIP less often",
        500.. => ". See the web server's log",
        _ => "",
    };
    // S3 and Google Cloud Storage answer 400 to some that have expired.
    if is_own && matches!(status, 400 | 401 | 403) && !signed.is_empty() {
        return format!("{advice}. The signature or token in {signed} may have expired: renew it");
    }
    advice.to_owned()
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
            | SourceError::UnknownPart(_)
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

/// Converts the error of a request to `host` with the time limit `limit`.
pub(super) fn from_ureq(error: ureq::Error, host: &str, limit: Duration) -> SourceError {
    let host = host.to_owned();
    match error {
        ureq::Error::HostNotFound => SourceError::UnknownHost { host, source: None },
        ureq::Error::Timeout(timeout) => {
            let phase = match timeout {
                ureq::Timeout::Resolve => "resolving its name",
                ureq::Timeout::Connect => "connecting",
                _ => "requesting the ZIP",
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
        // Their texts contain the address with its query.
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            SourceError::Protocol { host, problem: "its address cannot be used in a request".to_owned() }
        }
        other => SourceError::Protocol { host, problem: other.to_string() },
    }
}

/// Converts the error of reading a body after `received` bytes, with the time limit `limit` for each read.
pub(super) fn from_body(error: io::Error, received: u64, limit: Duration) -> SourceError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
        Some(ureq::Error::Timeout(_)) => SourceError::Stalled { received, limit },
        _ => SourceError::BrokenBody { received, source: error },
    }
}

/// Converts the error of connecting to `host` or of the TLS handshake.
pub fn from_handshake(error: io::Error, host: &str) -> SourceError {
    let host = host.to_owned();
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => SourceError::Tls { host, problem: tls_problem(tls) },
        None if is_unknown_host(&error) => SourceError::UnknownHost { host, source: Some(error) },
        None => SourceError::Connection { host, source: error },
    }
}

/// The TLS problem, with advice.
fn tls_problem(error: &rustls::Error) -> String {
    use rustls::CertificateError as Certificate;
    let certificate = match error {
        rustls::Error::InvalidCertificate(certificate) => certificate,
        // Not a TLS record (RFC 8446 section 5.1).
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
            return "the server on this port does not speak TLS. Correct the port in source.url, or make the server \
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
             with the correct name",
            listed(presented)
        ),
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
            "the server's certificate is for another name. Use the certificate's name in source.url".to_owned()
        }
        Certificate::UnknownIssuer => {
            "the server's certificate is from an unknown authority. If that is your own, set \
             source.ca_file to its certificate"
                .to_owned()
        }
        Certificate::Revoked => "the server's certificate has been revoked. Renew it on the server".to_owned(),
        other => format!("the server's certificate is not valid ({other:?})"),
    }
}

/// The names in a certificate. rustls writes them as `DnsName("www.example.com")` or `IpAddress(::1)`.
fn listed(presented: &[String]) -> Names {
    let inner = |name: &'_ str| name.find('(').map_or(0, |at| at + 1);
    Names::new(presented.iter().map(|name| name[inner(name)..].trim_end_matches(')').trim_matches('"')))
}
