//! Connects to a web server step by step, to find out which step fails: name resolution, the connection, or the TLS handshake.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use url::Url;

use crate::commands::check::certificate::Certificate;
use crate::config::ClientIdentity;
use crate::https::pem::{certificates, private_key};

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Trust<'a> {
    /// A PEM file; `None` trusts the public CAs.
    pub(super) ca_file: Option<&'a Path>,
    pub(super) identity: Option<&'a ClientIdentity>,
}

#[derive(Debug)]
pub(super) struct Handshake {
    /// For example "TLS 1.3".
    pub(super) protocol: &'static str,
    /// `None` if it cannot be parsed.
    pub(super) certificate: Option<Certificate>,
}

pub(super) fn addresses(url: &Url) -> io::Result<Vec<SocketAddr>> {
    let addresses = url.socket_addrs(|| None)?;
    if addresses.is_empty() { Err(io::ErrorKind::AddrNotAvailable.into()) } else { Ok(addresses) }
}

/// Connects to the first of `addresses` that accepts within `limit`, which is also the limit of each read and write.
pub(super) fn connect(addresses: &[SocketAddr], limit: Duration) -> io::Result<TcpStream> {
    let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect_timeout(address, limit) {
            Ok(stream) => {
                stream.set_read_timeout(Some(limit))?;
                stream.set_write_timeout(Some(limit))?;
                return Ok(stream);
            }
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

/// Performs the TLS handshake with the server of `url` over `stream`, as a run would, and closes the connection.
pub(super) fn handshake(mut stream: TcpStream, url: &Url, trust: Trust<'_>) -> io::Result<Handshake> {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned()).map_err(invalid)?;
    let mut connection = ClientConnection::new(Arc::new(config(trust)?), name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(as_timeout)?;
    }
    let protocol = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS",
    };
    let leaf = connection.peer_certificates().and_then(<[_]>::first);
    let certificate = leaf.and_then(|der| Certificate::read(der));
    connection.send_close_notify();
    // The server may have closed the connection already, which is fine.
    let _ = connection.write_tls(&mut stream);
    Ok(Handshake { protocol, certificate })
}

fn config(trust: Trust<'_>) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match trust.ca_file {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let authorities = certificates(path).map_err(invalid)?;
            roots.add_parsable_certificates(authorities.iter().map(|it| CertificateDer::from(it.der())));
        }
    }
    // Set explicitly: rustls has no default if two providers are compiled in.
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots);
    let Some(identity) = trust.identity else { return Ok(builder.with_no_client_auth()) };
    let chain =
        certificates(&identity.certificate).map_err(invalid)?.iter().map(|it| it.der().to_vec().into()).collect();
    let key = private_key(&identity.key).map_err(invalid)?;
    let key = PrivateKeyDer::try_from(key.der().to_vec()).map_err(invalid)?;
    builder.with_client_auth_cert(chain, key).map_err(io::Error::other)
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

/// Linux reports a socket's time-out as WouldBlock.
fn as_timeout(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock {
        return io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
    }
    error
}
