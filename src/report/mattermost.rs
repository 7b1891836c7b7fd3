//! The Mattermost message: [`build`] makes the payload, [`send`] posts it to the incoming webhook.
//!
//! The webhook's address lets anyone post: no error text holds it, nor the host's name in it.

pub mod attachment;
pub mod markdown;

use std::time::Duration;

use serde_json::{Value, json};

use crate::config;
use crate::report::mattermost::attachment::Attachment;
use crate::report::post::{Endpoint, Message, PostError, Service};

static MATTERMOST: Service = Service {
    name: "the Mattermost server",
    address_key: "mattermost.webhook_url",
    ca_key: "mattermost.ca_file",
    unanswered: "the message may have been posted, so it was not sent again",
};

/// Why a message was not posted.
#[derive(Debug, thiserror::Error)]
pub enum MattermostError {
    /// The server did not get as far as an answer.
    #[error(transparent)]
    Post(#[from] PostError),
    /// The server answered something else than that it posted the message.
    #[error("the Mattermost server did not post the message: status {status}{reply}{}", advice(*status))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said, after a colon; empty where it said nothing.
        reply: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
}

fn advice(status: u16) -> &'static str {
    match status {
        // What comes with 200 but is not Mattermost's "ok" is a login page or another server.
        200 | 300..=399 | 401 | 403 | 404 => "; check mattermost.webhook_url",
        501 => "; incoming webhooks are switched off there",
        _ => "",
    }
}

impl MattermostError {
    /// Whether another try may go better, and cannot post the message twice: not after a time-out.
    pub fn is_transient(&self) -> bool {
        match self {
            MattermostError::Post(error) => matches!(error, PostError::Unreachable { .. }),
            // 501 is how Mattermost says that webhooks are switched off.
            MattermostError::Refused { status, .. } => matches!(status, 429 | 500 | 502..=599),
        }
    }

    /// How long the server wants to be left alone before another try, where it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            MattermostError::Refused { retry_after, .. } => *retry_after,
            MattermostError::Post(_) => None,
        }
    }
}

/// What is posted: `text` and `attachments`, under the name and picture that the configuration wants.
pub fn build(mattermost: &config::Mattermost, text: &str, attachments: &[Attachment]) -> Value {
    let mut payload = json!({ "text": text });
    if !attachments.is_empty() {
        payload["attachments"] = json!(attachments);
    }
    if let Some(username) = &mattermost.username {
        payload["username"] = json!(username);
    }
    if let Some(icon_url) = &mattermost.icon_url {
        payload["icon_url"] = json!(icon_url);
    }
    payload
}

/// Posts `payload`, once.
///
/// # Errors
/// If the server did not say that it posted it; [`is_transient`](MattermostError::is_transient) tells whether another
/// try makes sense.
pub fn send(mattermost: &config::Mattermost, payload: &Value) -> Result<(), MattermostError> {
    let endpoint = Endpoint::new(&MATTERMOST, &mattermost.webhook_url, mattermost.ca_file.as_deref())?;
    let message = Message { content_type: "application/json", body: payload.to_string(), limit: None };
    let answer = endpoint.post("", message)?;
    if answer.status == 200 && answer.body == "ok" {
        return Ok(());
    }
    Err(MattermostError::Refused { status: answer.status, reply: answer.told, retry_after: answer.retry_after })
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::config::SendOn;

    fn mattermost(url: &str) -> config::Mattermost {
        config::Mattermost {
            send: SendOn::Always,
            webhook_url: url.into(),
            username: None,
            icon_url: None,
            ca_file: None,
        }
    }

    /// What `send` makes of a server that answers `answer` to whatever it is sent.
    fn sent_to_server_with(answer: &'static str) -> Result<(), MattermostError> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 1024];
            while !String::from_utf8_lossy(&request).ends_with("{\"text\":\"hello\"}") {
                let count = stream.read(&mut buffer).unwrap();
                assert!(count > 0, "the request ended early");
                request.extend_from_slice(&buffer[..count]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let mattermost = mattermost(&format!("http://127.0.0.1:{port}/hooks/s3cr3thook"));
        let result = send(&mattermost, &build(&mattermost, "hello", &[]));
        server.join().unwrap();
        result
    }

    #[test]
    fn the_payload_holds_name_and_picture_only_where_they_are_wanted() {
        let mut mattermost = mattermost("https://chat.example.org/hooks/x");
        assert_eq!(build(&mattermost, "a", &[]), json!({"text": "a"}));
        mattermost.username = Some("backup".to_owned());
        mattermost.icon_url = Some("https://example.org/i.png".to_owned());
        assert_eq!(
            build(&mattermost, "a", &[]),
            json!({"text": "a", "username": "backup", "icon_url": "https://example.org/i.png"})
        );
    }

    #[test]
    fn ok_is_success_and_another_page_is_not() {
        sent_to_server_with("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        let error = sent_to_server_with("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>").unwrap_err();
        assert!(!error.is_transient());
        assert!(error.to_string().ends_with("status 200: <html>; check mattermost.webhook_url"), "{error}");
    }

    #[test]
    fn a_busy_server_says_when_to_come_back() {
        let answer = "HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n";
        let error = sent_to_server_with(answer).unwrap_err();
        assert!(error.is_transient());
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_redirect_is_not_followed() {
        let answer = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
        let error = sent_to_server_with(answer).unwrap_err();
        assert!(matches!(error, MattermostError::Refused { status: 302, .. }), "{error}");
    }

    #[test]
    fn an_error_never_holds_the_address() {
        let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 42\r\n\r\nno /hooks/s3cr3thook or s3cr3thook at all!";
        let error = sent_to_server_with(answer).unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(!told.contains("s3cr3thook"), "{told}");
        assert!(!error.is_transient());
        let told = send(&mattermost("http://chat.example.org/hooks/x"), &json!({})).unwrap_err().to_string();
        assert!(!told.contains("chat.example.org"), "{told}");
    }

    #[test]
    fn a_connection_that_breaks_after_the_request_is_not_tried_again() {
        let error = sent_to_server_with("").unwrap_err();
        assert!(matches!(error, MattermostError::Post(PostError::NoAnswer { .. })) && !error.is_transient(), "{error}");
    }

    #[test]
    fn a_server_that_is_down_is_worth_another_try() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let error = send(&mattermost(&format!("http://127.0.0.1:{port}/hooks/x")), &json!({})).unwrap_err();
        assert!(error.is_transient(), "{error}");
    }

    #[test]
    fn a_ca_file_without_certificates_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut mattermost = mattermost("https://127.0.0.1:1/hooks/x");
        mattermost.ca_file = Some(file.path().to_owned());
        let told = send(&mattermost, &json!({})).unwrap_err().to_string();
        assert!(told.starts_with("mattermost.ca_file: ") && told.contains("no certificate"), "{told}");
    }
}
