//! Requests the ZIP or parts of it. Counts the bytes of the responses and checks their rate.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use ureq::http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, HeaderName, IF_RANGE, LAST_MODIFIED,
    LOCATION, RANGE, TRANSFER_ENCODING,
};
use ureq::http::{HeaderMap, HeaderValue, Response};
use ureq::{Agent, BodyReader};
use url::Url;

use crate::config;
use crate::https::agent::{Settings, agent};
use crate::https::retry_after::{date, retry_after};
use crate::rules::address::public_url;
use crate::runtime::interrupt::{CloserGuard, Interrupt};
use crate::runtime::retry::Retry;
use crate::source::error::{SourceError, from_body, from_ureq};
use crate::source::redirect::target;

const MAX_REDIRECTS: u32 = 5;
/// Minimum rate of a body over `source.timeout_seconds`, in bytes per second.
const MIN_RATE: u64 = 1024;

/// Last-Modified identifies a file only if it is this much older than the response: a recent file may change again within the
/// same second (RFC 9110 section 8.8.2.2). Apache httpd requires a minute and otherwise ignores If-Range.
const SETTLED_AFTER: TimeDelta = TimeDelta::seconds(60);

/// Requests one ZIP. The connection is reused between requests and ends with the run.
pub(super) struct Client {
    /// For the origin (scheme, host and port) of `source.url`.
    agent: Agent,
    /// For other origins after a redirect: without client certificate.
    other_agent: Agent,
    source: config::Source,
    authorization: Option<SecretString>,
    interrupt: Interrupt,
    pub(super) retry: Retry,
    received: AtomicU64,
    _closer: CloserGuard,
}

/// A part of the ZIP, from byte `first` to byte `last`, inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) total: u64,
}

/// A response with the ZIP or a part of it.
pub(super) struct ZipResponse<'a> {
    /// The part (206); `None` for the whole ZIP (200).
    pub(super) part: Option<Part>,
    /// The body's length, if the server announced it.
    pub(super) length: Option<u64>,
    /// Whether the end of the connection ends the body (RFC 9112 section 6.3), so that a truncated body looks complete.
    pub(super) ends_with_connection: bool,
    /// Identifies this version of the file (RFC 9110 section 13.1.5): its strong ETag, or its Last-Modified if that is old
    /// enough.
    pub(super) validator: Option<String>,
    pub(super) content_type: Option<String>,
    /// From the header Date.
    pub(super) server_time: Option<DateTime<Utc>>,
    pub(super) body: Body<'a>,
}

impl Client {
    pub(super) fn new(source: &config::Source, retry: &Retry, interrupt: &Interrupt) -> Result<Client, SourceError> {
        let identity = source.client_identity.as_ref();
        let settings = Settings {
            https_only: source.url.scheme() == "https",
            ca_file: source.ca_file.as_deref(),
            identity: identity.map(|identity| (identity.certificate.as_path(), identity.key.as_path())),
            proxy: source.proxy.as_ref().map(SecretString::expose_secret),
            step_limit: source.timeout,
            body_limit: None,
            limit: None,
        };
        let (own_agent, other_agent) = (agent(settings)?, agent(Settings { identity: None, ..settings })?);
        let closer = interrupt.on_trigger({
            let agents = [own_agent.clone(), other_agent.clone()];
            move || agents.clone().into_iter().for_each(Agent::shutdown)
        });
        Ok(Client {
            agent: own_agent,
            other_agent,
            source: source.clone(),
            authorization: source.credentials.as_ref().map(authorization),
            interrupt: interrupt.clone(),
            retry: retry.clone(),
            received: AtomicU64::new(0),
            _closer: closer,
        })
    }

