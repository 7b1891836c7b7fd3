//! The Mattermost message: [`build`] makes the payload, [`send`] posts it to the incoming webhook.
//!
//! The webhook's address lets anyone post: no error text holds it, nor the host's name in it.

use std::fs;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Timeout};
use url::Url;

use crate::config::{self, is_loopback};

/// To connect, and for each further step until the answer.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// So much of an answer is read, in bytes; success is two of them.
const MAX_REPLY: u64 = 4 * 1024;

/// Why a message was not posted.
#[derive(Debug, thiserror::Error)]
pub enum MattermostError {
    /// The address cannot be used.
    #[error("mattermost.webhook_url is not an https address (http is for this machine only)")]
    Address,
    /// The private certificate authorities could not be read.
    #[error("mattermost.ca_file: {}: {reason}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There was no connection, so nothing was posted.
    #[error("cannot reach the Mattermost server: {reason}; check the host in mattermost.webhook_url")]
    Unreachable {
        /// What happened.
        reason: String,
    },
    /// The server's certificate is not trusted.
    #[error(
        "no trusted TLS connection to the Mattermost server: {reason}; check the host in mattermost.webhook_url, and \
         mattermost.ca_file for a private certificate authority"
    )]
    Tls {
        /// What happened.
        reason: String,
    },
    /// The connection broke or fell silent after it was made.
    #[error(
        "no answer from the Mattermost server: {reason}; the message may have been posted, so it was not sent again"
    )]
    NoAnswer {
        /// What happened.
        reason: String,
    },
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
            MattermostError::Unreachable { .. } => true,
            // 501 is how Mattermost says that webhooks are switched off.
            MattermostError::Refused { status, .. } => matches!(status, 429 | 500 | 502..=599),
            MattermostError::Address
            | MattermostError::CaFile { .. }
            | MattermostError::Tls { .. }
            | MattermostError::NoAnswer { .. } => false,
        }
    }

    /// How long the server wants to be left alone before another try, where it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            MattermostError::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// What is posted: `text`, under the name and picture that the configuration wants.
pub fn build(mattermost: &config::Mattermost, text: &str) -> Value {
    let mut payload = json!({ "text": text });
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
    let url = Url::parse(mattermost.webhook_url.expose_secret()).map_err(|_| MattermostError::Address)?;
    let may_be_plain = url.host_str().is_some_and(is_loopback);
    if url.scheme() != "https" && !(url.scheme() == "http" && may_be_plain) {
        return Err(MattermostError::Address);
    }
    let agent = agent(mattermost)?;
    let response = agent
        .post(url.as_str())
        .header("Content-Type", "application/json")
        .send(payload.to_string())
        .map_err(|error| request_error(error, &url))?;
    let status = response.status().as_u16();
    let retry_after = response
        .headers()
        .get("Retry-After")
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let mut reply = Vec::new();
    let read = response.into_body().into_reader().take(MAX_REPLY).read_to_end(&mut reply);
    if status == 200
        && let Err(error) = read
    {
        return Err(MattermostError::NoAnswer { reason: hide(&error.to_string(), &url) });
    }
    let reply = String::from_utf8_lossy(&reply);
    let reply = reply.trim();
    if status == 200 && reply == "ok" {
        return Ok(());
    }
    let reply = if reply.is_empty() { String::new() } else { format!(": {}", hide(reply, &url)) };
    Err(MattermostError::Refused { status, reply, retry_after })
}

fn agent(mattermost: &config::Mattermost) -> Result<Agent, MattermostError> {
    let roots = match &mattermost.ca_file {
        None => RootCerts::WebPki,
        Some(path) => {
            let error = |reason: String| MattermostError::CaFile { path: path.clone(), reason };
            let pem = fs::read(path).map_err(|source| error(source.to_string()))?;
            let mut authorities = Vec::new();
            for item in parse_pem(&pem) {
                if let PemItem::Certificate(authority) = item.map_err(|source| error(source.to_string()))? {
                    authorities.push(authority);
                }
            }
            if authorities.is_empty() {
                return Err(error("holds no certificate in PEM form".to_owned()));
            }
            RootCerts::new_with_certs(&authorities)
        }
    };
    let config = Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        // The environment's proxies are not used, and a redirect would hand the report to someone else.
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .timeout_resolve(Some(TIMEOUT))
        .timeout_connect(Some(TIMEOUT))
        .timeout_send_request(Some(TIMEOUT))
        .timeout_send_body(Some(TIMEOUT))
        .timeout_recv_response(Some(TIMEOUT))
        .timeout_recv_body(Some(TIMEOUT))
        .build();
    Ok(config.into())
}

fn request_error(error: ureq::Error, url: &Url) -> MattermostError {
    let no_answer = || format!("nothing within {} s", TIMEOUT.as_secs());
    match error {
        ureq::Error::HostNotFound => MattermostError::Unreachable { reason: "its name is not known".to_owned() },
        ureq::Error::ConnectionFailed => MattermostError::Unreachable { reason: "the connection failed".to_owned() },
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            MattermostError::Unreachable { reason: no_answer() }
        }
        ureq::Error::Timeout(_) => MattermostError::NoAnswer { reason: no_answer() },
        ureq::Error::Io(error) => io_error(&error, url),
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::Pem(_) => {
            MattermostError::Tls { reason: hide(&error.to_string(), url) }
        }
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => MattermostError::Address,
        other => MattermostError::NoAnswer { reason: hide(&other.to_string(), url) },
    }
}

fn io_error(error: &io::Error, url: &Url) -> MattermostError {
    let reason = hide(&error.to_string(), url);
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::AddrNotAvailable => MattermostError::Unreachable { reason },
        // rustls hands its errors up so.
        io::ErrorKind::InvalidData if error.get_ref().is_some() => MattermostError::Tls { reason },
        _ => MattermostError::NoAnswer { reason },
    }
}

/// `text` without the webhook's address, its path and its host.
fn hide(text: &str, url: &Url) -> String {
    let mut text = text.replace(url.as_str(), "[the webhook]");
    if url.path().len() > 1 {
        text = text.replace(url.path(), "[the webhook]");
    }
    if let Some(hook) = url.path_segments().and_then(|mut segments| segments.next_back()).filter(|hook| hook.len() > 3)
    {
        text = text.replace(hook, "[the webhook]");
    }
    match url.host_str() {
        Some(host) => text.replace(host, "[the server]"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
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
        let result = send(&mattermost, &build(&mattermost, "hello"));
        server.join().unwrap();
        result
    }

    #[test]
    fn the_payload_holds_name_and_picture_only_where_they_are_wanted() {
        let mut mattermost = mattermost("https://chat.example.org/hooks/x");
        assert_eq!(build(&mattermost, "a"), json!({"text": "a"}));
        mattermost.username = Some("backup".to_owned());
        mattermost.icon_url = Some("https://example.org/i.png".to_owned());
        assert_eq!(
            build(&mattermost, "a"),
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
        assert!(matches!(error, MattermostError::NoAnswer { .. }) && !error.is_transient(), "{error}");
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
