//! A web server that serves a folder over HTTPS with byte ranges, with faults on request.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::certificates::{Authority, Identity, LOOPBACK_NAMES};
use super::faults::{Ending, FixedReply, Lie};
use super::https_answers::{Behaviour, SeenRequest, answer};
use super::listener::{Listening, loopback};

pub struct Builder {
    address: SocketAddr,
    identity: Option<Identity>,
    clients: Option<String>,
    is_plain: bool,
    behaviour: Behaviour,
}

pub struct HttpsServer {
    listening: Listening,
    scheme: &'static str,
    behaviour: Arc<Behaviour>,
}

impl HttpsServer {
    /// Serves the files in `folder`, over TLS with a certificate of [`Authority::shared`].
    pub fn builder(folder: &Path) -> Builder {
        let behaviour = Behaviour { folder: folder.to_owned(), ..Behaviour::default() };
        Builder { address: loopback(0), identity: None, clients: None, is_plain: false, behaviour }
    }

    /// `path` begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.listening.address())
    }

    pub fn port(&self) -> u16 {
        self.listening.address().port()
    }

    pub fn requests(&self) -> u64 {
        self.behaviour.arrived.load(Ordering::SeqCst)
    }

    /// Bytes of bodies.
    pub fn bytes_sent(&self) -> u64 {
        self.behaviour.sent.load(Ordering::Relaxed)
    }

    /// The counter behind [`bytes_sent`](HttpsServer::bytes_sent), for a thread that does not own the server.
    pub fn bytes_counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.behaviour.sent)
    }

    /// The answered requests, in order.
    pub fn seen(&self) -> Vec<SeenRequest> {
        self.behaviour.seen.lock().unwrap().clone()
    }
}

impl Builder {
    setters! { self;
        port(port: u16) { self.address.set_port(port); }
        /// Listens on this address.
        address(address: SocketAddr) { self.address = address; }
        /// The server's certificate.
        identity(identity: Identity) { self.identity = Some(identity); }
        /// Requires a client certificate of `authority`.
        client_certificates_of(authority: &Authority) { self.clients = Some(authority.pem()); }
        /// Speaks HTTP without TLS.
        plain_http() { self.is_plain = true; }
        /// Ignores `Range` and does not announce ranges.
        without_ranges() { self.behaviour.no_ranges = true; }
        /// Ignores `Range` from the request with this number (from 1) on.
        without_ranges_from(request: u64) { self.behaviour.ranges_end_before = Some(request); }
        /// Answers ranges wrongly from the request with this number (from 1) on.
        lying(lie: Lie, request: u64) { self.behaviour.lie = Some((lie, request)); }
        /// Sends neither `ETag` nor `Last-Modified`.
        without_validators() { self.behaviour.no_validators = true; }
        /// Sends bodies in chunks, without `Content-Length`.
        without_length() { self.behaviour.no_length = true; }
        /// Accepts requests and never answers.
        silent() { self.behaviour.is_silent = true; }
        /// Answers 401 without this user and password.
        basic_auth(username: &str, password: &str) {
            let credentials = BASE64_STANDARD.encode(format!("{username}:{password}"));
            self.behaviour.authorization = Some(format!("Basic {credentials}"));
        }
        /// Answers every request with `status`.
        status(status: u16) {
            self.behaviour.fixed_reply = Some(FixedReply { status, retry_after: None, requests: None });
        }
        /// Answers the first `requests` requests with `status`.
        status_for(status: u16, requests: u64) {
            self.behaviour.fixed_reply = Some(FixedReply { status, retry_after: None, requests: Some(requests) });
        }
        /// Adds `Retry-After` to the fixed status, which must be set before.
        retry_after(seconds: u64) {
            self.behaviour.fixed_reply.as_mut().expect("a status is set first").retry_after = Some(seconds);
        }
        /// Redirects every request to `location` with 302; `[host]` in it stands for this server's host and port.
        redirect_to(location: &str) { self.behaviour.redirect = Some((None, location.to_owned())); }
        /// Redirects requests for `path` alone.
        redirect_from(path: &str, location: &str) {
            self.behaviour.redirect = Some((Some(path.to_owned()), location.to_owned()));
        }
        /// Pretends that each file has `size` bytes: zeros, then the file.
        claiming_size(size: u64) { self.behaviour.claimed_size = Some(size); }
        /// Answers every request with 200 and an HTML page, as login portals do.
        html_page(page: &str) { self.behaviour.page = Some(page.to_owned()); }
        /// Shifts the header `Date`.
        date_shifted_by_hours(hours: i64) { self.behaviour.date_shift_hours = hours; }
        /// Closes the connection after `bytes` bytes of a body, for the first `requests` requests that get a file.
        cut_after(bytes: u64, requests: u64) {
            self.behaviour.body_fault = Some((bytes, Ending::Cut));
            self.behaviour.faulty_requests = requests;
        }
        /// Stops sending after `bytes` bytes of a body, for the first `requests` requests that get a file.
        stall_after(bytes: u64, requests: u64) {
            self.behaviour.body_fault = Some((bytes, Ending::Stall));
            self.behaviour.faulty_requests = requests;
        }
        /// Limits the speed of each body.
        bytes_per_second(rate: u64) { self.behaviour.bytes_per_second = Some(rate); }
    }

    /// Runs `action` before the request with this number (from 1) is answered, for example to change the file.
    pub fn before_request(self, number: u64, action: impl FnOnce() + Send + 'static) -> Builder {
        self.behaviour.hooks.lock().unwrap().insert(number, Box::new(action));
        self
    }

    /// Calls `witness` with each request when its answer starts.
    pub fn on_answer(mut self, witness: impl Fn(&SeenRequest) + Send + Sync + 'static) -> Builder {
        self.behaviour.witness = Some(Box::new(witness));
        self
    }

    pub fn start(self) -> HttpsServer {
        self.try_start().expect("the port is free")
    }

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
