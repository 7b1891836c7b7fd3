//! Single values: web addresses, hosts, mail addresses, names. Pure: text in, value or fault out.

use std::net::Ipv6Addr;

use lettre::message::Mailbox;
use url::Url;

use crate::config::sections::is_loopback;
use crate::config::walk::{Fault, quoted};

/// Longest name in the DNS, in characters (RFC 1035, section 2.3.4).
pub(super) const LONGEST_HOST: usize = 253;

/// A text on one line.
pub(super) fn line(text: &str) -> Result<String, Fault> {
    if text.chars().any(char::is_control) {
        return Err(Fault::new(format!("{} holds a control character", quoted(text)), "write it on one line"));
    }
    Ok(text.to_owned())
}

/// A name of somebody or something: a line that is not empty.
pub(super) fn name(text: &str) -> Result<String, Fault> {
    if text.is_empty() {
        return Err(Fault::new("is empty", "write a name"));
    }
    line(text)
}

/// A path as a server sees it.
pub(super) fn remote_path(text: &str) -> Result<String, Fault> {
    if text.is_empty() {
        return Err(Fault::new("is empty", "write a folder, or \".\" for the login folder"));
    }
    if text.contains('\0') {
        return Err(Fault::new(format!("{} holds a NUL character", quoted(text)), "write it without"));
    }
    Ok(text.to_owned())
}

/// Why an address cannot be used, without the address: its caller knows what of it may be shown.
pub(super) enum AddressFault {
    NotAnAddress(url::ParseError),
    WhiteSpace,
    OtherScheme,
    HttpBeyondLoopback,
    PortZero,
}

/// An `https` address, or an `http` one of this machine.
pub(super) fn protected_address(text: &str) -> Result<Url, AddressFault> {
    if has_white_space(text) {
        return Err(AddressFault::WhiteSpace);
    }
    let url = Url::parse(text).map_err(AddressFault::NotAnAddress)?;
    match url.scheme() {
        "https" => {}
        "http" if url.host_str().is_some_and(is_loopback) => {}
        "http" => return Err(AddressFault::HttpBeyondLoopback),
        _ => return Err(AddressFault::OtherScheme),
    }
    if url.port() == Some(0) {
        return Err(AddressFault::PortZero);
    }
    Ok(url)
}

/// Whether `text` holds what `Url` silently drops and others stumble over: a line break at the end of a file.
pub(super) fn has_white_space(text: &str) -> bool {
    text.chars().any(|character| character.is_whitespace() || character.is_control())
}

impl AddressFault {
    /// The fault as a message, in which `shown` stands for the address.
    pub(super) fn told(self, shown: &str) -> Fault {
        match self {
            AddressFault::NotAnAddress(error) => {
                Fault::new(format!("{shown} is not an address ({error})"), "write https://…")
            }
            AddressFault::WhiteSpace => Fault::new(format!("{shown} holds white space"), "write it without"),
            AddressFault::OtherScheme => Fault::new(format!("{shown} is not an https address"), "write https://…"),
            AddressFault::HttpBeyondLoopback => Fault::new(
                format!("{shown} is not protected by TLS"),
                "write https://… (http is for this machine's own addresses alone)",
            ),
            AddressFault::PortZero => Fault::new(format!("{shown} has port 0"), "write a port from 1 to 65535"),
        }
    }
}

/// The ZIP's address. Its query and what stands before an `@` are never repeated.
pub(super) fn zip_address(text: &str) -> Result<Url, Fault> {
    let shown = quoted(&without_secrets(text));
    let mut url = protected_address(text).map_err(|fault| fault.told(&shown))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Fault::new(
            format!("{shown} holds a user or password"),
            "write them as source.username and source.password",
        ));
    }
    // A fragment is the browser's business and never sent (RFC 9110, section 4.2.5).
    url.set_fragment(None);
    Ok(url)
}

/// The address of a picture, which is public: the readers' programs fetch it.
pub(super) fn picture_address(text: &str) -> Result<String, Fault> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "https" | "http") && !has_white_space(text) => Ok(text.to_owned()),
        _ => Err(Fault::new(format!("{} is not a web address", quoted(text)), "write https://…")),
    }
}

