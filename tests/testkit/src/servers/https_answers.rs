//! The web server's answer to a request: a refusal or a file, with its faults.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use chrono::{TimeDelta, Utc};
use tower_http::services::ServeDir;

use super::faults::{BodyFault, FixedReply, MeteredBody, WrongRange};
use super::https_habits::Habits;

/// Each read of a file takes a thread switch: large reads are faster.
const READ_SIZE: usize = 512 * 1024;

#[derive(Debug, Clone)]
pub struct RecordedRequest {
    pub method: String,
    pub target: String,
    /// The status of the answer.
    pub status: u16,
    headers: HeaderMap,
}

impl RecordedRequest {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn range(&self) -> Option<&str> {
        self.header("range")
    }

    pub fn has_authorization(&self) -> bool {
        self.headers.contains_key("authorization")
    }
}

pub type Hook = Box<dyn FnOnce() + Send>;
pub type Observer = Box<dyn Fn(&RecordedRequest) + Send + Sync>;

/// The faults of the server and the requests that it recorded.
#[derive(Default)]
pub struct Behaviour {
    pub(super) folder: PathBuf,
    pub(super) no_ranges: bool,
    pub(super) ranges_end_before: Option<u64>,
    pub(super) wrong_range: Option<(WrongRange, u64)>,
    pub(super) no_validators: bool,
    pub(super) no_length: bool,
    pub(super) habits: Habits,
    pub(super) is_silent: bool,
    pub(super) authorization: Option<String>,
    pub(super) fixed_reply: Option<FixedReply>,
    /// The redirected path (every path if `None`) and its target.
    pub(super) redirect: Option<(Option<String>, String)>,
    /// The apparent size of each file: zeros, then the file.
    pub(super) claimed_size: Option<u64>,
    pub(super) page: Option<String>,
    pub(super) date_shift_hours: i64,
    pub(super) body_fault: Option<(u64, BodyFault)>,
    pub(super) faulty_requests: u64,
    pub(super) bytes_per_second: Option<u64>,
    pub(super) hooks: Mutex<HashMap<u64, Hook>>,
    pub(super) observer: Option<Observer>,
    pub(super) arrived: AtomicU64,
    pub(super) bodies: AtomicU64,
    pub(super) sent: Arc<AtomicU64>,
    pub(super) recorded: Mutex<Vec<RecordedRequest>>,
}

pub async fn answer(State(behaviour): State<Arc<Behaviour>>, request: Request) -> Response {
    let number = behaviour.arrived.fetch_add(1, Ordering::SeqCst) + 1;
    let hook = behaviour.hooks.lock().unwrap().remove(&number);
    if let Some(action) = hook {
        action();
    }
    if behaviour.is_silent {
        std::future::pending::<()>().await;
    }
    let mut record = RecordedRequest {
        method: request.method().to_string(),
        target: request.uri().to_string(),
        status: 0,
        headers: request.headers().clone(),
    };
    let refusal = behaviour.refusal(number, request.uri().path(), request.headers());
    let mut response = match refusal.or_else(|| behaviour.habits.refusal(&request)) {
        Some(refusal) => refusal,
        None => behaviour.file(number, request).await,
    };
    if behaviour.date_shift_hours != 0 {
        let date = Utc::now() + TimeDelta::hours(behaviour.date_shift_hours);
        // RFC 9110, section 5.6.7.
        let date = date.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        response.headers_mut().insert(header::DATE, HeaderValue::from_str(&date).unwrap());
    }
    record.status = response.status().as_u16();
    if let Some(observer) = &behaviour.observer {
        observer(&record);
    }
    behaviour.recorded.lock().unwrap().push(record);
    response
}

