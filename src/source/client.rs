//! Requests the ZIP or parts of it. Counts the bytes of the responses and checks their rate.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use ureq::http::header::{
    AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName, IF_RANGE, LOCATION, RANGE,
    TRANSFER_ENCODING,
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
use crate::source::version::{Part, Version, text};

const MAX_REDIRECTS: u32 = 5;
/// Minimum rate of a body over `source.timeout_seconds`, in bytes per second.
const MIN_RATE: u64 = 1024;

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

/// A response with the ZIP or a part of it.
pub(super) struct ZipResponse<'a> {
    /// The part (206); `None` for the whole ZIP (200).
    pub(super) part: Option<Part>,
    /// The body's length, if the server announced it.
    pub(super) length: Option<u64>,
    /// Whether the end of the connection ends the body (RFC 9112 section 6.3), so that a truncated body looks complete.
    pub(super) ends_with_connection: bool,
    pub(super) version: Version,
    /// How old the response is, if it is from a cache (Age, RFC 9111 section 5.1).
    pub(super) age: Option<TimeDelta>,
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
        let response = self.get(&[])?;
        match response.part {
            Some(part) if part.first != 0 || part.total != part.last.checked_add(1) => {
                Err(self.violation("it sent a part of the ZIP that was not requested"))
            }
            _ => Ok(response),
        }
    }

    /// Requests the last `count` bytes. A server without support for ranges sends the whole ZIP.
    pub(super) fn request_last(&self, count: u64) -> Result<ZipResponse<'_>, SourceError> {
        self.get(&[(RANGE, &format!("bytes=-{count}"))])
    }

    /// Requests the bytes from `first` to `last` of the version identified by `validator`. If the file has changed, the server
    /// sends the whole ZIP, unless it ignores the validator.
    pub(super) fn request_part(
        &self,
        first: u64,
        last: u64,
        validator: Option<&str>,
    ) -> Result<ZipResponse<'_>, SourceError> {
        let range = format!("bytes={first}-{last}");
        let headers = [(RANGE, range.as_str()), (IF_RANGE, validator.unwrap_or_default())];
        self.get(if validator.is_some() { &headers } else { &headers[..1] })
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
            request = request.header(CACHE_CONTROL, "no-cache");
            if let Some(value) = self.authorization.as_ref().filter(|_| is_own) {
                request = request.header(AUTHORIZATION, value.expose_secret());
            }
            for (name, value) in self.source.headers.iter().filter(|_| is_own) {
                request = request.header(name, value.expose_secret());
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
            206 => Some(Part::of(headers).ok_or_else(|| SourceError::UnknownPart(self.host().to_owned()))?),
            _ => {
                let (url, retry_after) = (public_url(url), retry_after(headers));
                return Err(SourceError::Status { url, status, is_own, signed: self.signed(), retry_after });
            }
        };
        Ok(ZipResponse {
            part,
            length: response.body().content_length(),
            ends_with_connection: ![CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| headers.contains_key(name)),
            version: Version::of(headers),
            age: age(headers),
            content_type: text(headers, &CONTENT_TYPE),
            server_time: date(headers, &DATE),
            body: self.body(response.into_body()),
        })
    }

    fn body(&self, body: ureq::Body) -> Body<'_> {
        let inner = body.into_with_config().limit(u64::MAX).reader();
        Body { client: self, inner, received: 0, rate: RateMeter::new(self.source.timeout) }
    }

    /// The keys with a signature or token.
    fn signed(&self) -> &'static str {
        match (self.source.url.query().is_some(), self.source.headers.is_empty()) {
            (true, false) => "source.url and source.headers",
            (true, true) => "source.url",
            (false, false) => "source.headers",
            (false, true) => "",
        }
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
    pub(super) fn skip(mut self) {
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

fn age(headers: &HeaderMap) -> Option<TimeDelta> {
    let seconds = text(headers, &AGE)?.trim().parse().ok().filter(|seconds| *seconds > 0)?;
    TimeDelta::try_seconds(seconds)
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
