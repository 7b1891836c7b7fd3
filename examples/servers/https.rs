//! A web server that serves a folder over HTTPS with byte ranges, and that can be told to be difficult.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{TimeDelta, Utc};
use tower_http::services::ServeDir;

use super::certificates::{Authority, Identity, LOOPBACK_NAMES};
use super::faults::{Ending, FixedReply, MeteredBody};
use super::listener::{Listening, loopback};

/// What a request was, as the server saw it.
#[derive(Debug, Clone)]
pub struct SeenRequest {
    /// `GET` or another method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The status with which it was answered.
    pub status: u16,
    headers: HashMap<String, String>,
}

impl SeenRequest {
    /// The value of a header, named in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The header `Range`.
    pub fn range(&self) -> Option<&str> {
        self.header("range")
    }

    /// Whether it carried the header `Authorization`.
    pub fn has_authorization(&self) -> bool {
        self.headers.contains_key("authorization")
    }
}

type Hook = Box<dyn FnOnce() + Send>;
type Witness = Box<dyn Fn(&SeenRequest) + Send + Sync>;

struct Behaviour {
    folder: PathBuf,
    ranges: bool,
    validators: bool,
    authorization: Option<String>,
    fixed_reply: Option<FixedReply>,
    redirect: Option<String>,
    page: Option<String>,
    date_shift_hours: i64,
    body_fault: Option<(u64, Ending)>,
    faulty_requests: u64,
    bytes_per_second: Option<u64>,
    hooks: Mutex<HashMap<u64, Hook>>,
    witness: Option<Witness>,
    arrived: AtomicU64,
    bodies: AtomicU64,
    sent: Arc<AtomicU64>,
    seen: Mutex<Vec<SeenRequest>>,
}

/// Says how the web server behaves.
pub struct Builder {
    address: SocketAddr,
    identity: Option<Identity>,
    clients: Option<String>,
    is_plain: bool,
    behaviour: Behaviour,
}

/// A running web server.
pub struct HttpsServer {
    listening: Listening,
    scheme: &'static str,
    behaviour: Arc<Behaviour>,
}

impl HttpsServer {
    /// A server for the files in `folder`, over TLS with a certificate of [`Authority::shared`].
    pub fn builder(folder: &Path) -> Builder {
        Builder {
            address: loopback(0),
            identity: None,
            clients: None,
            is_plain: false,
            behaviour: Behaviour {
                folder: folder.to_owned(),
                ranges: true,
                validators: true,
                authorization: None,
                fixed_reply: None,
                redirect: None,
                page: None,
                date_shift_hours: 0,
                body_fault: None,
                faulty_requests: 0,
                bytes_per_second: None,
                hooks: Mutex::default(),
                witness: None,
                arrived: AtomicU64::new(0),
                bodies: AtomicU64::new(0),
                sent: Arc::default(),
                seen: Mutex::default(),
            },
        }
    }

    /// The address of `path`, which begins with `/`, on this server.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.listening.address())
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.listening.address().port()
    }

    /// How many requests came.
    pub fn requests(&self) -> u64 {
        self.behaviour.arrived.load(Ordering::SeqCst)
    }

    /// How many bytes of bodies were sent.
    pub fn bytes_sent(&self) -> u64 {
        self.behaviour.sent.load(Ordering::Relaxed)
    }

    /// The requests that were answered, in order.
    pub fn seen(&self) -> Vec<SeenRequest> {
        self.behaviour.seen.lock().unwrap().clone()
    }
}

impl Builder {
    /// Listens on this port of loopback.
    pub fn port(mut self, port: u16) -> Builder {
        self.address.set_port(port);
        self
    }

    /// Listens on this address.
    pub fn address(mut self, address: SocketAddr) -> Builder {
        self.address = address;
        self
    }

    /// Shows this certificate.
    pub fn identity(mut self, identity: Identity) -> Builder {
        self.identity = Some(identity);
        self
    }

    /// Lets in only clients with a certificate of `authority`.
    pub fn client_certificates_of(mut self, authority: &Authority) -> Builder {
        self.clients = Some(authority.pem());
        self
    }

