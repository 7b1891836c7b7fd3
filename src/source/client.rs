//! Requests for the ZIP or parts of it, and the bodies of the responses, whose bytes are counted and timed.

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
use crate::runtime::interrupt::{CloserGuard, Interrupt};
use crate::runtime::retry::Retry;
use crate::source::error::{SourceError, from_body, from_ureq};
use crate::source::redirect::target;

const MAX_REDIRECTS: u32 = 5;
/// A body with fewer bytes per second than this, over `source.timeout_seconds`, is too slow.
const SLOWEST_RATE: u64 = 1024;

/// Last-Modified does not identify a file that was modified less than this before the response: it may change again within
/// the same second (RFC 9110 section 8.8.2.2). Apache httpd wants a minute, and otherwise ignores If-Range.
const SETTLED_AFTER: TimeDelta = TimeDelta::seconds(60);

/// Requests one ZIP. The connection is kept between requests and ends with the run.
pub(super) struct Client {
    /// For the origin (scheme, host and port) of `source.url`.
    agent: Agent,
    /// For other origins, to which a redirect may lead: has no client certificate.
    stranger: Agent,
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
    /// The size of the ZIP.
    pub(super) total: u64,
}

/// A response with the ZIP or a part of it.
pub(super) struct Answer<'a> {
    /// Which part (206); `None` for the whole ZIP (200).
    pub(super) part: Option<Part>,
    /// The body's length, if the server announced it.
    pub(super) length: Option<u64>,
    /// Whether only the end of the connection ends the body (RFC 9112 section 6.3): a truncated one looks complete.
    pub(super) ends_with_connection: bool,
    /// Identifies this version of the file (RFC 9110 section 13.1.5): its strong ETag, else its Last-Modified if that is long
    /// enough ago.
    pub(super) validator: Option<String>,
    pub(super) content_type: Option<String>,
    /// By the server's clock.
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
        let (own, stranger) = (agent(settings)?, agent(Settings { identity: None, ..settings })?);
        let closer = interrupt.on_trigger({
            let agents = [own.clone(), stranger.clone()];
            move || agents.clone().into_iter().for_each(Agent::shutdown)
        });
        Ok(Client {
            agent: own,
            stranger,
            source: source.clone(),
            authorization: source.credentials.as_ref().map(authorization),
            interrupt: interrupt.clone(),
            retry: retry.clone(),
            received: AtomicU64::new(0),
            _closer: closer,
        })
    }

    /// How many bytes of bodies were received so far.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Requests the whole ZIP.
    pub(super) fn whole(&self) -> Result<Answer<'_>, SourceError> {
        self.get(&[])
    }

    /// Requests its last `count` bytes; a server without ranges sends the whole ZIP.
    pub(super) fn last(&self, count: u64) -> Result<Answer<'_>, SourceError> {
        self.get(&[(RANGE, &format!("bytes=-{count}"))])
    }

    /// Requests the bytes from `first` to `last` of the version that `validator` identifies. The response has the whole ZIP if
    /// the file has changed.
    pub(super) fn part(&self, first: u64, last: u64, validator: &str) -> Result<Answer<'_>, SourceError> {
        self.get(&[(RANGE, &format!("bytes={first}-{last}")), (IF_RANGE, validator)])
    }

    /// The error that the server violates the protocol.
    pub(super) fn violation(&self, problem: impl Into<String>) -> SourceError {
        SourceError::Protocol { host: self.host().to_owned(), problem: problem.into() }
    }

    fn get(&self, headers: &[(HeaderName, &str)]) -> Result<Answer<'_>, SourceError> {
        let result = self.get_once(headers);
        // A connection that was shut down looks like any other failure.
        self.interrupt.check()?;
        result
    }

    /// Follows redirects. Only the origin of `source.url` gets credentials.
    fn get_once(&self, headers: &[(HeaderName, &str)]) -> Result<Answer<'_>, SourceError> {
        let mut url = self.source.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let is_own = url.origin() == self.source.url.origin();
            let mut request = if is_own { &self.agent } else { &self.stranger }.get(url.as_str());
            if let Some(value) = self.authorization.as_ref().filter(|_| is_own) {
                request = request.header(AUTHORIZATION, value.expose_secret());
            }
            for (name, value) in headers {
                request = request.header(name, *value);
            }
            let host = url.host_str().unwrap_or_default();
            let response = request.call().map_err(|error| from_ureq(error, host, self.source.timeout))?;
            if !response.status().is_redirection() {
                return self.answer(response, &url, is_own);
            }
            let location = response.headers().get(LOCATION).map(HeaderValue::as_bytes).unwrap_or_default();
            let next = target(&url, location)?;
            self.body(response.into_body()).skip();
            url = next;
        }
        Err(SourceError::TooManyRedirects(self.host().to_owned()))
    }

    fn answer(&self, response: Response<ureq::Body>, url: &Url, is_own: bool) -> Result<Answer<'_>, SourceError> {
        let status = response.status().as_u16();
        let headers = response.headers();
        let part = match status {
            200 => None,
            206 => Some(
                text(headers, &CONTENT_RANGE)
                    .and_then(|range| content_range(&range))
                    .ok_or_else(|| self.violation("it does not say which part of the ZIP it sends"))?,
            ),
            _ => {
                let (url, retry_after) = (config::public_url(url), retry_after(headers));
                return Err(SourceError::Status { url, status, is_own, retry_after });
            }
        };
        Ok(Answer {
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
        Body { client: self, inner, received: 0, rate: RateWatch::new(self.source.timeout) }
    }

    fn host(&self) -> &str {
        self.source.url.host_str().unwrap_or_default()
    }
}

