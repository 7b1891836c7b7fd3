//! The reports of a run: mail, Mattermost, the log file and cron's output. None of them contains a secret.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod abandoned;
mod cron;
mod decoded_mail;
mod history;
mod log;
mod mail;
mod matrix;
mod mattermost;
mod run_document;
mod secrets;
mod undelivered;

use std::process::Command;

use serde_json::json;
use testkit::Setup;
use testkit::servers::smtp::Security;
use testkit::servers::{Authority, SmtpServer, WebhookServer};

/// Makes `night` use `server` for mail, without a login.
fn use_mail_server(setup: &mut Setup, server: &SmtpServer, security: Security) {
    let word = match security {
        Security::Tls => "tls",
        Security::StartTls => "starttls",
        Security::None => "none",
    };
    let ca = (security != Security::None).then(|| Authority::shared().write(&setup.path("")));
    let server = json!({"host": server.host(), "port": server.port(), "security": word, "ca_file": ca});
    setup.set("email.server", server);
}

fn use_webhook(setup: &mut Setup, server: &WebhookServer) {
    setup.set("mattermost.webhook_url", json!(server.url()));
}

/// The name of this machine as reported by uname(1).
fn host_name() -> String {
    let output = Command::new("uname").arg("-n").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The only post that `server` accepted.
#[track_caller]
fn only_post(server: &WebhookServer) -> String {
    let posts = server.posts();
    assert_eq!((posts.len(), server.refusals()), (1, Vec::new()), "one post, and no refusal");
    posts[0].text.clone()
}
