//! Problems of the report channels.

use serde_json::json;
use testkit::Setup;
use testkit::servers::listener::closed_address;
use testkit::servers::smtp::{Builder, Security};
use testkit::servers::{Authority, SmtpServer, WebhookServer};
use testkit::setup::MAIL_LOGIN;

use super::{must_end_with, must_fail, must_show, scrubbed, setup};

/// Uses another mail server, with `faults`.
fn with_mail_server(security: Security, word: &str, faults: impl FnOnce(Builder) -> Builder) -> Setup {
    let mut setup = setup();
    setup.mail = faults(SmtpServer::builder(security).login(MAIL_LOGIN.0, MAIL_LOGIN.1)).start();
    let port = setup.mail.port();
    setup.set("email.server.port", json!(port)).set("email.server.security", json!(word));
    setup
}

#[test]
fn a_mail_server_that_is_down_is_reported() {
    let mut setup = setup();
    setup.set("email.server.port", json!(closed_address().port()));
    must_fail(
        &setup,
        &[("mail server", &["cannot reach the mail server 127.0.0.1:", "check email.server.host, port"])],
    );
}

#[test]
fn a_wrong_mail_password_is_tried_once_and_reported() {
    let mut setup = setup();
    setup.set("email.server.password", json!("wr0ng-p4ssword"));
    let outcome =
        must_fail(&setup, &[("mail login", &["refused the login of reports@example.org", "email.server.password"])]);
    assert_eq!(setup.mail.logins().len(), 1);
    assert!(!outcome.all().contains("wr0ng-p4ssword"));
}

#[test]
fn missing_starttls_is_reported_and_no_password_is_sent() {
    let setup = with_mail_server(Security::None, "starttls", |mail| mail);
    must_fail(&setup, &[("mail server", &["does not offer STARTTLS", "email.server.security"])]);
    assert_eq!(setup.mail.logins(), []);
}

#[test]
fn the_certificate_behind_starttls_is_checked_too() {
    let identity = Authority::shared().server_for_days(&["127.0.0.1"], 5);
    let setup = with_mail_server(Security::StartTls, "starttls", |mail| mail.identity(identity));
    let outcome = must_end_with(&setup, 0);
    must_show(&outcome, " answers, STARTTLS\n  ! certificate ");
    let expired = Authority::shared().expired_server(&["127.0.0.1"]);
    let setup = with_mail_server(Security::Tls, "tls", |mail| mail.identity(expired));
    must_fail(&setup, &[("mail server", &["no trusted TLS connection to the mail server", "ca_file"])]);
}

#[test]
fn each_recipient_that_would_be_refused_is_reported() {
    let mut setup = with_mail_server(Security::Tls, "tls", |mail| mail.refuse_recipient("gone@example.org"));
    setup.set("email.to", json!(["gone@example.org", "operator@example.org"]));
    let outcome = must_fail(&setup, &[("recipient", &["refused the mail to gone@example.org"])]);
    must_show(&outcome, "✓ recipient       operator@example.org: would be accepted\n");
    must_show(&outcome, "→ correct email.from or email.to");
    assert_eq!(setup.mail.messages().len(), 0);
}

#[test]
fn an_unreachable_webhook_or_monitor_is_reported_without_its_address() {
    let mut setup = setup();
    let webhook = format!("https://{}/hooks/w3bhook-s3cret", closed_address());
    let ping = "https://no-such-host.invalid/p1ng-s3cret";
    setup.set("mattermost.webhook_url", json!(webhook));
    setup.config["monitor"] = json!({"ping_url": ping});
    let outcome = must_fail(
        &setup,
        &[
            ("Mattermost", &["cannot reach the Mattermost server", "mattermost.webhook_url"]),
            ("monitor", &["cannot reach the monitoring service", "monitor.ping_url"]),
        ],
    );
    insta::assert_snapshot!("reports_that_would_not_arrive", scrubbed(&setup, &outcome));
    for secret in ["s3cret", "no-such-host", &closed_address().to_string()] {
        assert!(!outcome.all().contains(secret), "{secret}: {}", outcome.all());
    }
}

#[test]
fn a_webhook_with_an_untrusted_certificate_is_reported_and_gets_no_message() {
    let mut setup = setup();
    setup.webhook =
        WebhookServer::builder().identity(Authority::new("Unknown authority").server(&["127.0.0.1"])).start();
    let url = setup.webhook.url();
    setup.set("mattermost.webhook_url", json!(url));
    let outcome = setup.call("check", &["--notify"]);
    outcome.exited_with(4);
    must_show(&outcome, "no trusted TLS connection to the Mattermost server");
    assert_eq!((setup.webhook.requests(), setup.mail.messages().len()), (0, 1));
}

#[test]
fn a_refused_test_message_is_reported() {
    let mut setup = setup();
    setup.webhook = WebhookServer::builder().status(404).start();
    let url = setup.webhook.url();
    setup.set("mattermost.webhook_url", json!(url));
    must_end_with(&setup, 0);
    let outcome = setup.call("check", &["--notify"]);
    outcome.exited_with(4);
    must_show(&outcome, "✗ test message    the Mattermost server did not post the message: status 404");
}
