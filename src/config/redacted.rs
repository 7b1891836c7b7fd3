//! What of a configuration no report may repeat.

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::sections::source::Credentials;
use super::validated::Config;

/// A value in a query that is shorter is an ordinary word.
const SHORTEST_QUERY_VALUE: usize = 4;

/// A piece of a path that is shorter is an ordinary word. healthchecks.io's ping keys have 22 characters, its ids 36.
const SHORTEST_KEY: usize = 16;

impl Config {
    /// Every secret that the configuration holds, for the redaction of reports: as it stands there, its parts that
    /// give access by themselves, and as the protocols compose it before they encode it.
    pub fn secrets(&self) -> Vec<SecretString> {
        let mut secrets = Vec::new();
        add_query(&self.source.url, &mut secrets);
        if let Some(credentials) = &self.source.credentials {
            add_credentials(credentials, &mut secrets);
        }
        if let Some(proxy) = &self.source.proxy {
            add_user_info(proxy, &mut secrets);
        }
        secrets.extend(self.sftp.password.clone());
        secrets.extend(self.sftp.passphrase.clone());
        if let Some(credentials) =
            self.email.iter().flat_map(|email| &email.server).find_map(|s| s.credentials.as_ref())
        {
            add_credentials(credentials, &mut secrets);
        }
        if let Some(mattermost) = &self.mattermost {
            add_webhook(&mattermost.webhook_url, &mut secrets);
        }
        if let Some(monitor) = &self.monitor {
            add_webhook(&monitor.ping_url, &mut secrets);
        }
        secrets
    }
}

/// The password, and both together as HTTP (RFC 7617) and SMTP's AUTH PLAIN (RFC 4616) put them.
fn add_credentials(credentials: &Credentials, secrets: &mut Vec<SecretString>) {
    let (username, password) = (&credentials.username, credentials.password.expose_secret());
    secrets.push(credentials.password.clone());
    secrets.push(format!("{username}:{password}").into());
    secrets.push(format!("\0{username}\0{password}").into());
}

/// The query as a whole, and each value in it, as it is written and as it is meant.
fn add_query(url: &Url, secrets: &mut Vec<SecretString>) {
    let Some(query) = url.query() else { return };
    let is_long_enough = |value: &str| value.chars().count() >= SHORTEST_QUERY_VALUE;
    secrets.push(query.into());
    for pair in query.split('&') {
        // A pair without "=" is a value without a name.
        let value = pair.split_once('=').map_or(pair, |(_, value)| value);
        if is_long_enough(value) {
            secrets.push(value.into());
        }
    }
    for (_, value) in url.query_pairs() {
        if is_long_enough(&value) {
            secrets.push(value.as_ref().into());
        }
    }
}

/// The proxy's user and password, as they are written and as they are meant.
fn add_user_info(proxy: &SecretString, secrets: &mut Vec<SecretString>) {
    let Ok(url) = Url::parse(proxy.expose_secret()) else { return };
    let Some(password) = url.password() else {
        // A lone user name can be a token.
        if !url.username().is_empty() {
            secrets.push(url.username().into());
            secrets.push(decoded(url.username()).into());
        }
        return;
    };
    secrets.push(password.into());
    secrets.push(format!("{}:{password}", url.username()).into());
    let credentials = Credentials { username: decoded(url.username()), password: decoded(password).into() };
    add_credentials(&credentials, secrets);
}

/// The webhook's or the check's address, the id at its end, a key before it, and what a query may hold.
fn add_webhook(webhook: &SecretString, secrets: &mut Vec<SecretString>) {
    secrets.push(webhook.clone());
    let Ok(url) = Url::parse(webhook.expose_secret()) else { return };
    secrets.push(url.as_str().into());
    let mut pieces = url.path().rsplit('/').filter(|piece| !piece.is_empty());
    secrets.extend(pieces.next().map(SecretString::from));
    secrets.extend(pieces.filter(|piece| piece.len() >= SHORTEST_KEY).map(SecretString::from));
    add_query(&url, secrets);
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
