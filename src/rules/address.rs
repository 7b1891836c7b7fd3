//! Web addresses: which mean this machine, and what of one may be shown.

use core::net::IpAddr;

use url::Url;

/// Whether `host` (a name, or an address without brackets) means this machine, whatever the resolver answers.
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
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

/// `address` without what may be secret in it: user information, query and fragment.
pub fn without_secrets(address: &str) -> String {
    let (front, hidden) = match address.find(['?', '#']) {
        Some(end) => (&address[..end], format!("{}…", &address[end..=end])),
        None => (address, String::new()),
    };
    let front = match (front.find("//"), front.rfind('@')) {
        (Some(start), Some(at)) if start < at => format!("{}…{}", &front[..start + 2], &front[at..]),
        (None, Some(at)) => format!("…{}", &front[at..]),
        _ => front.to_owned(),
    };
    front + &hidden
}
