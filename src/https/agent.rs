//! Builds HTTP agents: certificates are verified, every step has a time limit, and redirects and proxies from the environment
//! are ignored.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{ClientCert, RootCerts, TlsConfig};
use ureq::{Agent, Proxy};

use crate::https::pem::{PemError, certificates, private_key};

const USER_AGENT: &str = concat!("scripting-system/", env!("CARGO_PKG_VERSION"));

#[derive(Clone, Copy)]
pub(crate) struct Settings<'a> {
    /// Whether plain HTTP is refused.
    pub(crate) https_only: bool,
    /// A PEM file with the only trusted certificate authorities; `None` trusts those of the public web.
    pub(crate) ca_file: Option<&'a Path>,
    /// PEM files with the client's certificate chain and private key.
    pub(crate) identity: Option<(&'a Path, &'a Path)>,
    /// The proxy's address, which may contain a password.
    pub(crate) proxy: Option<&'a str>,
    /// The time limit for each step up to the response headers, and for each read and write.
    pub(crate) step_limit: Duration,
    /// The time limit for each of the two bodies, if any.
    pub(crate) body_limit: Option<Duration>,
    /// The time limit for the whole request, if any.
    pub(crate) limit: Option<Duration>,
}

/// A setting that cannot be used.
#[derive(Debug)]
pub(crate) enum AgentError {
    CaFile(PemError),
    Certificate(PemError),
    Key(PemError),
    Proxy,
}

/// Builds an agent that returns every HTTP status as a response.
pub(crate) fn agent(settings: Settings<'_>) -> Result<Agent, AgentError> {
    let proxy = settings.proxy.map(Proxy::new).transpose().map_err(|_| AgentError::Proxy)?;
    let step_limit = Some(settings.step_limit);
    let config = Agent::config_builder()
        .https_only(settings.https_only)
        .http_status_as_error(false)
        // Callers follow redirects: ureq would compare hosts without ports, and its errors contain the whole address.
        .max_redirects(0)
        .proxy(proxy)
        .tls_config(tls(settings)?)
        .user_agent(USER_AGENT)
        .accept_encoding("identity")
        .timeout_global(settings.limit)
        .timeout_resolve(step_limit)
        .timeout_connect(step_limit)
        .timeout_send_request(step_limit)
        .timeout_send_body(settings.body_limit)
        .timeout_recv_response(step_limit)
        .timeout_recv_body(settings.body_limit)
        .timeout_per_read(step_limit)
        .timeout_per_write(step_limit);
    Ok(config.build().new_agent())
}

fn tls(settings: Settings<'_>) -> Result<TlsConfig, AgentError> {
    let mut tls = TlsConfig::builder();
    if let Some(path) = settings.ca_file {
        let authorities = certificates(path).map_err(AgentError::CaFile)?;
        tls = tls.root_certs(RootCerts::Specific(Arc::new(authorities)));
    }
    if let Some((certificate, key)) = settings.identity {
        let chain = certificates(certificate).map_err(AgentError::Certificate)?;
        let key = private_key(key).map_err(AgentError::Key)?;
        tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
    }
    Ok(tls.build())
}

/// Whether a name did not resolve; the standard library has no `ErrorKind` for that.
pub(crate) fn is_unknown_host(error: &io::Error) -> bool {
    error.to_string().starts_with("failed to lookup address information")
}
