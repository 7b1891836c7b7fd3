//! What a run tells, and whom: mail, Mattermost, the log file, cron; and that no secret is in any of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod abandoned;
mod cron;
mod history;
mod letter;
mod log;
mod mail;
mod matrix;
mod mattermost;
mod secrets;
mod undelivered;

use std::process::Command;

use chrono::TimeDelta;
use serde_json::json;
use testkit::Night;
use testkit::servers::smtp::Security;
use testkit::servers::{Authority, SmtpServer, WebhookServer};

/// A good night that stays one when the clock passes midnight between the dump and the run.
fn night() -> Night {
    let mut night = Night::new();
    night.set("source.max_age_days", json!(1));
    night
}

/// Makes the dump of `night` stale, whatever the clock does.
fn make_stale(night: &mut Night) {
    night.publish_dump_of(night.modified - TimeDelta::days(3));
}

/// Has `night` use `server` without a login, instead of its own.
fn use_mail_server(night: &mut Night, server: &SmtpServer, security: Security) {
    let word = match security {
        Security::Tls => "tls",
        Security::StartTls => "starttls",
        Security::None => "none",
    };
    let ca = (security != Security::None).then(|| Authority::shared().write(&night.path("")));
    let server = json!({"host": server.host(), "port": server.port(), "security": word, "ca_file": ca});
    night.set("email.server", server);
}

/// Has `night` post to `server`.
fn use_webhook(night: &mut Night, server: &WebhookServer) {
    night.set("mattermost.webhook_url", json!(server.url()));
}

/// The name of this machine, as uname(1) tells it.
fn host_name() -> String {
    let output = Command::new("uname").arg("-n").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The only post that `server` took.
#[track_caller]
fn only_post(server: &WebhookServer) -> String {
    let posts = server.posts();
    assert_eq!((posts.len(), server.refusals()), (1, Vec::new()), "one post, and no refusal");
    posts[0].text.clone()
}