/// The body of a response.
pub(super) struct Body<'a> {
    client: &'a Client,
    inner: BodyReader<'static>,
    received: u64,
    rate: RateWatch,
}

impl Body<'_> {
    /// Reads a short body to its end, so that the connection can be used again.
    fn skip(mut self) {
        let mut buffer = [0; 4096];
        let _ = (0..4).find(|_| !matches!(self.read(&mut buffer), Ok(1..)));
    }

    /// Reads the next bytes; 0 is the end. Fails if the run has to end, or if bytes arrive too slowly.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let limit = self.client.source.timeout;
        loop {
            let result = self.inner.read(buffer);
            // A connection that was shut down can look like the end of the body.
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

    /// The error that the body ended early.
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

/// See [`Answer::validator`]. A weak ETag does not identify a file byte by byte (RFC 9110 section 8.8.3).
fn validator(headers: &HeaderMap) -> Option<String> {
    text(headers, &ETAG).filter(|etag| etag.starts_with('"')).or_else(|| {
        let is_settled = date(headers, &DATE)? - date(headers, &LAST_MODIFIED)? >= SETTLED_AFTER;
        text(headers, &LAST_MODIFIED).filter(|_| is_settled)
    })
}

/// The part that a Content-Range names: `bytes 0-499/1234` (RFC 9110 section 14.4).
fn content_range(text: &str) -> Option<Part> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let part = Part { first: first.parse().ok()?, last: last.parse().ok()?, total: total.parse().ok()? };
    (part.first <= part.last && part.last < part.total).then_some(part)
}

/// Measures the rate of the bytes: a time limit for each read does not stop a server that sends one byte at a time.
struct RateWatch {
    window: Duration,
    began: Instant,
    received: u64,
}

impl RateWatch {
    fn new(window: Duration) -> RateWatch {
        RateWatch { window, began: Instant::now(), received: 0 }
    }

    /// Counts `bytes` more; returns whether too few arrived in the window that has just ended.
    fn is_too_slow(&mut self, bytes: u64) -> bool {
        self.received += bytes;
        if self.began.elapsed() < self.window {
            return false;
        }
        let too_slow = self.received < SLOWEST_RATE * self.window.as_secs();
        (self.began, self.received) = (Instant::now(), 0);
        too_slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_parsed_or_refused() {
        assert_eq!(content_range("bytes 5-9/10"), Some(Part { first: 5, last: 9, total: 10 }));
        for wrong in ["bytes 5-9/*", "bytes 9-5/10", "bytes 5-10/10", "bytes */10", "items 5-9/10", "bytes -9/10", ""] {
            assert_eq!(content_range(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_strong_etag_identifies_a_file_and_a_weak_one_does_not() {
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