/// `address` without what may be secret in it: user information, query and fragment.
fn without_secrets(address: &str) -> String {
    let (front, hidden) = match address.find(['?', '#']) {
        Some(end) => (&address[..end], &address[end..=end]),
        None => (address, ""),
    };
    let front = match (front.find("//"), front.rfind('@')) {
        (Some(start), Some(at)) if start < at => format!("{}…{}", &front[..start + 2], &front[at..]),
        (None, Some(at)) => format!("…{}", &front[at..]),
        _ => front.to_owned(),
    };
    if hidden.is_empty() { front } else { format!("{front}{hidden}…") }
}

/// Where a server is: a name or an address. An IPv6 address may stand in brackets and is given without.
pub(super) fn host(text: &str) -> Result<String, Fault> {
    let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<Ipv6Addr>() {
        return Ok(address.to_string());
    }
    let fault = |problem: &str, fix: &str| Err(Fault::new(format!("{} {problem}", quoted(text)), fix));
    if text.is_empty() {
        return Err(Fault::new("is empty", "write the server's name or address"));
    }
    if text.contains("://") || text.contains('/') {
        return fault("is not a host", "write the name alone, without a scheme or path");
    }
    if text.contains('@') {
        return fault("holds a user", "write the name alone; the user is the key username");
    }
    if text.contains('%') {
        return fault("holds a zone", "write the address without %…");
    }
    if text.contains([':', '[', ']']) {
        return fault("is not a host", "write the name alone; the port is the key port");
    }
    // A name goes into known_hosts, where "*", "?", "!" and "," make patterns.
    let is_plain = |character: char| character.is_alphanumeric() || matches!(character, '.' | '-' | '_');
    if !text.chars().all(is_plain) || text.starts_with(['-', '.']) {
        return fault("is not a host", "write letters, digits, dots and hyphens");
    }
    if text.len() > LONGEST_HOST {
        return fault("is too long", "write a name of at most 253 characters");
    }
    Ok(text.to_owned())
}

/// A mail address, with or without a name before it.
pub(super) fn mailbox(text: &str) -> Result<Mailbox, Fault> {
    let fault = || {
        Fault::new(
            format!("{} is not a mail address", quoted(text)),
            "write one address, such as admin@example.com or Admin <admin@example.com>",
        )
    };
    let mailbox: Mailbox = line(text)?.parse().map_err(|_| fault())?;
    // The parser stops after the first address and leaves the rest unread.
    let end = text.trim_end().trim_end_matches('>').trim_end();
    if end.ends_with(AsRef::<str>::as_ref(&mailbox.email)) { Ok(mailbox) } else { Err(fault()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_shown_without_what_may_be_secret() {
        for (address, shown) in [
            ("https://a.example/x.zip", "https://a.example/x.zip"),
            ("https://a.example/x.zip?token=t#f", "https://a.example/x.zip?…"),
            ("https://user:p@ss@a.example/x.zip", "https://…@a.example/x.zip"),
            ("user:pass@a.example", "…@a.example"),
            ("https://a.example#secret", "https://a.example#…"),
        ] {
            assert_eq!(without_secrets(address), shown);
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for (text, host_of) in [
            ("sftp.example.com", "sftp.example.com"),
            ("192.0.2.1", "192.0.2.1"),
            ("::1", "::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
            ("münchen.example", "münchen.example"),
            ("my_host", "my_host"),
        ] {
            assert_eq!(host(text).as_deref(), Ok(host_of));
        }
    }

    #[test]
    fn what_is_more_than_a_host_is_refused() {
        for text in [
            "",
            " ",
            "a b",
            "sftp://a",
            "a/b",
            "u@a",
            "a:22",
            "[::1]:22",
            "[::1",
            "fe80::1%eth0",
            "*.example.com",
            "a,b",
            "!a",
            "a\0b",
            "a\n",
            "-oProxyCommand",
            "[a]",
            ".a",
        ] {
            assert!(host(text).is_err(), "{text:?}");
        }
        assert!(host(&"a".repeat(254)).is_err());
    }

    #[test]
    fn one_mail_address_is_one() {
        assert_eq!(mailbox("a@b.example").unwrap().to_string(), "a@b.example");
        assert_eq!(mailbox("The Admin <a@b.example> ").unwrap().name.as_deref(), Some("The Admin"));
        for bad in ["", "a", "a@", "@b.example", "a@b.example, c@d.example", "a@b.example c", "a@b.example\nBcc: c@d"] {
            assert!(mailbox(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_a_panic(text in r"(?s)[\[\]:/@?#%.<>,a-z0-9é\x00-\x1f -]{0,40}|.*") {
            let _ = (host(&text), mailbox(&text), zip_address(&text), picture_address(&text), without_secrets(&text));
        }
    }
}