    /// Speaks HTTP without TLS.
    pub fn plain_http(mut self) -> Builder {
        self.is_plain = true;
        self
    }

    /// Ignores `Range` and does not announce ranges.
    pub fn without_ranges(mut self) -> Builder {
        self.behaviour.ranges = false;
        self
    }

    /// Sends neither `ETag` nor `Last-Modified`.
    pub fn without_validators(mut self) -> Builder {
        self.behaviour.validators = false;
        self
    }

    /// Answers 401 to who does not send this user and password.
    pub fn basic_auth(mut self, username: &str, password: &str) -> Builder {
        let credentials = BASE64_STANDARD.encode(format!("{username}:{password}"));
        self.behaviour.authorization = Some(format!("Basic {credentials}"));
        self
    }

    /// Answers every request with `status`.
    pub fn status(mut self, status: u16) -> Builder {
        self.behaviour.fixed_reply = Some(FixedReply { status, retry_after: None, requests: None });
        self
    }

    /// Answers the first `requests` requests with `status`.
    pub fn status_for(mut self, status: u16, requests: u64) -> Builder {
        self.behaviour.fixed_reply = Some(FixedReply { status, retry_after: None, requests: Some(requests) });
        self
    }

    /// Adds `Retry-After` to the fixed status, which must be set before.
    pub fn retry_after(mut self, seconds: u64) -> Builder {
        self.behaviour.fixed_reply.as_mut().expect("a status is set first").retry_after = Some(seconds);
        self
    }

    /// Redirects every request to `location` with 302.
    pub fn redirect_to(mut self, location: &str) -> Builder {
        self.behaviour.redirect = Some(location.to_owned());
        self
    }

    /// Answers every request with 200 and an HTML page, as login portals do.
    pub fn html_page(mut self, page: &str) -> Builder {
        self.behaviour.page = Some(page.to_owned());
        self
    }

    /// Shifts the header `Date` by so many hours.
    pub fn date_shifted_by_hours(mut self, hours: i64) -> Builder {
        self.behaviour.date_shift_hours = hours;
        self
    }

    /// Closes the connection after `bytes` bytes of a body, for the first `requests` requests that get a file.
    pub fn cut_after(mut self, bytes: u64, requests: u64) -> Builder {
        self.behaviour.body_fault = Some((bytes, Ending::Cut));
        self.behaviour.faulty_requests = requests;
        self
    }

    /// Falls silent after `bytes` bytes of a body, for the first `requests` requests that get a file.
    pub fn stall_after(mut self, bytes: u64, requests: u64) -> Builder {
        self.behaviour.body_fault = Some((bytes, Ending::Stall));
        self.behaviour.faulty_requests = requests;
        self
    }

    /// Sends each body at this speed at most.
    pub fn bytes_per_second(mut self, rate: u64) -> Builder {
        self.behaviour.bytes_per_second = Some(rate);
        self
    }

    /// Runs `action` before the request with this number (from 1) is answered, say to change the file.
    pub fn before_request(self, number: u64, action: impl FnOnce() + Send + 'static) -> Builder {
        self.behaviour.hooks.lock().unwrap().insert(number, Box::new(action));
        self
    }

    /// Shows each request to `witness` once its answer begins.
    pub fn on_answer(mut self, witness: impl Fn(&SeenRequest) + Send + Sync + 'static) -> Builder {
        self.behaviour.witness = Some(Box::new(witness));
        self
    }

    /// Starts the server.
    pub fn start(self) -> HttpsServer {
        self.try_start().expect("the port is free")
    }

    /// Starts the server.
    ///
    /// # Errors
    /// Where the address cannot be listened on.
    pub fn try_start(self) -> io::Result<HttpsServer> {
        let tls = (!self.is_plain).then(|| {
            let identity = self.identity.unwrap_or_else(|| Authority::shared().server(&LOOPBACK_NAMES));
            identity.server_config(self.clients.as_deref())
        });
        let behaviour = Arc::new(self.behaviour);
        let router = Router::new().fallback(answer).with_state(Arc::clone(&behaviour));
        let listening = Listening::start(self.address, tls, router)?;
        Ok(HttpsServer { listening, scheme: if self.is_plain { "http" } else { "https" }, behaviour })
    }
}