    /// Number of body bytes received so far.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(super) fn request_whole(&self) -> Result<ZipResponse<'_>, SourceError> {
        self.get(&[])
    }

    /// Requests the last `count` bytes. A server without support for ranges sends the whole ZIP.
    pub(super) fn request_last(&self, count: u64) -> Result<ZipResponse<'_>, SourceError> {
        self.get(&[(RANGE, &format!("bytes=-{count}"))])
    }

    /// Requests the bytes from `first` to `last` of the version identified by `validator`. If the file has changed, the server
    /// sends the whole ZIP.
    pub(super) fn request_part(&self, first: u64, last: u64, validator: &str) -> Result<ZipResponse<'_>, SourceError> {
        self.get(&[(RANGE, &format!("bytes={first}-{last}")), (IF_RANGE, validator)])
    }

    /// The error for a violation of the protocol.
    pub(super) fn violation(&self, problem: impl Into<String>) -> SourceError {
        SourceError::Protocol { host: self.host().to_owned(), problem: problem.into() }
    }

    fn get(&self, headers: &[(HeaderName, &str)]) -> Result<ZipResponse<'_>, SourceError> {
        let result = self.get_once(headers);
        // After an interrupt, a closed connection looks like any other failure.
        self.interrupt.check()?;
        result
    }

    /// Follows redirects. Only the origin of `source.url` gets credentials.
    fn get_once(&self, headers: &[(HeaderName, &str)]) -> Result<ZipResponse<'_>, SourceError> {
        let mut url = self.source.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let is_own = url.origin() == self.source.url.origin();
            let mut request = if is_own { &self.agent } else { &self.other_agent }.get(url.as_str());
            if let Some(value) = self.authorization.as_ref().filter(|_| is_own) {
                request = request.header(AUTHORIZATION, value.expose_secret());
            }
            for (name, value) in headers {
                request = request.header(name, *value);
            }
            let host = url.host_str().unwrap_or_default();
            let response = request.call().map_err(|error| from_ureq(error, host, self.source.timeout))?;
            if !response.status().is_redirection() {
                return self.zip_response(response, &url, is_own);
            }
            let location = response.headers().get(LOCATION).map(HeaderValue::as_bytes).unwrap_or_default();
            let next = target(&url, location)?;
            self.body(response.into_body()).skip();
            url = next;
        }
        Err(SourceError::TooManyRedirects(self.host().to_owned()))
    }

    fn zip_response(
        &self,
        response: Response<ureq::Body>,
        url: &Url,
        is_own: bool,
    ) -> Result<ZipResponse<'_>, SourceError> {
        let status = response.status().as_u16();
        let headers = response.headers();
        let part = match status {
            200 => None,
            206 => Some(
                text(headers, &CONTENT_RANGE)
                    .and_then(|range| content_range(&range))
                    .ok_or_else(|| self.violation("it does not report which part of the ZIP it sends"))?,
            ),
            _ => {
                let (url, retry_after) = (public_url(url), retry_after(headers));
                return Err(SourceError::Status { url, status, is_own, retry_after });
            }
        };
        Ok(ZipResponse {
            part,
            length: response.body().content_length(),
            ends_with_connection: ![CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| headers.contains_key(name)),
            validator: validator(headers),
            content_type: text(headers, &CONTENT_TYPE),
            server_time: date(headers, &DATE),
            body: self.body(response.into_body()),
        })
    }

    fn body(&self, body: ureq::Body) -> Body<'_> {
        let inner = body.into_with_config().limit(u64::MAX).reader();
        Body { client: self, inner, received: 0, rate: RateMeter::new(self.source.timeout) }
    }

    fn host(&self) -> &str {
        self.source.url.host_str().unwrap_or_default()
    }
}

pub(super) struct Body<'a> {
    client: &'a Client,
    inner: BodyReader<'static>,
    received: u64,
    rate: RateMeter,
}

impl Body<'_> {
    /// Reads a short body to its end, so that the connection can be reused.
    fn skip(mut self) {
        let mut buffer = [0; 4096];
        let _ = (0..4).find(|_| !matches!(self.read(&mut buffer), Ok(1..)));
    }

    /// Reads up to `buffer.len()` bytes; 0 at the end. Fails if the run is interrupted or bytes arrive too slowly.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let limit = self.client.source.timeout;
        loop {
            let result = self.inner.read(buffer);
            // After an interrupt, a closed connection can look like the end of the body.
            self.client.interrupt.check()?;
            match result {
                Ok(count) => {
                    self.received += count as u64;
                    self.client.received.fetch_add(count as u64, Ordering::Relaxed);
                    if count > 0 && self.rate.is_too_slow(count as u64) {
                        return Err(SourceError::TooSlow { received: self.received, limit });
                    }
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(from_body(error, self.received, limit)),
            }
        }
    }

    /// Reads exactly `count` bytes.
    pub(super) fn read_all(&mut self, count: usize) -> Result<Vec<u8>, SourceError> {
        let mut bytes = vec![0; count];
        let mut filled = 0;
        while filled < count {
            match self.read(&mut bytes[filled..])? {
                0 => return Err(self.broken()),
                more => filled += more,
            }
        }
        Ok(bytes)
    }

    /// The error for a body that ended early.
    pub(super) fn broken(&self) -> SourceError {
        SourceError::BrokenBody { received: self.received, source: io::ErrorKind::UnexpectedEof.into() }
    }
}

