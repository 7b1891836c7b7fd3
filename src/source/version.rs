//! Identifies the version of the file in each response, so that parts of two versions are never mixed.

use chrono::TimeDelta;
use ureq::http::HeaderMap;
use ureq::http::header::{CONTENT_RANGE, DATE, ETAG, HeaderName, LAST_MODIFIED};

use crate::https::retry_after::date;

/// Last-Modified identifies a file only if it is this much older than the response: a recent file may change again within the
/// same second (RFC 9110 section 8.8.2.2). Apache httpd requires a minute and otherwise ignores If-Range.
const SETTLED_AFTER: TimeDelta = TimeDelta::seconds(60);

/// The headers of a response that identify the version of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Version {
    etag: Option<String>,
    last_modified: Option<String>,
    /// Whether Last-Modified is old enough to identify the file by itself.
    is_settled: bool,
}

/// A part of the ZIP, from byte `first` to byte `last`, inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) first: u64,
    pub(super) last: u64,
    /// The size of the whole ZIP, if the server knows it.
    pub(super) total: Option<u64>,
}

impl Version {
    pub(super) fn of(headers: &HeaderMap) -> Version {
        let settled = date(headers, &DATE).zip(date(headers, &LAST_MODIFIED)).map(|(now, then)| now - then);
        Version {
            etag: text(headers, &ETAG),
            last_modified: text(headers, &LAST_MODIFIED),
            is_settled: settled.is_some_and(|age| age >= SETTLED_AFTER),
        }
    }

    /// The value for If-Range (RFC 9110 section 13.1.5): a strong ETag, or a Last-Modified that is old enough. A weak ETag does
    /// not identify a file byte by byte (section 8.8.3).
    pub(super) fn validator(&self) -> Option<&str> {
        let settled = self.last_modified.as_deref().filter(|_| self.is_settled);
        self.etag.as_deref().filter(|etag| etag.starts_with('"')).or(settled)
    }

    /// Whether later responses can be compared with this one.
    pub(super) fn is_known(&self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }

    /// The headers that are the same in `other`. One that changes from response to response identifies nothing: the servers
    /// behind a load balancer may each have an ETag of their own.
    pub(super) fn common(&self, other: &Version) -> Version {
        let same = |one: &Option<String>, other: &Option<String>| one.clone().filter(|_| one == other);
        Version {
            etag: same(&self.etag, &other.etag),
            last_modified: same(&self.last_modified, &other.last_modified),
            is_settled: self.is_settled,
        }
    }

    /// Whether `later`, the version in the response to a request with this one's validator, is the same. Such a response may
    /// omit headers (RFC 9110 section 15.3.7), and some servers ignore If-Range. Without a known version there is nothing to
    /// compare.
    pub(super) fn is_confirmed_by(&self, later: &Version) -> bool {
        let is_same = |first: &Option<String>, later: &Option<String>| Some(first.as_ref()? == later.as_ref()?);
        is_same(&self.etag, &later.etag)
            .or_else(|| is_same(&self.last_modified, &later.last_modified))
            .unwrap_or(self.validator().is_some() || !self.is_known())
    }

    /// Whether `other` has the same headers.
    pub(super) fn equals(&self, other: &Version) -> bool {
        self.etag == other.etag && self.last_modified == other.last_modified
    }
}

impl Part {
    /// Of a response with status 206.
    pub(super) fn of(headers: &HeaderMap) -> Option<Part> {
        parse(&text(headers, &CONTENT_RANGE)?)
    }
}

pub(super) fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Parses a Content-Range: `bytes 0-499/1234` or `bytes 0-499/*` (RFC 9110 section 14.4).
fn parse(text: &str) -> Option<Part> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    let part = Part { first: first.parse().ok()?, last: last.parse().ok()?, total };
    (part.first <= part.last && total.is_none_or(|total| part.last < total)).then_some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_parsed_or_rejected() {
        assert_eq!(parse("bytes 5-9/10"), Some(Part { first: 5, last: 9, total: Some(10) }));
        assert_eq!(parse("bytes 5-9/*"), Some(Part { first: 5, last: 9, total: None }));
        for invalid in ["bytes 9-5/10", "bytes 9-5/*", "bytes 5-10/10", "bytes */10", "items 5-9/10", "bytes -9/10", ""]
        {
            assert_eq!(parse(invalid), None, "{invalid}");
        }
    }

    fn version(headers: &[(HeaderName, &'static str)]) -> Version {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
        Version::of(&headers.collect())
    }

    const MODIFIED: (HeaderName, &str) = (LAST_MODIFIED, "Mon, 23 Nov 2026 23:00:00 GMT");

    #[test]
    fn only_a_strong_etag_identifies_a_file() {
        assert_eq!(version(&[]).validator(), None);
        let later = (DATE, "Mon, 23 Nov 2026 23:01:00 GMT");
        assert_eq!(version(&[MODIFIED, later.clone(), (ETAG, "W/\"1\"")]).validator(), Some(MODIFIED.1));
        assert_eq!(version(&[MODIFIED, later, (ETAG, "\"1\"")]).validator(), Some("\"1\""));
    }

    #[test]
    fn a_recent_last_modified_does_not_identify_a_file() {
        assert_eq!(version(&[MODIFIED]).validator(), None, "the server's time is unknown");
        assert_eq!(version(&[MODIFIED, (DATE, "Mon, 23 Nov 2026 23:00:59 GMT")]).validator(), None);
        assert_eq!(version(&[MODIFIED, (DATE, "Mon, 23 Nov 2026 23:01:00 GMT")]).validator(), Some(MODIFIED.1));
    }

    #[test]
    fn a_header_that_changes_with_each_response_identifies_nothing() {
        let (first, second) = (version(&[(ETAG, "\"1\""), MODIFIED]), version(&[(ETAG, "\"2\""), MODIFIED]));
        assert!(first.common(&second).equals(&version(&[MODIFIED])));
        assert!(first.common(&first).equals(&first));
    }

    #[test]
    fn a_later_part_must_show_the_first_version() {
        let (strong, weak) = (version(&[(ETAG, "\"1\"")]), version(&[(ETAG, "W/\"1\"")]));
        assert!(strong.is_confirmed_by(&strong) && weak.is_confirmed_by(&weak));
        assert!(!strong.is_confirmed_by(&version(&[(ETAG, "\"2\"")])), "If-Range was ignored");
        assert!(strong.is_confirmed_by(&version(&[])), "a response to If-Range may omit headers");
        assert!(version(&[]).is_confirmed_by(&strong), "there is nothing to compare");
        assert!(!weak.is_confirmed_by(&version(&[])), "without If-Range there is nothing to compare");
        assert!(!weak.is_confirmed_by(&version(&[MODIFIED])));
        assert!(version(&[MODIFIED]).is_confirmed_by(&version(&[MODIFIED, (ETAG, "\"2\"")])));
    }
}
