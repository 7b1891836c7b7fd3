//! Values that refer to no file: names, hosts, web and mail addresses.

use std::net::Ipv6Addr;

use lettre::message::Mailbox;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use url::Url;

use super::json::Value;
use super::kind::Kind;
use super::mistakes::{Refusal, quote, refuse, wrong_type};
use super::paths::BASE_NAME;
use super::secret::{resolve, secret_text};
use crate::rules::address::{is_loopback, redact_address};
use crate::rules::dump_pattern::DumpPattern;

/// The limit of the DNS (RFC 1035, section 2.3.4).
const MAX_HOST_CHARS: usize = 253;

/// Reports have a column for it.
const MAX_JOB_NAME: usize = 64;

/// The hosts in addresses of this machine.
const LOOPBACK: &str = r"(?:[Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt]|127(?:\.[0-9]{1,3}){1,3}|\[::1\])";
const HTTPS: &str = "[Hh][Tt][Tt][Pp][Ss]://";
const HTTP: &str = "[Hh][Tt][Tt][Pp]://";
/// The host of an address, in brackets if it is an IPv6 address.
const ADDRESS_HOST: &str = r"(?:\[[0-9A-Fa-f:.]+\]|[^\s\p{Cc}/?#@:\[\]\\]+)";
/// A user and a password before the host of an address.
const USER: &str = r"(?:[^\s\p{Cc}/?#]*@)?";
/// A port from 1 to 65535, or none after the colon.
const PORT: &str =
    "(?::(?:0*(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?)?";
const PATH_AND_QUERY: &str = r"(?:[/?#][^\s\p{Cc}]*)?";

/// The pattern of the hosts that [`is_loopback`] accepts.
pub(super) fn loopback_pattern() -> String {
    format!("^(?:{LOOPBACK}|::1)$")
}

pub(super) fn line() -> Kind<String> {
    Kind::text("one line", r"^\P{Cc}*$", on_one_line)
}

/// A line that is not empty.
pub(super) fn name() -> Kind<String> {
    Kind::text("name", r"^\P{Cc}+$", read_name)
}

/// A name of at most [`MAX_JOB_NAME`] characters.
pub(super) fn job_name() -> Kind<String> {
    Kind::text("name", format!(r"^\P{{Cc}}{{1,{MAX_JOB_NAME}}}$"), |text| match text.chars().count() {
        ..=MAX_JOB_NAME => read_name(text),
        count => refuse(format!("has {count} characters"), format!("write at most {MAX_JOB_NAME}")),
    })
}

/// A name without a colon: HTTP's basic authentication ends the name at the first one (RFC 7617, section 2).
pub(super) fn basic_username() -> Kind<String> {
    Kind::text("name without a colon", r"^[^:\p{Cc}]+$", |text| match text.contains(':') {
        true => refuse("contains a colon, which basic authentication cannot send", "write a name without one"),
        false => read_name(text),
    })
}

/// A folder on a server.
pub(super) fn remote_path() -> Kind<String> {
    Kind::text("path on the server", r"^[^\u0000]+$", |text| match text {
        "" => refuse("is empty", "write a folder, or \".\" for the login folder"),
        _ if text.contains('\0') => refuse("contains a NUL character", "remove it"),
        _ => Ok(text.to_owned()),
    })
}

/// The pattern of a file's path in the ZIP.
pub(super) fn dump_path() -> Kind<DumpPattern> {
    Kind::text("path in the ZIP", format!(r"^(?:[^\u0000]*/)?{BASE_NAME}$"), |text| {
        let problem = match text.rsplit('/').next().unwrap_or(text) {
            _ if text.is_empty() => "is empty",
            _ if text.contains('\0') => "contains a NUL character",
            "" => "is a folder",
            "." | ".." => "does not name a file",
            _ => {
                return DumpPattern::new(text).ok_or_else(|| {
                    let fix = "write strftime fields such as %Y, %m and %d, and %% for a percent sign";
                    Refusal::new("has a % that begins no date field", fix)
                });
            }
        };
        refuse(problem, "write the path of one file in the ZIP, such as \"dump.sql\"")
    })
}

/// The ZIP's address, or a secret with it. No message repeats its query, or its user and password.
pub(super) fn zip_address() -> Kind<Url> {
    let pattern = format!("^(?:{HTTPS}{ADDRESS_HOST}|{HTTP}{LOOPBACK}){PORT}{PATH_AND_QUERY}$");
    let schema = json!({"$ref": "#/$defs/Secret", "title": "https address or secret", "pattern": pattern});
    let mut kind = Kind::new(schema, |value, context| match value {
        Value::Text(text) => read_zip_address(text).map_err(|refusal| refusal.about(quote(&redact_address(text)))),
        Value::Object(_) => read_zip_address(resolve(value, context)?.expose_secret())
            .map_err(|refusal| refusal.about("the address given")),
        other => Err(wrong_type("a string", other, "write it in quotes")),
    });
    kind.holds_secret = |value| value.text().is_some_and(|text| text.contains('?'));
    kind
}

fn read_zip_address(text: &str) -> Result<Url, Refusal> {
    let mut url = protected_address(text)?;
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("contains a user or password", "write them as source.username and source.password");
    }
    // A fragment is never sent (RFC 9110, section 4.2.5).
    url.set_fragment(None);
    Ok(url)
}

