//! A web server that serves a folder over HTTPS with byte ranges and optional faults.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::certificates::{Authority, Identity};
use super::faults::{BodyFault, FixedReply, WrongRange};
use super::https_answers::{Behaviour, RecordedRequest, answer};
use super::https_habits::Etag;
use super::listener::{Endpoint, HttpListener};

pub struct Builder {
    endpoint: Endpoint,
    behaviour: Behaviour,
}

pub struct HttpsServer {
    listener: HttpListener,
    behaviour: Arc<Behaviour>,
}

impl HttpsServer {
    /// Serves the files in `folder`, over TLS with a certificate of [`Authority::shared`].
    pub fn builder(folder: &Path) -> Builder {
        let behaviour = Behaviour { folder: folder.to_owned(), ..Behaviour::default() };
        Builder { endpoint: Endpoint::default(), behaviour }
    }

    /// `path` begins with `/`.
    pub fn url(&self, path: &str) -> String {
        self.listener.url(path)
    }

    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    pub fn requests(&self) -> u64 {
        self.behaviour.arrived.load(Ordering::SeqCst)
    }

    /// In bodies.
    pub fn bytes_sent(&self) -> u64 {
        self.behaviour.sent.load(Ordering::Relaxed)
    }

    /// The counter of [`bytes_sent`](HttpsServer::bytes_sent), to read it from another thread.
    pub fn bytes_counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.behaviour.sent)
    }

    /// The answered requests, in order.
    pub fn recorded_requests(&self) -> Vec<RecordedRequest> {
        self.behaviour.recorded.lock().unwrap().clone()
    }
}

impl Builder {
    http_setters! { self }

    setters! { self;
        address(address: SocketAddr) { self.endpoint.address = address; }
        /// Requires a client certificate of `authority`.
        client_certificates_of(authority: &Authority) { self.endpoint.client_authority = Some(authority.pem()); }
        /// Ignores `Range` and omits `Accept-Ranges`.
        without_ranges() { self.behaviour.no_ranges = true; }
        /// Ignores `Range` from the request with this number (from 1) on.
        without_ranges_from(request: u64) { self.behaviour.ranges_end_before = Some(request); }
        /// Sends wrong ranges from the request with this number (from 1) on.
        wrong_ranges_from(request: u64, wrong: WrongRange) { self.behaviour.wrong_range = Some((wrong, request)); }
        /// Sends neither `ETag` nor `Last-Modified`.
        without_validators() { self.behaviour.no_validators = true; }
        /// Answers ranges from the end with `status`; 200 sends the whole file.
        without_suffix_ranges(status: u16) { self.behaviour.habits.suffix_status = Some(status); }
        /// Sends ranges of any version of the file, like MinIO.
        ignoring_if_range() { self.behaviour.habits.ignores_if_range = true; }
        etag(etag: Etag) { self.behaviour.habits.etag = etag; }
        without_last_modified() { self.behaviour.habits.no_last_modified = true; }
        /// Answers from a cache, with an `Age`.
        age(seconds: u64) { self.behaviour.habits.age = Some(seconds); }
        /// Ends each `Content-Range` with `/*`.
        without_total() { self.behaviour.habits.hides_total = true; }
        /// Answers 403 to requests other than GET, and to those with another query.
        signed(query: &str) { self.behaviour.habits.signature = Some(query.to_owned()); }
        /// Answers 401 to requests without this header.
        token(name: &str, value: &str) { self.behaviour.habits.token = Some((name.to_owned(), value.to_owned())); }
        /// Sends bodies in chunks, without `Content-Length`.
        without_length() { self.behaviour.no_length = true; }
        /// Accepts requests and never answers.
        silent() { self.behaviour.is_silent = true; }
        /// Answers 401 to requests without this user name and password.
        basic_auth(username: &str, password: &str) {
            let credentials = BASE64_STANDARD.encode(format!("{username}:{password}"));
            self.behaviour.authorization = Some(format!("Basic {credentials}"));
        }
        /// Redirects every request to `location` with 302; `[host]` in it is replaced by this server's host and port.
        redirect_to(location: &str) { self.behaviour.redirect = Some((None, location.to_owned())); }
        /// Redirects only requests for `path`.
        redirect_from(path: &str, location: &str) {
            self.behaviour.redirect = Some((Some(path.to_owned()), location.to_owned()));
        }
        /// Makes each file appear to have `size` bytes: zeros, then the file.
        claiming_size(size: u64) { self.behaviour.claimed_size = Some(size); }
        /// Answers every request with 200 and an HTML page, as login portals do.
        html_page(page: &str) { self.behaviour.page = Some(page.to_owned()); }
        date_shifted_by_hours(hours: i64) { self.behaviour.date_shift_hours = hours; }
        /// Closes the connection after `bytes` bytes of a body, for the first `requests` requests that get a file.
        cut_after(bytes: u64, requests: u64) {
            self.behaviour.body_fault = Some((bytes, BodyFault::Cut));
            self.behaviour.faulty_requests = requests;
        }
        /// Stops sending after `bytes` bytes of a body, for the first `requests` requests that get a file.
        stall_after(bytes: u64, requests: u64) {
            self.behaviour.body_fault = Some((bytes, BodyFault::Stall));
            self.behaviour.faulty_requests = requests;
        }
        /// Limits the speed of each body.
        bytes_per_second(rate: u64) { self.behaviour.bytes_per_second = Some(rate); }
    }

    /// Runs `action` before answering the request with this number (from 1), for example to change the file.
    pub fn before_request(self, number: u64, action: impl FnOnce() + Send + 'static) -> Builder {
        self.behaviour.hooks.lock().unwrap().insert(number, Box::new(action));
        self
    }

    /// Calls `observer` with each request when its answer starts.
    pub fn on_answer(mut self, observer: impl Fn(&RecordedRequest) + Send + Sync + 'static) -> Builder {
        self.behaviour.observer = Some(Box::new(observer));
        self
    }

    pub fn start(self) -> HttpsServer {
        self.try_start().expect("the port is free")
    }

    pub fn try_start(self) -> io::Result<HttpsServer> {
        let behaviour = Arc::new(self.behaviour);
        let listener = self.endpoint.serve(Router::new().fallback(answer).with_state(Arc::clone(&behaviour)))?;
        Ok(HttpsServer { listener, behaviour })
    }
}