impl Behaviour {
    /// The answer that replaces the file, if any.
    fn refusal(&self, number: u64, path: &str, headers: &HeaderMap) -> Option<Response> {
        if let Some(reply) = self.fixed_reply.filter(|reply| reply.applies(number)) {
            return Some(reply.response());
        }
        if let Some(expected) = &self.authorization
            && headers.get(header::AUTHORIZATION).is_none_or(|given| given.as_bytes() != expected.as_bytes())
        {
            let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"dumps\"")];
            return Some((StatusCode::UNAUTHORIZED, challenge, "401 Unauthorized\n").into_response());
        }
        if let Some((from, location)) = &self.redirect
            && from.as_ref().is_none_or(|from| from == path)
        {
            let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
            let location = HeaderValue::from_bytes(location.replace("[host]", host).as_bytes()).unwrap();
            return Some((StatusCode::FOUND, [(header::LOCATION, location)], "302 Found\n").into_response());
        }
        self.page.clone().map(|page| Html(page).into_response())
    }

    async fn file(&self, number: u64, mut request: Request) -> Response {
        if let Some(size) = self.claimed_size {
            return self.claimed(size, &request).unwrap_or_else(|| StatusCode::NOT_FOUND.into_response());
        }
        if let Some(refusal) = self.habits.refuse_suffix(request.headers_mut()) {
            return refusal;
        }
        let validator = request.headers().get(header::IF_RANGE).cloned();
        let validator = validator.filter(|_| !self.habits.ignores_if_range);
        let has_ranges = !self.no_ranges && self.ranges_end_before.is_none_or(|end| number < end);
        if !has_ranges || !self.is_current(request.uri().clone(), validator).await {
            request.headers_mut().remove(header::RANGE);
        }
        let wrong = self.wrong_range.filter(|(_, begin)| number >= *begin).map(|(wrong, _)| wrong);
        let Some(mut response) = self.serve_range(wrong, request).await else {
            return StatusCode::NOT_FOUND.into_response();
        };
        if !has_ranges {
            response.headers_mut().remove(header::ACCEPT_RANGES);
        }
        self.habits.apply(number, response.headers_mut());
        if self.no_validators {
            response.headers_mut().remove(header::ETAG);
            response.headers_mut().remove(header::LAST_MODIFIED);
        }
        if self.no_length {
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
        let mut fault = None;
        if response.status().is_success() {
            let number = self.bodies.fetch_add(1, Ordering::SeqCst) + 1;
            fault = self.body_fault.filter(|_| number <= self.faulty_requests);
        }
        response.map(|body| Body::new(MeteredBody::new(body, Arc::clone(&self.sent), fault, self.bytes_per_second)))
    }

    /// Whether the validator of `If-Range`, if given, matches the current file (RFC 9110, section 13.1.5), which
    /// `ServeDir` does not check.
    async fn is_current(&self, uri: Uri, validator: Option<HeaderValue>) -> bool {
        let Some(validator) = validator else { return true };
        let mut head = Request::new(Body::empty());
        *head.method_mut() = Method::HEAD;
        *head.uri_mut() = uri;
        let Some(current) = self.serve(head).await else { return false };
        let matches = |name: HeaderName| current.headers().get(name) == Some(&validator);
        !self.no_validators && (matches(header::ETAG) || matches(header::LAST_MODIFIED))
    }

    /// A range of the file, which is preceded by zeros up to the claimed `size`.
    fn claimed(&self, size: u64, request: &Request) -> Option<Response> {
        let range = request.headers().get(header::RANGE)?.to_str().ok()?.strip_prefix("bytes=")?;
        let (first, last) = match range.split_once('-')? {
            ("", count) => (size.saturating_sub(count.parse().ok()?), size - 1),
            (first, last) => (first.parse().ok()?, last.parse().ok()?),
        };
        let file = std::fs::read(self.folder.join(&request.uri().path()[1..])).ok()?;
        let zeros = size - file.len() as u64;
        let part =
            (first..=last).map(|at| at.checked_sub(zeros).map_or(0, |at| file[at as usize])).collect::<Vec<u8>>();
        self.sent.fetch_add(part.len() as u64, Ordering::Relaxed);
        let range = format!("bytes {first}-{last}/{size}");
        let headers = [(header::ETAG, "\"claimed\"".to_owned()), (header::CONTENT_RANGE, range)];
        Some((StatusCode::PARTIAL_CONTENT, headers, part).into_response())
    }

    async fn serve_range(&self, wrong: Option<WrongRange>, mut request: Request) -> Option<Response> {
        if wrong == Some(WrongRange::Body) {
            shift(request.headers_mut(), &header::RANGE, 1);
        }
        let mut response = self.serve(request).await?;
        match wrong {
            Some(WrongRange::Header) => shift(response.headers_mut(), &header::CONTENT_RANGE, 1),
            Some(WrongRange::Body) => shift(response.headers_mut(), &header::CONTENT_RANGE, -1),
            None => {}
        }
        Some(response)
    }

    async fn serve(&self, request: Request) -> Option<Response> {
        ServeDir::new(&self.folder)
            .with_buf_chunk_size(READ_SIZE)
            .try_call(request)
            .await
            .ok()
            .map(|response| response.map(Body::new))
    }
}

/// Shifts the range in the header `name`, if present, by `by` bytes.
fn shift(headers: &mut HeaderMap, name: &HeaderName, by: i64) {
    let range = headers.get(name).and_then(|value| value.to_str().ok()).and_then(|range| WrongRange::shift(range, by));
    if let Some(range) = range {
        headers.insert(name, HeaderValue::from_str(&range).unwrap());
    }
}
