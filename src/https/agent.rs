//! How the web server is spoken to: TLS always verified, every phase with its time limit, no proxy from the environment.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy};

use crate::config;
use crate::source::error::SourceError;

const USER_AGENT: &str = concat!("scripting-system/", env!("CARGO_PKG_VERSION"));

/// A client for the web server that `source` names.
pub(crate) fn agent(source: &config::Source) -> Result<Agent, SourceError> {
    let proxy = match &source.proxy {
        Some(address) => Some(Proxy::new(address.expose_secret()).map_err(|_| SourceError::Proxy)?),
        None => None,
    };
    let limit = Some(source.timeout);
    Ok(Agent::config_builder()
        .https_only(source.url.scheme() == "https")
        .http_status_as_error(false)
        // Its own rule compares hosts, not ports, and its errors quote the whole address: `client` follows redirects.
        .max_redirects(0)
        .proxy(proxy)
        .tls_config(tls(source)?)
        .user_agent(USER_AGENT)
        .accept_encoding("identity")
        .timeout_resolve(limit)
        .timeout_connect(limit)
        .timeout_send_request(limit)
        .timeout_recv_response(limit)
        .timeout_per_read(limit)
        .timeout_per_write(limit)
        .build()
        .new_agent())
}

/// The value of the Authorization header (RFC 7617), where the configuration has credentials.
pub(crate) fn authorization(source: &config::Source) -> Option<SecretString> {
    let credentials = source.credentials.as_ref()?;
    let pair = format!("{}:{}", credentials.username, credentials.password.expose_secret());
    Some(format!("Basic {}", STANDARD.encode(pair)).into())
}

fn tls(source: &config::Source) -> Result<TlsConfig, SourceError> {
    let mut tls = TlsConfig::builder();
    if let Some(path) = &source.ca_file {
        tls = tls.root_certs(RootCerts::Specific(Arc::new(certificates("source.ca_file", path)?)));
    }
    if let Some(identity) = &source.client_identity {
        let chain = certificates("source.client_certificate", &identity.certificate)?;
        let key = private_key("source.client_key", &identity.key)?;
        tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
    }
    Ok(tls.build())
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<Certificate<'static>>, SourceError> {
    let unusable = |problem: String| SourceError::Pem { key, path: path.to_owned(), problem };
    let pem = fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| unusable(error.to_string()))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() { Err(unusable("it holds no certificate".to_owned())) } else { Ok(certificates) }
}

fn private_key(key: &'static str, path: &Path) -> Result<PrivateKey<'static>, SourceError> {
    let unusable = |problem: String| SourceError::Pem { key, path: path.to_owned(), problem };
    let pem = fs::read(path).map_err(|error| unusable(error.to_string()))?;
    PrivateKey::from_pem(&pem).map_err(|error| unusable(error.to_string()))
}
