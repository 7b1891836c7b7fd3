//! Habits of object stores, caches and simple web servers: ranges from the end, ETags, ages, and signed addresses.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The ETag of each answer.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Etag {
    /// A strong one.
    #[default]
    Strong,
    Weak,
    Missing,
    /// Another one in each answer, as if the file changed all the time.
    Changing,
}

#[derive(Debug, Default, Clone)]
pub struct Habits {
    /// The status of the answers to `bytes=-N`; 200 for the whole file.
    pub(super) suffix_status: Option<u16>,
    pub(super) ignores_if_range: bool,
    pub(super) etag: Etag,
    pub(super) no_last_modified: bool,
    /// Seconds.
    pub(super) age: Option<u64>,
    /// Whether `Content-Range` ends with `/*`.
    pub(super) hides_total: bool,
    /// The only query that is accepted, and only for GET.
    pub(super) signature: Option<String>,
    /// A header that is required, with its value.
    pub(super) token: Option<(String, String)>,
}

impl Habits {
    /// Answers like S3 if the address is not signed or the signature has expired, and with 401 without the token.
    pub(super) fn refusal(&self, request: &Request) -> Option<Response> {
        let is_unsigned = |query: &String| request.method() != Method::GET || request.uri().query() != Some(query);
        if self.signature.as_ref().is_some_and(is_unsigned) {
            let body = "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message>\
                        </Error>\n";
            return Some((StatusCode::FORBIDDEN, [(header::CONTENT_TYPE, "application/xml")], body).into_response());
        }
        let (name, value) = self.token.as_ref()?;
        let is_given = request.headers().get(name).is_some_and(|given| given.as_bytes() == value.as_bytes());
        (!is_given).then(|| StatusCode::UNAUTHORIZED.into_response())
    }

    /// The answer to a range from the end, if it is refused; removes it if it is ignored.
    pub(super) fn refuse_suffix(&self, headers: &mut HeaderMap) -> Option<Response> {
        let range = headers.get(header::RANGE)?.to_str().ok()?;
        match self.suffix_status.filter(|_| range.starts_with("bytes=-"))? {
            200 => {
                headers.remove(header::RANGE);
                None
            }
            status => Some(StatusCode::from_u16(status).unwrap().into_response()),
        }
    }

    /// Changes the headers of the answer to the request with this number.
    pub(super) fn apply(&self, number: u64, headers: &mut HeaderMap) {
        let etag = headers.get(header::ETAG).and_then(|etag| etag.to_str().ok());
        let etag = match self.etag {
            Etag::Changing => Some(format!("\"{number}\"")),
            Etag::Weak => etag.map(|strong| format!("W/{strong}")),
            Etag::Strong | Etag::Missing => None,
        };
        let etag = etag.and_then(|etag| HeaderValue::from_str(&etag).ok());
        let age = self.age.map(HeaderValue::from);
        let range = headers.get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok()).unwrap_or_default();
        let range = range.split_once('/').filter(|_| self.hides_total);
        let range = range.and_then(|(range, _)| HeaderValue::from_str(&format!("{range}/*")).ok());
        let set: [(HeaderName, Option<HeaderValue>); 3] =
            [(header::ETAG, etag), (header::AGE, age), (header::CONTENT_RANGE, range)];
        for (name, value) in set {
            value.map(|value| headers.insert(name, value));
        }
        if self.etag == Etag::Missing {
            headers.remove(header::ETAG);
        }
        if self.no_last_modified {
            headers.remove(header::LAST_MODIFIED);
        }
    }
}
