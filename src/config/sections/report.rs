//! The sections `email`, `mattermost`, `monitor` and `metrics`: who gets a report.

use std::path::PathBuf;

use lettre::message::Mailbox;
use secrecy::SecretString;
use serde_json::json;

use super::credentials::{self, Credentials};
use super::source::CA_FILE;
use crate::config::kind::{Preset, flag, whole, word};
use crate::config::mistakes::Refusal;
use crate::config::paths::{certificates, textfile};
use crate::config::section::{Section, given};
use crate::config::values::{
    host, is_loopback, line, loopback_pattern, mailbox, name, picture_address, secret_address,
};

#[derive(Debug, Clone)]
pub struct Email {
    pub send: SendOn,
    /// `None` hands the mail to the local sendmail.
    pub server: Option<MailServer>,
    pub from: Mailbox,
    /// At least one.
    pub to: Vec<Mailbox>,
    pub subject: String,
    pub attach_log: bool,
}

#[derive(Debug, Clone)]
pub struct MailServer {
    pub host: String,
    pub port: u16,
    pub security: MailSecurity,
    pub credentials: Option<Credentials>,
    pub ca_file: Option<PathBuf>,
}

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    /// TLS from the first byte.
    Tls,
    /// STARTTLS, required.
    Starttls,
    None,
}

/// After which runs a report is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOn {
    Always,
    Error,
    Never,
}

#[derive(Debug, Clone)]
pub struct Mattermost {
    pub send: SendOn,
    pub webhook_url: SecretString,
    pub username: Option<String>,
    pub icon_url: Option<String>,
    pub ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone)]
pub struct Monitor {
    /// `/start` and `/fail` are added to its path.
    pub ping_url: SecretString,
    pub ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    pub textfile: PathBuf,
}

pub(in crate::config) fn read_email(keys: &mut Section<'_, '_>) -> Option<Email> {
    let send = keys.preset(
        "send",
        send_on(),
        "When a mail is sent: always, when an error happened, or never. A stale dump is a warning, not an error.",
    );
    let server = keys.optional_section(
        "server",
        "The mail server; null hands the mail to the local sendmail.",
        read_mail_server,
    );
    let from = keys.must(
        "from",
        mailbox().example("Nightly dump <reports@example.com>"),
        "The sender: an address, or a name with the address in angle brackets.",
    );
    let to = keys.list("to", mailbox().example("admin@example.com"), "The recipients' addresses, at least one.");
    let subject = keys.preset(
        "subject",
        line().or("My daily report".to_owned()),
        "How the subject begins; the outcome and the host's name are added.",
    );
    let attach_log = keys.preset("attach_log", flag().or(true), "Whether this run's lines of the log are attached.");
    Some(Email { send, server, from: from?, to: to?, subject, attach_log })
}

fn send_on() -> Preset<SendOn> {
    word(&[("always", SendOn::Always), ("error", SendOn::Error), ("never", SendOn::Never)])
        .preset(SendOn::Always, "always")
}

fn read_mail_server(keys: &mut Section<'_, '_>) -> Option<MailServer> {
    let host = keys.must("host", host().example("mail.example.com"), "The mail server's name or address.");
    let port = keys.optional(
        "port",
        whole(1..=u16::MAX).example(465),
        "The mail server's port; null is 465, 587 or 25, depending on security.",
    );
    let security = keys.preset(
        "security",
        word(&[("tls", MailSecurity::Tls), ("starttls", MailSecurity::Starttls), ("none", MailSecurity::None)])
            .preset(MailSecurity::Tls, "tls"),
        "How the connection is protected: TLS from the first byte, STARTTLS, or not at all.",
    );
    let unprotected = json!({"properties": {"security": {"const": "none"}}, "required": ["security"]});
    let this_machine = json!({"properties": {"host": {"pattern": loopback_pattern()}}});
    keys.rule(json!({"if": {"allOf": [given("password"), unprotected]}, "then": this_machine}));
    let is_beyond_loopback = host.as_deref().is_some_and(|host| !is_loopback(host));
    if security == MailSecurity::None && keys.is_given("password") && is_beyond_loopback {
        let problem = "\"none\" would send the password in clear";
        keys.refuse("security", Refusal::new(problem, "write \"tls\" or \"starttls\""));
    }
    let credentials = credentials::read(
        keys,
        (name().example("reports@example.com"), "The name to log in with. It needs password."),
        ("secrets/mail-password", "The password to log in with. It needs username."),
    );
    let ca_file = keys.optional("ca_file", certificates(), CA_FILE);
    // The registered ports of submission over TLS (RFC 8314), submission (RFC 6409) and SMTP (RFC 5321).
    let port = port.unwrap_or(match security {
        MailSecurity::Tls => 465,
        MailSecurity::Starttls => 587,
        MailSecurity::None => 25,
    });
    Some(MailServer { host: host?, port, security, credentials, ca_file })
}

pub(in crate::config) fn read_mattermost(keys: &mut Section<'_, '_>) -> Option<Mattermost> {
    let send = keys.preset(
        "send",
        send_on(),
        "When a message is sent: always, when an error happened or a mail was not delivered, or never.",
    );
    let webhook_url = keys.must(
        "webhook_url",
        secret_address().in_file("secrets/mattermost-webhook-url"),
        "The address of the incoming webhook. Everybody who knows it can post, so it is a secret.",
    );
    let username =
        keys.optional("username", name().example("Nightly dump"), "The name that the message appears under.");
    let icon_url =
        keys.optional("icon_url", picture_address(), "The address of the picture that the message appears with.");
    let ca_file = keys.optional("ca_file", certificates(), CA_FILE);
    Some(Mattermost { send, webhook_url: webhook_url?, username, icon_url, ca_file })
}

pub(in crate::config) fn read_monitor(keys: &mut Section<'_, '_>) -> Option<Monitor> {
    let ping_url = keys.must(
        "ping_url",
        secret_address().in_file("secrets/monitor-ping-url"),
        "The address of the check; /start and /fail are added to it. Everybody who knows it can report, so it is a secret.",
    );
    let ca_file = keys.optional("ca_file", certificates(), CA_FILE);
    Some(Monitor { ping_url: ping_url?, ca_file })
}

pub(in crate::config) fn read_metrics(keys: &mut Section<'_, '_>) -> Option<Metrics> {
    let textfile = keys.must(
        "textfile",
        textfile().example("/var/lib/prometheus/node-exporter/scripting-system.prom"),
        "The file for the textfile collector of node_exporter. Its name ends with .prom.",
    );
    Some(Metrics { textfile: textfile? })
}
