//! An endpoint that accepts exactly what Mattermost's incoming webhook accepts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::certificates::Identity;
use super::faults::FixedReply;
use super::listener::{Endpoint, HttpListener};

/// In Unicode code points; Mattermost splits a longer text (`POST_MESSAGE_MAX_RUNES_V2`).
const MAX_TEXT: usize = 16_383;

/// In bytes; the default of Mattermost's `ServiceSettings.MaximumPayloadSizeBytes`.
const MAX_BODY: usize = 300_000;

/// An accepted message, with the keys of Mattermost's page "Incoming webhooks".
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Post {
    /// Markdown.
    pub text: String,
    pub username: Option<String>,
    pub icon_url: Option<String>,
    pub icon_emoji: Option<String>,
    pub channel: Option<String>,
    pub props: Option<Map<String, Value>>,
    pub attachments: Option<Vec<Attachment>>,
}

/// An attachment, with the keys of Mattermost's page "Message attachments" except links and images.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// Shown in notifications.
    pub fallback: String,
    /// `good`, `warning`, `danger` or a hexadecimal colour.
    pub color: Option<String>,
    pub pretext: Option<String>,
    pub title: Option<String>,
    pub text: Option<String>,
    #[serde(default)]
    pub fields: Vec<Field>,
    pub footer: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    pub title: String,
    pub value: String,
    #[serde(default)]
    pub short: bool,
}

impl Attachment {
    /// Fails for what Mattermost refuses: a wrong colour, or nothing to show.
    fn check(&self) -> Result<(), String> {
        let is_hexadecimal = |color: &str| {
            color.strip_prefix('#').is_some_and(|digits| {
                matches!(digits.len(), 3 | 6) && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
            })
        };
        if let Some(color) = self.color.as_deref()
            && !["good", "warning", "danger"].contains(&color)
            && !is_hexadecimal(color)
        {
            return Err(format!("{color:?} is not a colour of an attachment"));
        }
        let shown = [&self.pretext, &self.title, &self.text, &self.footer];
        if self.fallback.is_empty() || (self.fields.is_empty() && shown.iter().all(|text| text.is_none())) {
            return Err("an attachment has nothing to show".to_owned());
        }
        Ok(())
    }
}

#[derive(Default)]
struct Behaviour {
    id: String,
    fixed_reply: Option<FixedReply>,
    is_silent: bool,
    arrived: AtomicU64,
    posts: Mutex<Vec<Post>>,
    refusals: Mutex<Vec<String>>,
}

pub struct Builder {
    endpoint: Endpoint,
    behaviour: Behaviour,
}

pub struct WebhookServer {
    listener: HttpListener,
    behaviour: Arc<Behaviour>,
}

impl WebhookServer {
    /// An endpoint over TLS with a certificate of [`Authority::shared`](super::Authority::shared).
    pub fn builder() -> Builder {
        let behaviour = Behaviour { id: "qe1x5bnmyjbjfqjz6pxqk7czew".to_owned(), ..Behaviour::default() };
        Builder { endpoint: Endpoint::default(), behaviour }
    }

    /// The URL, which is a secret.
    pub fn url(&self) -> String {
        self.listener.url(&format!("/hooks/{}", self.behaviour.id))
    }

    /// The secret part of the URL.
    pub fn id(&self) -> &str {
        &self.behaviour.id
    }

    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    /// The number of requests, accepted or not.
    pub fn requests(&self) -> u64 {
        self.behaviour.arrived.load(Ordering::SeqCst)
    }

    /// The accepted messages in order.
    pub fn posts(&self) -> Vec<Post> {
        self.behaviour.posts.lock().unwrap().clone()
    }

    /// The reasons why requests were refused.
    pub fn refusals(&self) -> Vec<String> {
        self.behaviour.refusals.lock().unwrap().clone()
    }
}

impl Builder {
    http_setters! { self }

    setters! { self;
        /// Accepts messages at `/hooks/<id>`.
        id(id: &str) { id.clone_into(&mut self.behaviour.id); }
        /// Records the message and never answers.
        silent() { self.behaviour.is_silent = true; }
    }

    pub fn start(self) -> WebhookServer {
        let behaviour = Arc::new(self.behaviour);
        let router = Router::new().route("/hooks/{id}", post(answer)).with_state(Arc::clone(&behaviour));
        WebhookServer { listener: self.endpoint.serve(router).expect("the port is free"), behaviour }
    }
}

async fn answer(
    State(behaviour): State<Arc<Behaviour>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let number = behaviour.arrived.fetch_add(1, Ordering::SeqCst) + 1;
    if let Some(reply) = behaviour.fixed_reply.filter(|reply| reply.applies(number)) {
        return reply.response();
    }
    if id != behaviour.id {
        return refuse(&behaviour, StatusCode::NOT_FOUND, format!("there is no webhook {id:?}"));
    }
    match decode(&headers, &body) {
        Ok(post) => behaviour.posts.lock().unwrap().push(post),
        Err(reason) => return refuse(&behaviour, StatusCode::BAD_REQUEST, reason),
    }
    if behaviour.is_silent {
        std::future::pending::<()>().await;
    }
    "ok".into_response()
}

fn refuse(behaviour: &Behaviour, status: StatusCode, reason: String) -> Response {
    let reply = (status, format!("{reason}\n")).into_response();
    behaviour.refusals.lock().unwrap().push(reason);
    reply
}

fn decode(headers: &HeaderMap, body: &[u8]) -> Result<Post, String> {
    if body.len() > MAX_BODY {
        return Err(format!("the body has {} bytes, more than the limit of {MAX_BODY}", body.len()));
    }
    let content_type = headers.get(header::CONTENT_TYPE).map_or("", |value| value.to_str().unwrap_or(""));
    if content_type.split(';').next().map(str::trim) != Some("application/json") {
        return Err(format!("the content type is {content_type:?}, not application/json"));
    }
    let post: Post = serde_json::from_slice(body).map_err(|error| format!("the body is not a message: {error}"))?;
    if post.text.is_empty() {
        return Err("the text is empty".to_owned());
    }
    let runes = post.text.chars().count();
    if runes > MAX_TEXT {
        return Err(format!("the text has {runes} runes, more than the limit of {MAX_TEXT}"));
    }
    for attachment in post.attachments.iter().flatten() {
        attachment.check()?;
    }
    Ok(post)
}
