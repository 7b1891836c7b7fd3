//! Parses `Retry-After` (RFC 9110 section 10.2.3).

use std::time::Duration;

use chrono::{DateTime, Utc};
use ureq::http::HeaderMap;
use ureq::http::header::{DATE, HeaderName, RETRY_AFTER};

/// The requested wait; a date is compared with the server's own clock.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    if let Ok(seconds) = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = date(headers, &RETRY_AFTER)?;
    until.signed_duration_since(date(headers, &DATE)?).to_std().ok()
}

/// The date in the header `name`: an IMF-fixdate (RFC 9110 section 5.6.7), which is also a valid RFC 5322 date.
pub(crate) fn date(headers: &HeaderMap, name: &HeaderName) -> Option<DateTime<Utc>> {
    let text = headers.get(name)?.to_str().ok()?;
    DateTime::parse_from_rfc2822(text).ok().map(|date| date.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_given_in_seconds_or_as_a_date_by_the_servers_clock() {
        let mut headers = HeaderMap::new();
        assert_eq!(retry_after(&headers), None);
        headers.insert(DATE, "Mon, 23 Nov 2026 23:00:00 GMT".parse().unwrap());
        for (value, seconds) in [
            ("120", Some(120)),
            ("Mon, 23 Nov 2026 23:01:30 GMT", Some(90)),
            ("Mon, 23 Nov 2026 22:00:00 GMT", None),
            ("soon", None),
            ("-5", None),
        ] {
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            assert_eq!(retry_after(&headers), seconds.map(Duration::from_secs), "{value}");
        }
    }
}