/// The value of the Authorization header (RFC 7617).
fn authorization(credentials: &config::Credentials) -> SecretString {
    let pair = format!("{}:{}", credentials.username, credentials.password.expose_secret());
    format!("Basic {}", STANDARD.encode(pair)).into()
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// See [`ZipResponse::validator`]. A weak ETag does not identify a file byte by byte (RFC 9110 section 8.8.3).
fn validator(headers: &HeaderMap) -> Option<String> {
    text(headers, &ETAG).filter(|etag| etag.starts_with('"')).or_else(|| {
        let is_settled = date(headers, &DATE)? - date(headers, &LAST_MODIFIED)? >= SETTLED_AFTER;
        text(headers, &LAST_MODIFIED).filter(|_| is_settled)
    })
}

/// Parses a Content-Range: `bytes 0-499/1234` (RFC 9110 section 14.4).
fn content_range(text: &str) -> Option<Part> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let part = Part { first: first.parse().ok()?, last: last.parse().ok()?, total: total.parse().ok()? };
    (part.first <= part.last && part.last < part.total).then_some(part)
}

/// Measures the rate: a time limit per read does not stop a server that sends one byte at a time.
struct RateMeter {
    window: Duration,
    start: Instant,
    received: u64,
}

impl RateMeter {
    fn new(window: Duration) -> RateMeter {
        RateMeter { window, start: Instant::now(), received: 0 }
    }

    /// Counts `bytes` more; returns whether a window has just ended in which too few arrived.
    fn is_too_slow(&mut self, bytes: u64) -> bool {
        self.received += bytes;
        if self.start.elapsed() < self.window {
            return false;
        }
        let too_slow = self.received < MIN_RATE * self.window.as_secs();
        (self.start, self.received) = (Instant::now(), 0);
        too_slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_parsed_or_rejected() {
        assert_eq!(content_range("bytes 5-9/10"), Some(Part { first: 5, last: 9, total: 10 }));
        for invalid in ["bytes 5-9/*", "bytes 9-5/10", "bytes 5-10/10", "bytes */10", "items 5-9/10", "bytes -9/10", ""]
        {
            assert_eq!(content_range(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn only_a_strong_etag_identifies_a_file() {
        let mut headers = HeaderMap::new();
        assert_eq!(validator(&headers), None);
        headers.insert(LAST_MODIFIED, "Mon, 23 Nov 2026 23:00:00 GMT".parse().unwrap());
        headers.insert(DATE, "Mon, 23 Nov 2026 23:01:00 GMT".parse().unwrap());
        headers.insert(ETAG, "W/\"1\"".parse().unwrap());
        assert_eq!(validator(&headers).as_deref(), Some("Mon, 23 Nov 2026 23:00:00 GMT"));
        headers.insert(ETAG, "\"1\"".parse().unwrap());
        assert_eq!(validator(&headers).as_deref(), Some("\"1\""));
    }

    #[test]
    fn a_recent_last_modified_does_not_identify_a_file() {
        let mut headers = HeaderMap::new();
        headers.insert(LAST_MODIFIED, "Mon, 23 Nov 2026 23:00:00 GMT".parse().unwrap());
        assert_eq!(validator(&headers), None, "the server's time is unknown");
        headers.insert(DATE, "Mon, 23 Nov 2026 23:00:59 GMT".parse().unwrap());
        assert_eq!(validator(&headers), None);
        headers.insert(DATE, "Mon, 23 Nov 2026 23:01:00 GMT".parse().unwrap());
        assert_eq!(validator(&headers).as_deref(), Some("Mon, 23 Nov 2026 23:00:00 GMT"));
    }
}
