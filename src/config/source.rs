//! The section `source`.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::config::sections::{ClientIdentity, Credentials, Source};
use crate::config::values;
use crate::config::walk::{Fault, Number, Section, Walk, quoted};
use crate::config::zone::iana;

pub(super) const MAX_AGE_DAYS: Number<u32> = Number::new(0..=36_500, 0);
pub(super) const TIMEOUT_SECONDS: Number<u64> = Number::new(1..=3_600, 30);
pub(super) const MAX_DUMP_BYTES: Number<u64> = Number::new(1..=u64::MAX, 1 << 40);

pub(super) fn read(top: &mut Section<'_>, walk: &mut Walk<'_>) -> Option<Source> {
    let mut section = top.section(walk, "source")?;
    let place = walk.place;
    let url_meaning = "the ZIP's address, such as \"https://www.example.com/dump.zip\"";
    let url = section.required(walk, "url", url_meaning, values::zip_address);
    if url.as_ref().is_some_and(|url| url.query().is_some()) {
        walk.clear.push(section.path("url"));
    }
    let dump = section.required(walk, "dump", "the dump's path in the ZIP, such as \"dump.sql\"", dump_path);
    let timezone = section.optional(walk, "timezone", iana);
    let max_age_days = section.integer(walk, "max_age_days", &MAX_AGE_DAYS);
    let ca_file = section.optional(walk, "ca_file", |text| place.certificates(text));
    let certificate = section.optional(walk, "client_certificate", |text| place.certificates(text));
    let key = section.optional(walk, "client_key", |text| place.tls_key(text));
    section.both_or_none(walk, "client_certificate", "client_key");
    let credentials = credentials(&mut section, walk, basic_username);
    let proxy = proxy(&mut section, walk);
    let timeout = section.integer(walk, "timeout_seconds", &TIMEOUT_SECONDS);
    let max_dump_bytes = section.integer(walk, "max_dump_bytes", &MAX_DUMP_BYTES);
    section.finish(walk);
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

/// The keys `username` and `password` of a section, both or none.
pub(super) fn credentials(
    section: &mut Section<'_>,
    walk: &mut Walk<'_>,
    read_username: impl FnOnce(&str) -> Result<String, Fault>,
) -> Option<Credentials> {
    let username = section.optional(walk, "username", read_username);
    let password = section.secret(walk, "password");
    section.both_or_none(walk, "username", "password");
    username.zip(password).map(|(username, password)| Credentials { username, password })
}

/// HTTP's basic authentication parts name and password at the first colon (RFC 7617, section 2).
fn basic_username(text: &str) -> Result<String, Fault> {
    if text.contains(':') {
        let problem = format!("{} holds a colon, which basic authentication cannot send", quoted(text));
        return Err(Fault::new(problem, "write a name without"));
    }
    values::name(text)
}

pub(super) fn dump_path(text: &str) -> Result<String, Fault> {
    let base_name = text.rsplit('/').next().unwrap_or(text);
    let fault = |problem: &str| {
        let shown = quoted(text);
        Err(Fault::new(format!("{shown} {problem}"), "write the path of one file in the ZIP, such as \"dump.sql\""))
    };
    match base_name {
        _ if text.is_empty() => fault("is empty"),
        _ if text.contains('\0') => fault("holds a NUL character"),
        "" => fault("is a folder"),
        "." | ".." => fault("does not name a file"),
        _ => Ok(text.to_owned()),
    }
}

/// The proxy's address. All of it is treated as secret; what makes a configuration hold a secret in clear is a user
/// or password in it.
fn proxy(section: &mut Section<'_>, walk: &mut Walk<'_>) -> Option<SecretString> {
    let proxy = section.secret(walk, "proxy")?;
    let path = section.path("proxy");
    let url = walk.accept(path.as_str(), proxy_address(proxy.expose_secret()))?;
    if url.username().is_empty() && url.password().is_none() {
        walk.clear.retain(|clear| *clear != path);
    }
    Some(proxy)
}

fn proxy_address(text: &str) -> Result<Url, Fault> {
    const FIX: &str = "write http://host:port or https://host:port";
    if values::has_white_space(text) {
        return Err(Fault::new("holds white space", FIX));
    }
    let url = Url::parse(text).map_err(|error| Fault::new(format!("is not an address ({error})"), FIX))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Fault::new("is not the address of an HTTP proxy", FIX));
    }
    if url.port() == Some(0) {
        return Err(Fault::new("has port 0", FIX));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(Fault::new("has a path, a query or a fragment", FIX));
    }
    Ok(url)
}
