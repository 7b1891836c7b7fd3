//! Texts without a file behind them: names, hosts, web and mail addresses.

use std::net::Ipv6Addr;

use lettre::message::Mailbox;
use secrecy::SecretString;
use url::Url;

use super::kind::Kind;
use super::mistakes::{Refusal, quoted, refuse};
use super::paths::BASE_NAME;
use super::secret::secret_text;
use crate::rules::address::{is_loopback, without_secrets};

/// Longest name in the DNS, in characters (RFC 1035, section 2.3.4).
const LONGEST_HOST: usize = 253;

/// The names and addresses of this machine in an address.
const LOOPBACK: &str = r"(?:[Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt]|127(?:\.[0-9]{1,3}){1,3}|\[::1\])";
const HTTPS: &str = "[Hh][Tt][Tt][Pp][Ss]://";
const HTTP: &str = "[Hh][Tt][Tt][Pp]://";
/// The host of an address, in brackets where it is an IPv6 address.
const ADDRESS_HOST: &str = r"(?:\[[0-9A-Fa-f:.]+\]|[^\s\p{Cc}/?#@:\[\]\\]+)";
/// A user, and a password, before the host of an address.
const USER: &str = r"(?:[^\s\p{Cc}/?#]*@)?";
/// A port from 1 to 65535, or none after the colon.
const PORT: &str =
    "(?::(?:0*(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?)?";
const PATH_AND_QUERY: &str = r"(?:[/?#][^\s\p{Cc}]*)?";

/// The pattern of the hosts that [`is_loopback`] accepts.
pub(super) fn loopback_pattern() -> String {
    format!("^(?:{LOOPBACK}|::1)$")
}

/// A text on one line.
pub(super) fn line() -> Kind<String> {
    Kind::text("one line", r"^\P{Cc}*$", |text, _| on_one_line(text))
}

/// A line that is not empty.
pub(super) fn name() -> Kind<String> {
    Kind::text("name", r"^\P{Cc}+$", |text, _| read_name(text))
}

/// A name without a colon: HTTP's basic authentication ends the name at the first one (RFC 7617, section 2).
pub(super) fn basic_username() -> Kind<String> {
    Kind::text("name without a colon", r"^[^:\p{Cc}]+$", |text, _| {
        if text.contains(':') {
            let problem = format!("{} holds a colon, which basic authentication cannot send", quoted(text));
            return refuse(problem, "write a name without");
        }
        read_name(text)
    })
}

/// A folder as a server sees it.
pub(super) fn remote_path() -> Kind<String> {
    Kind::text("path on the server", r"^[^\u0000]+$", |text, _| {
        if text.is_empty() {
            return refuse("is empty", "write a folder, or \".\" for the login folder");
        }
        if text.contains('\0') {
            return refuse(format!("{} holds a NUL character", quoted(text)), "write it without");
        }
        Ok(text.to_owned())
    })
}

/// The path of a file in the ZIP.
pub(super) fn dump_path() -> Kind<String> {
    Kind::text("path in the ZIP", format!(r"^(?:[^\u0000]*/)?{BASE_NAME}$"), |text, _| {
        let problem = match text.rsplit('/').next().unwrap_or(text) {
            _ if text.is_empty() => "is empty",
            _ if text.contains('\0') => "holds a NUL character",
            "" => "is a folder",
            "." | ".." => "does not name a file",
            _ => return Ok(text.to_owned()),
        };
        let problem = format!("{} {problem}", quoted(text));
        refuse(problem, "write the path of one file in the ZIP, such as \"dump.sql\"")
    })
}

/// The ZIP's address. No message repeats its query or what is before an `@`.
pub(super) fn zip_address() -> Kind<Url> {
    let pattern = format!("^(?:{HTTPS}{ADDRESS_HOST}|{HTTP}{LOOPBACK}){PORT}{PATH_AND_QUERY}$");
    Kind::text("https address", pattern, |text, _| {
        let shown = quoted(&without_secrets(text));
        let mut url = protected_address(text, &shown)?;
        if !url.username().is_empty() || url.password().is_some() {
            let problem = format!("{shown} holds a user or password");
            return refuse(problem, "write them as source.username and source.password");
        }
        // A fragment is never sent (RFC 9110, section 4.2.5).
        url.set_fragment(None);
        Ok(url)
    })
    .also("format", "uri")
}

/// A secret `https` address, or a secret `http` one of this machine.
pub(super) fn secret_address() -> Kind<SecretString> {
    let host = format!("(?:{HTTPS}{USER}{ADDRESS_HOST}|{HTTP}{USER}{LOOPBACK})");
    let mut kind = secret_text(&format!("^{host}{PORT}{PATH_AND_QUERY}$"), |text| {
        protected_address(text, "the address given").map(drop)
    });
    kind.form.words = "secret https address".to_owned();
    kind
}

