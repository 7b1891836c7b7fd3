//! Determines the target of a redirect (RFC 9110 section 10.2.2).

use url::Url;

use crate::rules::address::is_loopback;
use crate::rules::redaction::printable;
use crate::source::error::SourceError;

/// Number of characters of a malformed address that are reported.
const MAX_SHOWN: usize = 200;

/// The target of the header `location` in a response from `current`, without user, password and fragment.
///
/// # Errors
/// If it is not a valid address, or does not use TLS.
pub fn target(current: &Url, location: &[u8]) -> Result<Url, SourceError> {
    let host = || current.host_str().unwrap_or_default().to_owned();
    let text = String::from_utf8_lossy(location);
    let target = current.join(&text).ok().filter(|url| url.has_host() && !location.is_empty());
    let Some(mut target) = target.filter(|_| str::from_utf8(location).is_ok()) else {
        return Err(SourceError::BadRedirect { host: host(), location: redact(&text) });
    };
    let is_local = |url: &Url| url.scheme() == "http" && url.host_str().is_some_and(is_loopback);
    if target.scheme() != "https" && !(is_local(current) && is_local(&target)) {
        return Err(SourceError::InsecureRedirect(host()));
    }
    target.set_fragment(None);
    // Neither fails for an address with a host.
    let _ = target.set_username("").and_then(|()| target.set_password(None));
    Ok(target)
}

/// `location` without parts that may be secret: query, fragment, and everything before an `@`.
fn redact(location: &str) -> String {
    let public = location.split(['?', '#']).next().unwrap_or_default();
    let public = public.rsplit_once('@').map_or_else(|| public.to_owned(), |(_, rest)| format!("…@{rest}"));
    printable(&public.chars().take(MAX_SHOWN).collect::<String>())
}
