//! The section `source`: where the ZIP comes from, and which file in it is the dump.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use url::Url;

use super::credentials::{self, Credentials};
use crate::config::kind::{Kind, whole};
use crate::config::paths::{certificates, tls_key};
use crate::config::section::Section;
use crate::config::values::{basic_username, dump_path, proxy, zip_address};
use crate::config::zone::iana;
use crate::rules::origin::Mark;

#[derive(Clone)]
pub struct Source {
    /// Its query is a secret: show it with [`public_url`](Source::public_url).
    pub url: Url,
    pub dump: String,
    /// `None`: the job's zone.
    pub timezone: Option<Tz>,
    pub max_age_days: u32,
    pub ca_file: Option<PathBuf>,
    pub client_identity: Option<ClientIdentity>,
    pub credentials: Option<Credentials>,
    pub proxy: Option<SecretString>,
    pub timeout: Duration,
    pub max_dump_bytes: u64,
}

/// A client certificate for TLS, as PEM files.
#[derive(Debug, Clone)]
pub struct ClientIdentity {
    /// The chain, the client's own certificate first.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

pub(in crate::config) fn read(keys: &mut Section<'_, '_>) -> Option<Source> {
    let url = keys.must(
        "url",
        zip_address().example("https://www.example.com/backup/dump.zip"),
        "The ZIP's address: https://…, or plain http for this machine's own addresses. It holds no user or password. Its \
         query is kept secret.",
    );
    keys.set_in_clear("url", url.as_ref().is_some_and(|url| url.query().is_some()));
    let dump = keys.must("dump", dump_path().example("dump.sql"), "The dump's path in the ZIP.");
    let timezone = keys.optional(
        "timezone",
        timezone(),
        "The IANA zone in which the ZIP's local times were written; null is the job's zone. It matters only for ZIPs whose \
         entries have no extended timestamp.",
    );
    let max_age_days = keys.preset(
        "max_age_days",
        whole(0..=36_500).or(0),
        "How many days before today the dump may have been modified and still count as fresh.",
    );
    let ca_file = keys.optional("ca_file", certificates(), CA_FILE);
    let certificate = keys.optional(
        "client_certificate",
        certificates(),
        "PEM file with the client's certificate chain. It needs client_key.",
    );
    let key = keys.optional(
        "client_key",
        tls_key(),
        "PEM file with the private key of the client's certificate, without a passphrase.",
    );
    keys.both_or_none("client_certificate", "client_key");
    let credentials = credentials::read(
        keys,
        (basic_username().example("backup"), "The name for HTTP basic authentication. It needs password."),
        ("secrets/source-password", "The password for HTTP basic authentication. It needs username."),
    );
    let proxy = keys.optional(
        "proxy",
        proxy(),
        "The HTTP proxy to use: http://… or https://…, with its user and password where it has them. The environment's \
         proxies are not used.",
    );
    if proxy.as_ref().is_some_and(|proxy| !proxy.expose_secret().contains('@')) {
        keys.set_in_clear("proxy", false);
    }
    let timeout = keys.preset(
        "timeout_seconds",
        whole(1..=3_600).or(30),
        "How many seconds the connection, the first byte, and a body slower than 1 KiB/s may take.",
    );
    let max_dump_bytes =
        keys.preset("max_dump_bytes", whole(1..=u64::MAX).or(1 << 40), "The most bytes that the dump may have.");
    Some(Source {
        url: url?,
        dump: dump?,
        timezone,
        max_age_days,
        ca_file,
        client_identity: certificate.zip(key).map(|(certificate, key)| ClientIdentity { certificate, key }),
        credentials,
        proxy,
        timeout: Duration::from_secs(timeout),
        max_dump_bytes,
    })
}

/// What every key `ca_file` means.
pub(super) const CA_FILE: &str =
    "PEM file with the only certificate authorities to trust; null trusts the public web's.";

fn timezone() -> Kind<Tz> {
    let names: Vec<&str> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
    let mut kind = Kind::text("IANA time zone", "", |text, _| iana(text));
    kind.form.schema = json!({"type": "string", "enum": names});
    kind
}

impl Source {
    /// The mark that this job's archives bear.
    pub fn mark(&self) -> Mark {
        Mark::new(&self.url, &self.dump)
    }

    /// The ZIP's address without its query.
    pub fn public_url(&self) -> String {
        public_url(&self.url)
    }
}

/// `url` without its query.
pub fn public_url(url: &Url) -> String {
    let mut url = url.clone();
    if url.query().is_some() {
        url.set_query(Some("…"));
    }
    url.set_fragment(None);
    // `Url` percent-encodes the ellipsis.
    url.as_str().replace("%E2%80%A6", "…")
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("url", &self.public_url()).field("dump", &self.dump).finish_non_exhaustive()
    }
}
