//! Finds the parts of logins and secret addresses that grant access by themselves, in the forms that protocols use.

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

/// A shorter value in a query is an ordinary word.
const MIN_QUERY_VALUE_CHARACTERS: usize = 4;

/// A shorter segment of a path is an ordinary word. healthchecks.io's ping keys have 22 characters, its ids 36.
const MIN_KEY_LENGTH: usize = 16;

/// The password, and the credentials as in HTTP (RFC 7617) and SMTP's AUTH PLAIN (RFC 4616).
pub fn login_secrets(username: &str, password: &SecretString) -> Vec<SecretString> {
    let text = password.expose_secret();
    vec![password.clone(), format!("{username}:{text}").into(), format!("\0{username}\0{text}").into()]
}

/// The whole query and each value in it, encoded and decoded.
pub fn query_secrets(url: &Url) -> Vec<SecretString> {
    let Some(query) = url.query() else { return Vec::new() };
    // A pair without "=" is a value without a name.
    let encoded = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value).to_owned());
    let values = encoded.chain(url.query_pairs().map(|(_, value)| value.into_owned()));
    let long = values.filter(|value| value.chars().count() >= MIN_QUERY_VALUE_CHARACTERS);
    [query.to_owned()].into_iter().chain(long).map(SecretString::from).collect()
}

/// The value, and the token after a scheme such as "Bearer" (RFC 9110 section 11.4).
pub fn header_secrets(value: &SecretString) -> Vec<SecretString> {
    let token = value.expose_secret().split_once(' ').map(|(_, token)| token.trim());
    [value.clone()].into_iter().chain(token.filter(|token| !token.is_empty()).map(SecretString::from)).collect()
}

/// The user name and password in a proxy's address, encoded and decoded.
pub fn proxy_secrets(proxy: &SecretString) -> Vec<SecretString> {
    let Ok(url) = Url::parse(proxy.expose_secret()) else { return Vec::new() };
    match url.password() {
        Some(password) => [
            vec![password.into(), format!("{}:{password}", url.username()).into()],
            login_secrets(&decoded(url.username()), &decoded(password).into()),
        ]
        .concat(),
        None if url.username().is_empty() => Vec::new(),
        // A user name alone can be a token.
        None => vec![url.username().into(), decoded(url.username()).into()],
    }
}

/// The address of a webhook or a monitor's check, the id at its end, long path segments (keys), and the query.
pub fn webhook_secrets(address: &SecretString) -> Vec<SecretString> {
    let Ok(url) = Url::parse(address.expose_secret()) else { return vec![address.clone()] };
    let mut segments = url.path().rsplit('/').filter(|segment| !segment.is_empty());
    let id = segments.next();
    let keys = segments.filter(|segment| segment.len() >= MIN_KEY_LENGTH);
    let keys = id.into_iter().chain(keys).map(SecretString::from);
    [address.clone(), url.as_str().into()].into_iter().chain(keys).chain(query_secrets(&url)).collect()
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
