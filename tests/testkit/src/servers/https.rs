//! A web server that serves a folder over HTTPS with byte ranges, and that can be told to be difficult.

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
            behaviour: Behaviour::new(folder),
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

    /// Counts the bytes of bodies that were sent, for who cannot hold the server.
    pub fn bytes_counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.behaviour.sent)
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

    /// Ignores `Range` from the request with this number (from 1) on.
    pub fn without_ranges_from(mut self, request: u64) -> Builder {
        self.behaviour.ranges_end_before = Some(request);
        self
    }

    /// Lies so in answers to ranges, from the request with this number (from 1) on.
    pub fn lying(mut self, lie: Lie, request: u64) -> Builder {
        self.behaviour.lie = Some((lie, request));
        self
    }

    /// Sends neither `ETag` nor `Last-Modified`.
    pub fn without_validators(mut self) -> Builder {
        self.behaviour.validators = false;
        self
    }

    /// Sends bodies in chunks, without `Content-Length`.
    pub fn without_length(mut self) -> Builder {
        self.behaviour.has_length = false;
        self
    }

    /// Takes requests and never answers.
    pub fn silent(mut self) -> Builder {
        self.behaviour.is_silent = true;
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

    /// Redirects every request to `location` with 302; `[host]` in it stands for this server's host and port.
    pub fn redirect_to(mut self, location: &str) -> Builder {
        self.behaviour.redirect = Some((None, location.to_owned()));
        self
    }

    /// Redirects requests for `path` alone.
    pub fn redirect_from(mut self, path: &str, location: &str) -> Builder {
        self.behaviour.redirect = Some((Some(path.to_owned()), location.to_owned()));
        self
    }

    /// Says in answers to ranges that each file has `size` bytes: zeros, and then the file.
    pub fn claiming_size(mut self, size: u64) -> Builder {
        self.behaviour.claimed_size = Some(size);
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
