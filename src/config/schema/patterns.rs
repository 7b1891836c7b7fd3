//! The forms of texts, as regular expressions of JSON Schema (ECMA-262 with its flag `u`). They are no stricter than the
//! walk on what anybody writes; what they let pass the walk still judges.

/// A port from 1 to 65535, or none after the colon.
const PORT: &str = "(?:0*(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?";
/// The host of an address, in brackets where it is an IPv6 address.
const ADDRESS_HOST: &str = r"(?:\[[0-9A-Fa-f:.]+\]|[^\s\p{Cc}/?#@:\[\]\\]+)";
/// Hosts that are this machine.
const LOOPBACK: &str = r"(?:[Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt]|127(?:\.[0-9]{1,3}){1,3}|\[::1\])";
const HTTPS: &str = "[Hh][Tt][Tt][Pp][Ss]://";
const HTTP: &str = "[Hh][Tt][Tt][Pp]://";
/// A user, and a password, before the host of an address.
const USER: &str = r"(?:[^\s\p{Cc}/?#]*@)?";
/// What follows the host and port of an address.
const REST: &str = r"(?:[/?#][^\s\p{Cc}]*)?";
/// A path does not begin with the home of another user.
const NO_OTHER_HOME: &str = "(?!~[^/])";
/// The last part of a path to a file: neither empty nor `.` nor `..`.
const BASE_NAME: &str = r"(?:[^./\u0000]|\.[^./\u0000]|\.\.[^/\u0000])[^/\u0000]*";

/// 32 bytes in base64 without padding: the last character has two bits that are 0.
pub(super) const FINGERPRINT: &str = "^SHA256:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]$";

/// Any text but an empty one.
pub(super) fn not_empty() -> String {
    r"^[^\u0000]+$".to_owned()
}

/// A text on one line.
pub(super) fn line() -> String {
    r"^\P{Cc}*$".to_owned()
}

/// A name: a line that is not empty.
pub(super) fn name() -> String {
    r"^\P{Cc}+$".to_owned()
}

/// A name for HTTP's basic authentication.
pub(super) fn basic_username() -> String {
    r"^[^:\p{Cc}]+$".to_owned()
}

/// The ZIP's address: without a user.
pub(super) fn zip_address() -> String {
    format!("^(?:{HTTPS}{ADDRESS_HOST}|{HTTP}{LOOPBACK})(?::{PORT})?{REST}$")
}

/// An address that TLS protects, or one of this machine.
pub(super) fn protected_address() -> String {
    format!("^(?:{HTTPS}{USER}{ADDRESS_HOST}|{HTTP}{USER}{LOOPBACK})(?::{PORT})?{REST}$")
}

/// The address of a proxy: without a path.
pub(super) fn proxy() -> String {
    format!("^(?:{HTTPS}|{HTTP}){USER}{ADDRESS_HOST}(?::{PORT})?(?:/[./]*)?$")
}

/// The address of a picture.
pub(super) fn picture_address() -> String {
    format!("^(?:{HTTPS}|{HTTP})[^\\s\\p{{Cc}}]+$")
}

/// A path in the ZIP that names a file.
pub(super) fn dump() -> String {
    format!(r"^(?:[^\u0000]*/)?{BASE_NAME}$")
}

/// A path to a file; a relative one starts at the configuration's folder.
pub(super) fn file() -> String {
    format!(r"^{NO_OTHER_HOME}(?!~$)(?:[^\u0000]*/)?{BASE_NAME}$")
}

/// A path to a folder; a relative one starts at the configuration's folder.
pub(super) fn folder() -> String {
    format!(r"^{NO_OTHER_HOME}[^\u0000]+$")
}

/// A path to a file that node_exporter reads.
pub(super) fn textfile() -> String {
    format!(r"^{NO_OTHER_HOME}[^\u0000]*[^/\u0000]\.prom$")
}

/// A path as the server sees it.
pub(super) fn remote_path() -> String {
    not_empty()
}

/// A strftime pattern of date parts, one of which is the year; the walk tries whether it gives every date back.
pub(super) fn archive_name() -> String {
    let part = "%[-_0]?[YCyqmbBhdeaAwuUWGgVjFv%]";
    format!(r"^(?!\.)(?!.*\.\.)(?=.*%[-_0]?[YyGgFv])(?:[^%/\p{{Cc}}]|{part})+$")
}

/// What a name can begin with.
pub(super) fn prefix() -> String {
    r"^[^/\p{Cc}]*$".to_owned()
}

/// A server's name or address.
pub(super) fn host() -> String {
    let name = r"[\p{Alphabetic}\p{N}_][\p{Alphabetic}\p{N}._\-]*";
    let ipv6 = "[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:(?:\\.[0-9]{1,3}){3})?";
    format!(r"^(?:{name}|{ipv6}|\[{ipv6}\])$")
}

/// The names and addresses of this machine, as a host.
pub(super) fn loopback_host() -> String {
    format!("^(?:{LOOPBACK}|::1)$")
}

/// A mail address, with or without a name before it.
pub(super) fn mailbox() -> String {
    let address = r"[^\s<>,@]+@[^\s<>,@]+";
    format!(r#"^(?:\s*{address}\s*|(?:"[^"\p{{Cc}}]*"|[^<>,@"\p{{Cc}}])*<\s*{address}\s*>\s*)$"#)
}