async fn answer(State(behaviour): State<Arc<Behaviour>>, request: Request) -> Response {
    let number = behaviour.arrived.fetch_add(1, Ordering::SeqCst) + 1;
    let hook = behaviour.hooks.lock().unwrap().remove(&number);
    if let Some(action) = hook {
        action();
    }
    let mut seen = SeenRequest {
        method: request.method().to_string(),
        target: request.uri().to_string(),
        status: 0,
        headers: text_of(request.headers()),
    };
    let mut response = match behaviour.refusal(number, request.headers()) {
        Some(refusal) => refusal,
        None => behaviour.file(request).await,
    };
    if behaviour.date_shift_hours != 0 {
        let date = Utc::now() + TimeDelta::hours(behaviour.date_shift_hours);
        // RFC 9110, section 5.6.7.
        let date = date.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        response.headers_mut().insert(header::DATE, HeaderValue::from_str(&date).unwrap());
    }
    seen.status = response.status().as_u16();
    if let Some(witness) = &behaviour.witness {
        witness(&seen);
    }
    behaviour.seen.lock().unwrap().push(seen);
    response
}

impl Behaviour {
    /// What is answered instead of a file.
    fn refusal(&self, number: u64, headers: &HeaderMap) -> Option<Response> {
        if let Some(reply) = self.fixed_reply.filter(|reply| reply.applies(number)) {
            return Some(reply.response());
        }
        if let Some(expected) = &self.authorization
            && headers.get(header::AUTHORIZATION).is_none_or(|given| given.as_bytes() != expected.as_bytes())
        {
            let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"dumps\"")];
            return Some((StatusCode::UNAUTHORIZED, challenge, "401 Unauthorized\n").into_response());
        }
        if let Some(location) = &self.redirect {
            return Some((StatusCode::FOUND, [(header::LOCATION, location.clone())]).into_response());
        }
        self.page.clone().map(|page| Html(page).into_response())
    }

    async fn file(&self, mut request: Request) -> Response {
        let validator = request.headers().get(header::IF_RANGE).cloned();
        if !self.ranges || !self.is_current(request.uri().clone(), validator).await {
            request.headers_mut().remove(header::RANGE);
        }
        let Some(mut response) = self.serve(request).await else {
            return StatusCode::NOT_FOUND.into_response();
        };
        if !self.ranges {
            response.headers_mut().remove(header::ACCEPT_RANGES);
        }
        if !self.validators {
            response.headers_mut().remove(header::ETAG);
            response.headers_mut().remove(header::LAST_MODIFIED);
        }
        let mut fault = None;
        if response.status().is_success() {
            let number = self.bodies.fetch_add(1, Ordering::SeqCst) + 1;
            fault = self.body_fault.filter(|_| number <= self.faulty_requests);
        }
        response.map(|body| Body::new(MeteredBody::new(body, Arc::clone(&self.sent), fault, self.bytes_per_second)))
    }

    /// Whether the validator of `If-Range`, if there is one, names the file as it is now (RFC 9110, section 13.1.5);
    /// `ServeDir` does not look.
    async fn is_current(&self, uri: Uri, validator: Option<HeaderValue>) -> bool {
        let Some(validator) = validator else { return true };
        let mut head = Request::new(Body::empty());
        *head.method_mut() = Method::HEAD;
        *head.uri_mut() = uri;
        let Some(current) = self.serve(head).await else { return false };
        let is = |name: HeaderName| current.headers().get(name) == Some(&validator);
        self.validators && (is(header::ETAG) || is(header::LAST_MODIFIED))
    }

    async fn serve(&self, request: Request) -> Option<Response> {
        ServeDir::new(&self.folder).try_call(request).await.ok().map(|response| response.map(Body::new))
    }
}

fn text_of(headers: &HeaderMap) -> HashMap<String, String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}
