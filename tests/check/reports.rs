//! Problems of the report channels.

use serde_json::json;
use testkit::Night;
use testkit::night::MAIL_LOGIN;
use testkit::servers::listener::closed_address;
use testkit::servers::smtp::{Builder, Security};
use testkit::servers::{Authority, SmtpServer, WebhookServer};

use super::{must_end_with, must_fail, must_show, night, scrubbed};

/// Uses another mail server, with `faults`.
fn with_mail_server(security: Security, word: &str, faults: impl FnOnce(Builder) -> Builder) -> Night {
    let mut night = night();
    night.mail = faults(SmtpServer::builder(security).login(MAIL_LOGIN.0, MAIL_LOGIN.1)).start();
    let port = night.mail.port();
    night.set("email.server.port", json!(port)).set("email.server.security", json!(word));
    night
}

#[test]
fn a_mail_server_that_is_down_is_reported() {
    let mut night = night();
    night.set("email.server.port", json!(closed_address().port()));
    must_fail(
        &night,
        &[("mail server", &["cannot reach the mail server 127.0.0.1:", "check email.server.host, port"])],
    );
}

#[test]
fn a_wrong_mail_password_is_tried_once_and_reported() {
    let mut night = night();
    night.set("email.server.password", json!("wr0ng-p4ssword"));
    let outcome =
        must_fail(&night, &[("mail login", &["refused the login of reports@example.org", "email.server.password"])]);
    assert_eq!(night.mail.logins().len(), 1);
    assert!(!outcome.all().contains("wr0ng-p4ssword"));
}

#[test]
fn missing_starttls_is_reported_and_no_password_is_sent() {
    let night = with_mail_server(Security::None, "starttls", |mail| mail);
    must_fail(&night, &[("mail server", &["offers no STARTTLS", "email.server.security"])]);
    assert_eq!(night.mail.logins(), []);
}

#[test]
fn the_certificate_behind_starttls_is_checked_too() {
    let identity = Authority::shared().server_for_days(&["127.0.0.1"], 5);
    let night = with_mail_server(Security::StartTls, "starttls", |mail| mail.identity(identity));
    let outcome = must_end_with(&night, 0);
    must_show(&outcome, " answers, STARTTLS\n  ! certificate ");
    let expired = Authority::shared().expired_server(&["127.0.0.1"]);
    let night = with_mail_server(Security::Tls, "tls", |mail| mail.identity(expired));
    must_fail(&night, &[("mail server", &["no trusted TLS connection to the mail server", "ca_file"])]);
}

#[test]
fn each_recipient_that_would_be_refused_is_reported() {
    let mut night = with_mail_server(Security::Tls, "tls", |mail| mail.refuse_recipient("gone@example.org"));
    night.set("email.to", json!(["gone@example.org", "operator@example.org"]));
    let outcome = must_fail(&night, &[("recipient", &["refused the mail to gone@example.org"])]);
    must_show(&outcome, "✓ recipient       operator@example.org: would be accepted\n");
    must_show(&outcome, "→ correct email.from or email.to");
    assert_eq!(night.mail.messages().len(), 0);
}

#[test]
fn an_unreachable_webhook_or_monitor_is_reported_without_its_address() {
    let mut night = night();
    let webhook = format!("https://{}/hooks/w3bhook-s3cret", closed_address());
    let ping = "https://no-such-host.invalid/p1ng-s3cret";
    night.set("mattermost.webhook_url", json!(webhook));
    night.config["monitor"] = json!({"ping_url": ping});
    let outcome = must_fail(
        &night,
        &[
            ("Mattermost", &["cannot reach the Mattermost server", "mattermost.webhook_url"]),
            ("monitor", &["cannot reach the monitoring service", "monitor.ping_url"]),
        ],
    );
    insta::assert_snapshot!("reports_that_would_not_arrive", scrubbed(&night, &outcome));
    for secret in ["s3cret", "no-such-host", &closed_address().to_string()] {
        assert!(!outcome.all().contains(secret), "{secret}: {}", outcome.all());
    }
}

#[test]
fn a_webhook_with_an_untrusted_certificate_is_reported_and_gets_no_message() {
    let mut night = night();
    night.webhook =
        WebhookServer::builder().identity(Authority::new("Unknown authority").server(&["127.0.0.1"])).start();
    let url = night.webhook.url();
    night.set("mattermost.webhook_url", json!(url));
    let outcome = night.call("check", &["--notify"]);
    outcome.exited_with(4);
    must_show(&outcome, "no trusted TLS connection to the Mattermost server");
    assert_eq!((night.webhook.requests(), night.mail.messages().len()), (0, 1));
}

#[test]
fn a_refused_test_message_is_reported() {
    let mut night = night();
    night.webhook = WebhookServer::builder().status(404).start();
    let url = night.webhook.url();
    night.set("mattermost.webhook_url", json!(url));
    must_end_with(&night, 0);
    let outcome = night.call("check", &["--notify"]);
    outcome.exited_with(4);
    must_show(&outcome, "✗ test message    the Mattermost server did not post the message: status 404");
}
