//! Web addresses: recognises this machine's, and removes secrets.

use core::net::IpAddr;

use url::Url;

/// Whether `host`, a name or an IP address, is this machine by definition. Resolves no name.
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `url` without its fragment, and with its query replaced by an ellipsis.
pub fn public_url(url: &Url) -> String {
    let mut url = url.clone();
    if url.query().is_some() {
        url.set_query(Some("…"));
    }
    url.set_fragment(None);
    // `Url` percent-encodes the ellipsis.
    url.as_str().replace("%E2%80%A6", "…")
}

/// Replaces the parts of `address` that may be secret: user information, query and fragment.
pub fn redact_address(address: &str) -> String {
    let (base, redacted) = match address.find(['?', '#']) {
        Some(end) => (&address[..end], format!("{}…", &address[end..=end])),
        None => (address, String::new()),
    };
    let base = match (base.find("//"), base.rfind('@')) {
        (Some(start), Some(at)) if start < at => format!("{}…{}", &base[..start + 2], &base[at..]),
        (None, Some(at)) => format!("…{}", &base[at..]),
        _ => base.to_owned(),
    };
    base + &redacted
}
