//! An endpoint with healthchecks.io's pinging API, which records each ping.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::faults::FixedReply;
use super::listener::{Endpoint, HttpListener};

/// The check's id, its only secret.
const ID: &str = "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278";

/// A request to the endpoint, whether valid or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ping {
    pub method: String,
    /// The path after the check's id: `""`, `/start`, `/fail`. The whole path if the id is wrong.
    pub path: String,
    pub query: Option<String>,
    pub content_type: String,
    pub body: String,
}

#[derive(Default)]
struct Behaviour {
    id: String,
    fixed_reply: Option<(FixedReply, &'static str)>,
    silent_at: Option<&'static str>,
    pings: Mutex<Vec<Ping>>,
}

pub struct Builder {
    behaviour: Behaviour,
}

/// Uses TLS with a certificate of [`Authority::shared`](super::Authority::shared).
pub struct PingServer {
    listener: HttpListener,
    behaviour: Arc<Behaviour>,
}

impl PingServer {
    /// An endpoint with one check, which accepts every ping.
    pub fn builder() -> Builder {
        Builder { behaviour: Behaviour { id: ID.to_owned(), ..Behaviour::default() } }
    }

    pub fn url(&self) -> String {
        self.listener.url(&format!("/{}", self.behaviour.id))
    }

    /// All requests in order of arrival.
    pub fn pings(&self) -> Vec<Ping> {
        self.behaviour.pings.lock().unwrap().clone()
    }
}

impl Builder {
    setters! { self;
        /// The check's path, without a leading slash.
        id(id: &str) { id.clone_into(&mut self.behaviour.id); }
        /// Answers requests with a path that ends with `suffix` with `status`; only the first `requests` requests (of
        /// any path) if given.
        status(status: u16, suffix: &'static str, requests: Option<u64>) {
            self.behaviour.fixed_reply = Some((FixedReply::new(status, requests), suffix));
        }
        /// Never answers requests with a path that ends with `suffix`.
        silent_at(suffix: &'static str) { self.behaviour.silent_at = Some(suffix); }
    }

    pub fn start(self) -> PingServer {
        let behaviour = Arc::new(self.behaviour);
        let router = Router::new().fallback(answer).with_state(Arc::clone(&behaviour));
        PingServer { listener: Endpoint::default().serve(router).expect("loopback has a free port"), behaviour }
    }
}

async fn answer(
    State(behaviour): State<Arc<Behaviour>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path();
    let suffix = path.strip_prefix('/').and_then(|path| path.strip_prefix(&behaviour.id));
    let number = {
        let mut pings = behaviour.pings.lock().unwrap();
        pings.push(Ping {
            method: method.to_string(),
            path: suffix.unwrap_or(path).to_owned(),
            query: uri.query().map(str::to_owned),
            content_type: headers.get(header::CONTENT_TYPE).map_or("", |it| it.to_str().unwrap_or("")).to_owned(),
            body: String::from_utf8_lossy(&body).into_owned(),
        });
        pings.len() as u64
    };
    if behaviour.silent_at.is_some_and(|end| path.ends_with(end)) {
        std::future::pending::<()>().await;
    }
    match behaviour.fixed_reply {
        Some((reply, end)) if path.ends_with(end) && reply.applies(number) => reply.response(),
        _ => match suffix {
            Some("" | "/start" | "/fail") => "OK".into_response(),
            // healthchecks.io answers an unknown id with 200.
            None => "OK (not found)".into_response(),
            Some(_) => (StatusCode::NOT_FOUND, "not found").into_response(),
        },
    }
}
