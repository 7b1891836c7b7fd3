//! The section `source`: where the ZIP comes from, and which file in it is the dump.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use secrecy::SecretString;
use serde_json::json;
use url::Url;

use crate::config::headers::headers;
use crate::config::kind::{Kind, whole};
use crate::config::paths::{certificates, tls_key};
use crate::config::secret::secret;
use crate::config::section::{Section, keys};
use crate::config::values::{basic_username, dump_path, proxy, zip_address};
use crate::config::zone::iana;
use crate::rules::address::public_url;
use crate::rules::dump_pattern::DumpPattern;
use crate::rules::origin::Mark;

#[derive(Clone)]
pub struct Source {
    /// Its query is a secret: print it with [`public_url`](Source::public_url).
    pub url: Url,
    pub dump: DumpPattern,
    /// `None` is the job's zone.
    pub timezone: Option<Tz>,
    pub max_age_days: u32,
    pub ca_file: Option<PathBuf>,
    pub client_identity: Option<ClientIdentity>,
    pub credentials: Option<Credentials>,
    /// Extra headers of each request.
    pub headers: Vec<(String, SecretString)>,
    pub proxy: Option<SecretString>,
    pub timeout: Duration,
    /// For a late dump.
    pub wait: Duration,
    pub max_dump_bytes: u64,
}

#[derive(Debug, Clone)]
pub struct Credentials {
    pub username: String,
    pub password: SecretString,
}

/// A client certificate for TLS, as PEM files.
#[derive(Debug, Clone)]
pub struct ClientIdentity {
    /// The chain, the client's own certificate first.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

pub(in crate::config) fn read(keys: &mut Section<'_, '_>) -> Option<Source> {
    keys! { keys:
        /// The ZIP's address: https://…, or plain http for this machine's own addresses. It contains no user or password. Its
        /// query is kept secret. A signed address that is renewed can be read from a file or a variable.
        url = required(zip_address().example("https://www.example.com/backup/dump.zip"));
        /// The dump's path in the ZIP. It may contain strftime fields of the run date, such as %Y-%m-%d, and * for any characters
        /// but a slash; then exactly one file must match. %% is a percent sign.
        dump = required(dump_path().example("dump.sql"));
        /// The IANA time zone of the ZIP's local times; null is the job's zone. It matters only for entries without an extended
        /// timestamp.
        timezone = optional(timezone());
        /// The maximum age of a fresh dump, in days; 0 requires a dump that was modified today.
        max_age_days = with_default(whole(0..=36_500), 0);
        /// PEM file with the only certificate authorities to trust; null trusts those of the public web.
        ca_file = optional(certificates());
        /// PEM file with the client's certificate chain. It requires client_key.
        client_certificate = optional(certificates());
        /// PEM file with the private key of the client's certificate, without a passphrase.
        client_key = optional(tls_key());
        /// The name for HTTP basic authentication. It requires password.
        username = optional(basic_username().example("backup"));
        /// The password for HTTP basic authentication. It requires username.
        password = optional(secret().example_file("secrets/source-password"));
        /// Extra request headers, such as a token: names with their values, which are secrets. They are sent only to the scheme,
        /// host and port of url.
        headers = optional(headers());
        /// The HTTP proxy to use: http://… or https://…, with a user and password if it needs them. The proxies of the
        /// environment are not used.
        proxy = optional(proxy());
        /// The time limit for connecting, for the first byte, and for a body slower than 1 KiB/s, in seconds.
        timeout_seconds = with_default(whole(1..=3_600), 30);
        /// How long to wait for a late dump, in minutes, at most until midnight: while the dump is stale or the ZIP is missing, the
        /// run checks again each minute. run.deadline_minutes also counts the wait, and must be longer.
        wait_minutes = with_default(whole(0..=1_439), 0);
        /// The maximum size of the dump, in bytes.
        max_dump_bytes = with_default(whole(1..=u64::MAX), 1_u64 << 40);
    }
    keys.both_or_neither("client_certificate", "client_key");
    keys.both_or_neither("username", "password");
    let headers = headers.unwrap_or_default();
    if username.is_some() && headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Authorization")) {
        keys.refuse("headers", "sets Authorization, which source.username also sets", "remove one of them");
    }
    Some(Source {
        url: url?,
        dump: dump?,
        timezone,
        max_age_days: max_age_days?,
        ca_file,
        client_identity: client_certificate
            .zip(client_key)
            .map(|(certificate, key)| ClientIdentity { certificate, key }),
        credentials: username.zip(password).map(|(username, password)| Credentials { username, password }),
        headers,
        proxy,
        timeout: Duration::from_secs(timeout_seconds?),
        wait: Duration::from_secs(wait_minutes? * 60),
        max_dump_bytes: max_dump_bytes?,
    })
}

fn timezone() -> Kind<Tz> {
    let names: Vec<&str> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
    let mut kind = Kind::text("", "", iana);
    kind.form.schema = json!({"type": "string", "title": "IANA time zone", "enum": names});
    kind
}

impl Source {
    /// The mark in this job's archives.
    pub fn mark(&self) -> Mark {
        Mark::new(&self.url, self.dump.as_str())
    }

    /// The ZIP's address without its query.
    pub fn public_url(&self) -> String {
        public_url(&self.url)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("url", &self.public_url()).field("dump", &self.dump).finish_non_exhaustive()
    }
}
