//! What can go wrong between us and the web server, and what the operator can do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::https::agent::{AgentError, is_unknown_host};
use crate::https::pem::PemError;
use crate::rules::dump::Names;
use crate::runtime::interrupt::Interrupted;
use crate::runtime::retry::Retryable;

/// Why the ZIP could not be had.
#[derive(Debug, Error)]
pub enum SourceError {
    /// A certificate or key file cannot be used.
    #[error("{key} ({}) cannot be used: {}. It must be a PEM file", pem.path.display(), pem.reason)]
    Pem {
        /// The configuration's key.
        key: &'static str,
        pem: PemError,
    },
    /// `source.proxy` is not one that can be used. Its value is a secret.
    #[error("source.proxy is not the address of a proxy")]
    Proxy,
    /// The name does not resolve.
    #[error("the name {host} cannot be resolved. Check source.url and this machine's DNS")]
    UnknownHost {
        /// The web server.
        host: String,
        /// What the resolver says, where it says something.
        source: Option<io::Error>,
    },
    /// No connection, or a broken one.
    #[error("no connection to {host}. Check that the web server runs and that no firewall is in the way")]
    Connection {
        /// The web server.
        host: String,
        /// What happened.
        source: io::Error,
    },
    /// No answer in time.
    #[error("{host} gave no answer within {} s while {phase} (source.timeout_seconds)", limit.as_secs())]
    Timeout {
        /// The web server.
        host: String,
        /// What was under way.
        phase: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The server's certificate is not to be trusted, or TLS failed otherwise.
    #[error("TLS with {host} failed: {problem}")]
    Tls {
        /// The web server.
        host: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A redirect away from https.
    #[error(
        "{0} redirects to an address without TLS, which is not followed. Put the final https address into source.url"
    )]
    InsecureRedirect(String),
    /// A redirect to something that is no address.
    #[error(
        "{host} redirects to \"{location}\", which is not an address that can be followed. Correct the redirect there"
    )]
    BadRedirect {
        /// The web server.
        host: String,
        /// The address, without its query.
        location: String,
    },
    /// More redirects than are followed.
    #[error("{0} redirects in circles. Open source.url in a browser to see where it leads")]
    TooManyRedirects(String),
    /// The server refused.
    #[error("{url} answered {status}{}", advice(*status, *is_own))]
    Status {
        /// The address, without its query.
        url: String,
        /// The HTTP status.
        status: u16,
        /// Whether it has the origin of `source.url`; no credentials are sent to another.
        is_own: bool,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// The body ended too early.
    #[error("the download broke off after {received} bytes. Check the web server and the line to it")]
    BrokenBody {
        /// Bytes received.
        received: u64,
        /// What happened.
        source: io::Error,
    },
    /// The body stopped coming, though the connection stayed.
    #[error(
        "the download stalled after {received} bytes: nothing came for {} s (source.timeout_seconds). Check the web \
         server and the line to it",
        limit.as_secs()
    )]
    Stalled {
        /// Bytes received.
        received: u64,
        /// The limit.
        limit: Duration,
    },
    /// The body came too slowly.
    #[error("the download is slower than 1 KiB/s over {} s (source.timeout_seconds); {received} bytes were received", limit.as_secs())]
    TooSlow {
        /// Bytes received.
        received: u64,
        /// The time over which the rate was too low.
        limit: Duration,
    },
    /// The file is larger than the cap.
    #[error(
        "the ZIP has {size} bytes or more, more than source.max_dump_bytes allows ({cap}). Raise it if that is right"
    )]
    TooLarge {
        /// Bytes announced or received.
        size: u64,
        /// The cap.
        cap: u64,
    },
    /// The ZIP could not be kept on this machine.
    #[error("writing to {} (archive.work_directory). Check its free space and permissions", folder.display())]
    WorkDirectory {
        /// The folder.
        folder: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// The server speaks something else.
    #[error("{host} does not answer as a web server does: {problem}")]
    Protocol {
        /// The web server.
        host: String,
        /// What is wrong.
        problem: String,
    },
    /// The file is not the one any more whose parts were read so far.
    #[error("the ZIP has changed on the web server while it was read")]
    Changed,
    /// The run was told to end.
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

/// What `error`, met while talking to `host`, means. `limit` is the time limit in force.
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
        ureq::Error::Io(error) => from_io(error, host),
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

/// What `error`, met after `received` bytes of the ZIP, means. `limit` is the time limit of each read.
pub(super) fn from_body(error: io::Error, received: u64, limit: Duration) -> SourceError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
        Some(ureq::Error::Timeout(_)) => SourceError::Stalled { received, limit },
        _ => SourceError::BrokenBody { received, source: error },
    }
}

/// What `error` means, met where a connection to `host`, or TLS with it, was begun by hand.
pub fn from_handshake(error: io::Error, host: &str) -> SourceError {
    from_io(error, host.to_owned())
}

fn from_io(error: io::Error, host: String) -> SourceError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => SourceError::Tls { host, problem: tls_problem(tls) },
        None if is_unknown_host(&error) => SourceError::UnknownHost { host, source: Some(error) },
        None => SourceError::Connection { host, source: error },
    }
}

/// What is wrong with TLS, in words for whoever has to mend it.
fn tls_problem(error: &rustls::Error) -> String {
    use rustls::CertificateError as Certificate;
    let certificate = match error {
        rustls::Error::InvalidCertificate(certificate) => certificate,
        // What it sent is no record of TLS at all (RFC 8446 section 5.1).
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
            return "the server on this port does not speak TLS. Correct the port in source.url, or have the server \
                    offer https there"
                .to_owned();
        }
        other => return other.to_string(),
    };
    match certificate {
        Certificate::Expired | Certificate::ExpiredContext { .. } => {
            "the server's certificate has expired. Renew it there".to_owned()
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
        Certificate::Revoked => "the server's certificate has been revoked. Renew it there".to_owned(),
        other => format!("the server's certificate is not valid ({other:?})"),
    }
}

/// The names that a certificate holds. rustls writes each as `DnsName("www.example.com")` or `IpAddress(::1)`.
fn listed(presented: &[String]) -> Names {
    let inner = |name: &'_ str| name.find('(').map_or(0, |at| at + 1);
    Names::of(presented.iter().map(|name| name[inner(name)..].trim_end_matches(')').trim_matches('"')))
}