/// The secret address of an HTTP proxy: no path, no query.
pub(super) fn proxy() -> Kind<SecretString> {
    let mut kind = secret_text(&format!("^(?:{HTTPS}|{HTTP}){USER}{ADDRESS_HOST}{PORT}(?:/[./]*)?$"), |text| {
        let refused = |problem: &str| refuse(problem, "write http://host:port or https://host:port");
        if has_white_space(text) {
            return refused("holds white space");
        }
        match Url::parse(text) {
            Err(error) => refused(&format!("is not an address ({error})")),
            Ok(url) if !matches!(url.scheme(), "http" | "https") => refused("is not the address of an HTTP proxy"),
            Ok(url) if url.port() == Some(0) => refused("has port 0"),
            Ok(url) if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() => {
                refused("has a path, a query or a fragment")
            }
            Ok(_) => Ok(()),
        }
    });
    kind.form.words = "secret http or https address".to_owned();
    kind
}

/// The address of a picture, which is public: the readers' programs fetch it.
pub(super) fn picture_address() -> Kind<String> {
    let pattern = format!(r"^(?:{HTTPS}|{HTTP})[^\s\p{{Cc}}]+$");
    Kind::text("web address", pattern, |text, _| match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "https" | "http") && !has_white_space(text) => Ok(text.to_owned()),
        _ => refuse(format!("{} is not a web address", quoted(text)), "write https://…"),
    })
    .also("format", "uri")
}

/// A server's name or address. An IPv6 address may be in brackets and is returned without.
pub(super) fn host() -> Kind<String> {
    let name = r"[\p{Alphabetic}\p{N}_][\p{Alphabetic}\p{N}._\-]*";
    let ipv6 = r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:(?:\.[0-9]{1,3}){3})?";
    Kind::text("name or address", format!(r"^(?:{name}|{ipv6}|\[{ipv6}\])$"), |text, _| {
        let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<Ipv6Addr>() {
            return Ok(address.to_string());
        }
        // A name goes into known_hosts, where "*", "?", "!" and "," make patterns.
        let is_plain = |character: char| character.is_alphanumeric() || matches!(character, '.' | '-' | '_');
        let (problem, fix) = match text {
            "" => return refuse("is empty", "write the server's name or address"),
            _ if text.contains('/') => ("is not a host", "write the name alone, without a scheme or path"),
            _ if text.contains('@') => ("holds a user", "write the name alone; the user is the key username"),
            _ if text.contains('%') => ("holds a zone", "write the address without %…"),
            _ if text.contains([':', '[', ']']) => ("is not a host", "write the name alone; the port is the key port"),
            _ if !text.chars().all(is_plain) || text.starts_with(['-', '.']) => {
                ("is not a host", "write letters, digits, dots and hyphens")
            }
            _ if text.len() > LONGEST_HOST => ("is too long", "write a name of at most 253 characters"),
            _ => return Ok(text.to_owned()),
        };
        refuse(format!("{} {problem}", quoted(text)), fix)
    })
    .also("maxLength", LONGEST_HOST)
}

/// A mail address, with or without a name before it.
pub(super) fn mailbox() -> Kind<Mailbox> {
    let address = r"[^\s<>,@]+@[^\s<>,@]+";
    let pattern = format!(r#"^(?:\s*{address}\s*|(?:"[^"\p{{Cc}}]*"|[^<>,@"\p{{Cc}}])*<\s*{address}\s*>\s*)$"#);
    Kind::text("mail address", pattern, |text, _| {
        let mailbox = on_one_line(text)?.parse::<Mailbox>().ok().filter(|mailbox| {
            // The parser stops after the first address and ignores the rest.
            let end = text.trim_end().trim_end_matches('>').trim_end();
            end.ends_with(AsRef::<str>::as_ref(&mailbox.email))
        });
        mailbox.ok_or_else(|| {
            let fix = "write one address, such as admin@example.com or Admin <admin@example.com>";
            Refusal::new(format!("{} is not a mail address", quoted(text)), fix)
        })
    })
}

fn on_one_line(text: &str) -> Result<String, Refusal> {
    if text.chars().any(char::is_control) {
        return refuse(format!("{} holds a control character", quoted(text)), "write it on one line");
    }
    Ok(text.to_owned())
}

fn read_name(text: &str) -> Result<String, Refusal> {
    if text.is_empty() { refuse("is empty", "write a name") } else { on_one_line(text) }
}

/// An `https` address, or an `http` one of this machine; a message calls it `shown`.
fn protected_address(text: &str, shown: &str) -> Result<Url, Refusal> {
    let refused = |problem: &str, fix: &str| refuse(format!("{shown} {problem}"), fix);
    if has_white_space(text) {
        return refused("holds white space", "write it without");
    }
    match Url::parse(text) {
        Err(error) => refused(&format!("is not an address ({error})"), "write https://…"),
        Ok(url) if url.scheme() == "http" && !url.host_str().is_some_and(is_loopback) => {
            refused("is not protected by TLS", "write https://… (http is only for this machine's own addresses)")
        }
        Ok(url) if !matches!(url.scheme(), "http" | "https") => refused("is not an https address", "write https://…"),
        Ok(url) if url.port() == Some(0) => refused("has port 0", "write a port from 1 to 65535"),
        Ok(url) => Ok(url),
    }
}

/// Whether `text` holds white space, which `Url` silently drops: the line break at the end of a file.
fn has_white_space(text: &str) -> bool {
    text.chars().any(|character| character.is_whitespace() || character.is_control())
}
