//! The sections `email`, `mattermost`, `monitor` and `metrics`: where reports are sent.

use std::path::PathBuf;

use lettre::message::Mailbox;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::source::Credentials;
use crate::config::kind::{flag, whole, word};
use crate::config::paths::{certificates, textfile};
use crate::config::secret::secret;
use crate::config::section::{Section, is_given, keys};
use crate::config::values::{host, line, loopback_pattern, mailbox, name, picture_address, secret_address};
use crate::rules::address::is_loopback;

#[derive(Debug, Clone)]
pub struct Email {
    pub send: SendOn,
    /// `None` uses the local sendmail.
    pub server: Option<MailServer>,
    pub from: Mailbox,
    /// Not empty.
    pub to: Vec<Mailbox>,
    pub subject: String,
    pub attach_log: bool,
}

impl Email {
    /// Whether both send the same mails to the same people, in the same way.
    pub fn is_same(&self, other: &Email) -> bool {
        let address = |server: &MailServer| {
            let login = server.credentials.as_ref();
            let login = login.map(|login| (login.username.clone(), login.password.expose_secret().to_owned()));
            (server.host.clone(), server.port, server.security, server.ca_file.clone(), login)
        };
        let rest = |email: &Email| (email.send, email.subject.clone(), email.attach_log);
        (&self.from, &self.to) == (&other.from, &other.to)
            && rest(self) == rest(other)
            && self.server.as_ref().map(address) == other.server.as_ref().map(address)
    }
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
    /// Or an error.
    Warning,
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

impl Mattermost {
    pub fn is_same(&self, other: &Mattermost) -> bool {
        let rest = |it: &Mattermost| (it.send, it.username.clone(), it.icon_url.clone(), it.ca_file.clone());
        self.webhook_url.expose_secret() == other.webhook_url.expose_secret() && rest(self) == rest(other)
    }
}

#[derive(Debug, Clone)]
pub struct Monitor {
    /// `/start` and `/fail` are appended to its path.
    pub ping_url: SecretString,
    pub ca_file: Option<PathBuf>,
    /// Whether `ping_url` is that of the section `drill`.
    pub is_for_drills: bool,
}

impl Monitor {
    pub fn is_same(&self, other: &Monitor) -> bool {
        self.ping_url.expose_secret() == other.ping_url.expose_secret()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    pub textfile: PathBuf,
}

pub(in crate::config) fn read_email(keys: &mut Section<'_, '_>) -> Option<Email> {
    keys! { keys:
        /// When a mail is sent: always, when a warning or an error happened, only when an error happened, or never. A stale dump is
        /// a warning, not an error.
        send = with_default(word(SEND), "always");
        /// The mail server; null uses the local sendmail.
        server = optional_section(read_mail_server);
        /// The sender: an address, or a name with the address in angle brackets.
        from = required(mailbox().example("Nightly dump <reports@example.com>"));
        /// The recipients' addresses, at least one.
        to = list(mailbox().example("admin@example.com"));
        /// How the subject begins; the outcome and the host's name are added.
        subject = with_default(line(), "My daily report");
        /// Whether this run's lines of the log are attached.
        attach_log = with_default(flag(), true);
    }
    Some(Email { send: send?, server, from: from?, to: to?, subject: subject?, attach_log: attach_log? })
}

const SEND: &[(&str, SendOn)] =
    &[("always", SendOn::Always), ("warning", SendOn::Warning), ("error", SendOn::Error), ("never", SendOn::Never)];
const SECURITY: &[(&str, MailSecurity)] =
    &[("tls", MailSecurity::Tls), ("starttls", MailSecurity::Starttls), ("none", MailSecurity::None)];

fn read_mail_server(keys: &mut Section<'_, '_>) -> Option<MailServer> {
    keys! { keys:
        /// The mail server's name or address.
        host = required(host().example("mail.example.com"));
        /// The mail server's port; null is 465, 587 or 25, depending on security.
        port = optional(whole(1..=u16::MAX).example(465));
        /// How the connection is protected: TLS from the first byte, STARTTLS, or not at all.
        security = with_default(word(SECURITY), "tls");
        /// The name to log in with. It requires password.
        username = optional(name().example("reports@example.com"));
        /// The password to log in with. It requires username.
        password = optional(secret().example_file("secrets/mail-password"));
        /// PEM file with the only certificate authorities to trust; null trusts those of the public web.
        ca_file = optional(certificates());
    }
    keys.both_or_neither("username", "password");
    let unprotected = json!({"properties": {"security": {"const": "none"}}, "required": ["security"]});
    let this_machine = json!({"properties": {"host": {"pattern": loopback_pattern()}}});
    keys.rule(json!({"if": {"allOf": [is_given("password"), unprotected]}, "then": this_machine}));
    let is_beyond_loopback = host.as_deref().is_some_and(|host| !is_loopback(host));
    if security == Some(MailSecurity::None) && keys.is_given("password") && is_beyond_loopback {
        keys.refuse("security", "\"none\" would send the password unencrypted", "write \"tls\" or \"starttls\"");
    }
    // The registered ports of submission over TLS (RFC 8314), submission (RFC 6409) and SMTP (RFC 5321).
    let port = port.unwrap_or(match security? {
        MailSecurity::Tls => 465,
        MailSecurity::Starttls => 587,
        MailSecurity::None => 25,
    });
    let credentials = username.zip(password).map(|(username, password)| Credentials { username, password });
    Some(MailServer { host: host?, port, security: security?, credentials, ca_file })
}

pub(in crate::config) fn read_mattermost(keys: &mut Section<'_, '_>) -> Option<Mattermost> {
    keys! { keys:
        /// When a message is sent: always, when a warning or an error happened, only when an error happened, or never. A mail that
        /// was not delivered counts as an error.
        send = with_default(word(SEND), "always");
        /// The address of the incoming webhook. Anyone who knows it can post, so it is a secret.
        webhook_url = required(secret_address().example_file("secrets/mattermost-webhook-url"));
        /// The name that the message appears under.
        username = optional(name().example("Nightly dump"));
        /// The address of the picture that the message appears with.
        icon_url = optional(picture_address());
        /// PEM file with the only certificate authorities to trust; null trusts those of the public web.
        ca_file = optional(certificates());
    }
    Some(Mattermost { send: send?, webhook_url: webhook_url?, username, icon_url, ca_file })
}

pub(in crate::config) fn read_monitor(keys: &mut Section<'_, '_>) -> Option<Monitor> {
    keys! { keys:
        /// The address of the check; /start and /fail are appended to it. Anyone who knows it can report, so it is a secret.
        ping_url = required(secret_address().example_file("secrets/monitor-ping-url"));
        /// PEM file with the only certificate authorities to trust; null trusts those of the public web.
        ca_file = optional(certificates());
    }
    Some(Monitor { ping_url: ping_url?, ca_file, is_for_drills: false })
}

pub(in crate::config) fn read_metrics(keys: &mut Section<'_, '_>) -> Option<Metrics> {
    keys! { keys:
        /// The file for the textfile collector of node_exporter. Its name ends with .prom.
        textfile = required(textfile().example("/var/lib/prometheus/node-exporter/scripting-system.prom"));
    }
    Some(Metrics { textfile: textfile? })
}