/// A secret `https` address, or `http` address of this machine.
pub(super) fn secret_address() -> Kind<SecretString> {
    let host = format!("(?:{HTTPS}{USER}{ADDRESS_HOST}|{HTTP}{USER}{LOOPBACK})");
    secret_text("secret https address", &format!("^{host}{PORT}{PATH_AND_QUERY}$"), |text| {
        protected_address(text).map(drop).map_err(|refusal| refusal.about("the address given"))
    })
}

/// The secret address of an HTTP proxy: no path, no query.
pub(super) fn proxy() -> Kind<SecretString> {
    let mut kind = secret_text(
        "secret http or https address",
        &format!("^(?:{HTTPS}|{HTTP}){USER}{ADDRESS_HOST}{PORT}(?:/[./]*)?$"),
        |text| {
            let refuse_with = |problem: &str| refuse(problem, "write http://host:port or https://host:port");
            if has_white_space(text) {
                return refuse_with("contains white space");
            }
            match Url::parse(text) {
                Err(error) => refuse_with(&format!("is not an address ({error})")),
                Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                    refuse_with("is not the address of an HTTP proxy")
                }
                Ok(url) if url.port() == Some(0) => refuse_with("has port 0"),
                Ok(url) if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() => {
                    refuse_with("has a path, a query or a fragment")
                }
                Ok(_) => Ok(()),
            }
        },
    );
    kind.holds_secret = |value| value.text().is_some_and(|text| text.contains('@'));
    kind
}

/// The public address of a picture, which the readers' programs fetch.
pub(super) fn picture_address() -> Kind<String> {
    let pattern = format!(r"^(?:{HTTPS}|{HTTP})[^\s\p{{Cc}}]+$");
    Kind::text("web address", pattern, |text| match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "https" | "http") && !has_white_space(text) => Ok(text.to_owned()),
        _ => refuse("is not a web address", "write https://…"),
    })
    .with_keyword("format", "uri")
}

/// A server's name or address. Removes the brackets of an IPv6 address.
pub(super) fn host() -> Kind<String> {
    let name = r"[\p{Alphabetic}\p{N}_][\p{Alphabetic}\p{N}._\-]*";
    let ipv6 = r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:(?:\.[0-9]{1,3}){3})?";
    Kind::text("name or address", format!(r"^(?:{name}|{ipv6}|\[{ipv6}\])$"), |text| {
        let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<Ipv6Addr>() {
            return Ok(address.to_string());
        }
        // A name is written to known_hosts, where "*", "?", "!" and "," make patterns.
        let is_plain = |character: char| character.is_alphanumeric() || matches!(character, '.' | '-' | '_');
        match text {
            "" => refuse("is empty", "write the server's name or address"),
            _ if text.contains('/') => refuse("is not a host", "write the name alone, without a scheme or path"),
            _ if text.contains('@') => refuse("contains a user", "write the name alone; the user is the key username"),
            _ if text.contains('%') => refuse("contains a zone", "write the address without %…"),
            _ if text.contains([':', '[', ']']) => {
                refuse("is not a host", "write the name alone; the port is the key port")
            }
            _ if !text.chars().all(is_plain) || text.starts_with(['-', '.']) => {
                refuse("is not a host", "write letters, digits, dots and hyphens")
            }
            _ if text.len() > MAX_HOST_CHARS => refuse("is too long", "write a name of at most 253 characters"),
            _ => Ok(text.to_owned()),
        }
    })
    .with_keyword("maxLength", MAX_HOST_CHARS)
}

/// A mail address, with or without a name before it.
pub(super) fn mailbox() -> Kind<Mailbox> {
    let address = r"[^\s<>,@]+@[^\s<>,@]+";
    let pattern = format!(r#"^(?:\s*{address}\s*|(?:"[^"\p{{Cc}}]*"|[^<>,@"\p{{Cc}}])*<\s*{address}\s*>\s*)$"#);
    Kind::text("mail address", pattern, |text| {
        let mailbox = on_one_line(text)?.parse::<Mailbox>().ok().filter(|mailbox| {
            // The parser stops after the first address and ignores the rest.
            let end = text.trim_end().trim_end_matches('>').trim_end();
            end.ends_with(AsRef::<str>::as_ref(&mailbox.email))
        });
        mailbox.ok_or_else(|| {
            let fix = "write one address, such as admin@example.com or Admin <admin@example.com>";
            Refusal::new("is not a mail address", fix)
        })
    })
}

fn on_one_line(text: &str) -> Result<String, Refusal> {
    match text.chars().any(char::is_control) {
        true => refuse("contains a control character", "write it on one line"),
        false => Ok(text.to_owned()),
    }
}

fn read_name(text: &str) -> Result<String, Refusal> {
    if text.is_empty() { refuse("is empty", "write a name") } else { on_one_line(text) }
}

/// An `https` address, or an `http` address of this machine.
fn protected_address(text: &str) -> Result<Url, Refusal> {
    if has_white_space(text) {
        return refuse("contains white space", "remove it");
    }
    match Url::parse(text) {
        Err(error) => refuse(format!("is not an address ({error})"), "write https://…"),
        Ok(url) if url.scheme() == "http" && !url.host_str().is_some_and(is_loopback) => {
            refuse("is not protected by TLS", "write https://… (http is only for this machine's own addresses)")
        }
        Ok(url) if !matches!(url.scheme(), "http" | "https") => refuse("is not an https address", "write https://…"),
        Ok(url) if url.port() == Some(0) => refuse("has port 0", "write a port from 1 to 65535"),
        Ok(url) => Ok(url),
    }
}

/// `Url` silently drops white space, such as the line break at the end of a file.
fn has_white_space(text: &str) -> bool {
    text.chars().any(|character| character.is_whitespace() || character.is_control())
}
