//! Posts the payload to Mattermost's incoming webhook.

use serde_json::Value;

use crate::config::Mattermost;
use crate::report::post::{Endpoint, Message, PostError, Response, Service};

static MATTERMOST: Service = Service {
    name: "the Mattermost server",
    address_key: "mattermost.webhook_url",
    ca_key: "mattermost.ca_file",
    refused: "did not post the message",
    unanswered: "the message may have been posted, so it was not sent again",
    is_repeatable: false,
};

/// Posts `payload` once. Fails if the server did not confirm it.
pub(crate) fn send(mattermost: &Mattermost, payload: &Value) -> Result<(), PostError> {
    let endpoint = Endpoint::new(&MATTERMOST, &mattermost.webhook_url, mattermost.ca_file.as_deref())?;
    let message = Message { content_type: "application/json", body: payload.to_string(), limit: None };
    check(endpoint.post("", message)?)
}

fn check(response: Response) -> Result<(), PostError> {
    if response.status == 200 && response.body == "ok" {
        return Ok(());
    }
    let advice = match response.status {
        // 200 with another body is a login page or another server.
        200 | 300..=399 | 401 | 403 | 404 => "; check mattermost.webhook_url",
        501 => "; incoming webhooks are disabled on this server",
        _ => "",
    };
    let is_transient = matches!(response.status, 429 | 500 | 502..=599);
    Err(PostError::refused(&MATTERMOST, response, advice, is_transient))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::config::SendOn;
    use crate::runtime::retry::Retryable as _;

    fn mattermost(url: &str) -> Mattermost {
        Mattermost { send: SendOn::Always, webhook_url: url.into(), username: None, icon_url: None, ca_file: None }
    }

    fn send_to_server_with(response: &'static str) -> Result<(), PostError> {
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
            stream.write_all(response.as_bytes()).unwrap();
        });
        let mattermost = mattermost(&format!("http://127.0.0.1:{port}/hooks/s3cr3thook"));
        let result = send(&mattermost, &json!({"text": "hello"}));
        server.join().unwrap();
        result
    }

    #[test]
    fn only_the_body_ok_is_a_success() {
        send_to_server_with("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        let error = send_to_server_with("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>").unwrap_err();
        assert!(!error.is_transient());
        assert!(error.to_string().ends_with("status 200: <html>; check mattermost.webhook_url"), "{error}");
    }

    #[test]
    fn retry_after_is_returned_with_a_transient_error() {
        let response = "HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n";
        let error = send_to_server_with(response).unwrap_err();
        assert!(error.is_transient());
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_redirect_is_not_followed() {
        let response = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
        let error = send_to_server_with(response).unwrap_err();
        assert!(matches!(error, PostError::Refused { status: 302, .. }), "{error}");
    }

    #[test]
    fn no_error_contains_the_url() {
        let response = "HTTP/1.1 404 Not Found\r\nContent-Length: 42\r\n\r\nno /hooks/s3cr3thook or s3cr3thook at all!";
        let error = send_to_server_with(response).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("s3cr3thook"), "{shown}");
        assert!(!error.is_transient());
        let shown = send(&mattermost("http://chat.example.org/hooks/x"), &json!({})).unwrap_err().to_string();
        assert!(!shown.contains("chat.example.org"), "{shown}");
    }

    #[test]
    fn a_broken_connection_after_the_request_is_not_retried() {
        let error = send_to_server_with("").unwrap_err();
        assert!(matches!(error, PostError::NoAnswer { .. }) && !error.is_transient(), "{error}");
    }

    #[test]
    fn a_ca_file_without_certificates_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut mattermost = mattermost("https://127.0.0.1:1/hooks/x");
        mattermost.ca_file = Some(file.path().to_owned());
        let error = send(&mattermost, &json!({})).unwrap_err().to_string();
        assert!(error.starts_with("mattermost.ca_file: ") && error.contains("no certificate"), "{error}");
    }
}
