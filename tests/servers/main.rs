//! Checks with independent clients that the embedded servers behave like real ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod mail;
mod proxy;
mod sftp;
mod web;
mod webhook;
mod zips;

use std::fs;
use std::time::Duration;

use tempfile::TempDir;
use testkit::servers::Authority;
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

const CONTENT: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

fn folder_with_file() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), CONTENT).unwrap();
    folder
}

fn agent(tls: impl FnOnce(ureq::tls::TlsConfigBuilder) -> ureq::tls::TlsConfigBuilder) -> Agent {
    let root = ureq::tls::Certificate::from_pem(Authority::shared().pem().as_bytes()).unwrap();
    let tls = tls(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[root])));
    Agent::config_builder()
        .tls_config(tls.build())
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(5)))
        .build()
        .into()
}

fn client() -> Agent {
    agent(|tls| tls)
}

fn get(url: &str, headers: &[(&str, &str)]) -> Result<Response<Body>, ureq::Error> {
    headers.iter().fold(client().get(url), |request, &(name, value)| request.header(name, value)).call()
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

fn text(mut response: Response<Body>) -> String {
    response.body_mut().read_to_string().unwrap()
}
