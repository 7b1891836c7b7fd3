//! The webhook, checked with ureq.

use testkit::servers::WebhookServer;

use crate::{client, get, header, text};

#[test]
fn the_webhook_accepts_only_valid_mattermost_messages() {
    let server = WebhookServer::builder().start();
    let post = |content_type: &str, body: &str| {
        let request = client().post(server.url()).header("content-type", content_type);
        let response = request.send(body).unwrap();
        (response.status().as_u16(), text(response))
    };
    let json = "application/json";
    assert_eq!(post(json, r#"{"text": "| a |", "username": "ship"}"#), (200, "ok".to_owned()));
    assert_eq!(post("application/json; charset=utf-8", r#"{"text": "b"}"#).0, 200);
    let max_text = "é".repeat(16_383);
    assert_eq!(post(json, &format!(r#"{{"text": "{max_text}"}}"#)).0, 200);

    let with_attachment = |attachment: &str| format!(r#"{{"text": "a", "attachments": [{attachment}]}}"#);
    let fields = r##""fields": [{"title": "Sent", "value": "1 MiB", "short": true}]"##;
    assert_eq!(post(json, &with_attachment(&format!(r##"{{"fallback": "f", "color": "#23863f", {fields}}}"##))).0, 200);
    assert_eq!(post(json, &with_attachment(r#"{"fallback": "f", "color": "danger", "text": "t"}"#)).0, 200);

    assert_eq!(post(json, &with_attachment(&format!(r##"{{"fallback": "f", "color": "green", {fields}}}"##))).0, 400);
    assert_eq!(post(json, &with_attachment(&format!(r##"{{"color": "#23863f", {fields}}}"##))).0, 400);
    assert_eq!(post(json, &with_attachment(r#"{"fallback": "f"}"#)).0, 400);
    assert_eq!(post(json, &with_attachment(r#"{"fallback": "f", "fields": [{"name": "Sent"}]}"#)).0, 400);
    let too_large = format!(r#"{{"fallback": "f", "text": "{}"}}"#, "x".repeat(300_000));
    assert_eq!(post(json, &with_attachment(&too_large)).0, 400);
    assert_eq!(post(json, &format!(r#"{{"text": "{max_text}x"}}"#)).0, 400);
    assert_eq!(post(json, r#"{"text": ""}"#).0, 400);
    assert_eq!(post(json, r#"{"username": "no text"}"#).0, 400);
    assert_eq!(post(json, r#"{"text": "a", "colour": "red"}"#).0, 400);
    assert_eq!(post(json, r#"["text"]"#).0, 400);
    assert_eq!(post("text/plain", r#"{"text": "a"}"#).0, 400);
    assert_eq!(get(&server.url(), &[]).unwrap().status(), 405);

    let texts: Vec<usize> = server.posts().iter().map(|post| post.text.chars().count()).collect();
    assert_eq!(texts, [5, 1, 16_383, 1, 1]);
    let posts = server.posts();
    let attachment = &posts[3].attachments.as_ref().unwrap()[0];
    assert_eq!((attachment.color.as_deref(), attachment.fields[0].value.as_str()), (Some("#23863f"), "1 MiB"));
    assert_eq!(server.posts()[0].username.as_deref(), Some("ship"));
    assert_eq!(server.refusals().len(), 11);

    let server = WebhookServer::builder().plain_http().status(429).retry_after(1).start();
    let response = client().post(server.url()).content_type(json).send(r#"{"text": "a"}"#).unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "retry-after")), (429, "1"));
    assert_eq!((server.requests(), server.posts().len()), (1, 0));
}
