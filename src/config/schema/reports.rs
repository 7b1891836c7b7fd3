//! The sections of the configuration that say who is told.

use schemars::{JsonSchema, Schema};
use serde_json::json;

use crate::config::reports;
use crate::config::schema::kinds::{Secret, SecretAddress, add_rule, given, number, together, word};
use crate::config::schema::patterns;

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Email {
    /// On which nights a mail is sent: always, when an error happened, or never. A stale dump is a warning and no error.
    #[schemars(transform = word(reports::SEND))]
    send: Option<String>,
    /// The mail server; null hands the mail to the local sendmail.
    server: Option<MailServer>,
    /// The sender: an address, or a name with the address in angle brackets.
    #[schemars(regex(pattern = patterns::mailbox()))]
    from: String,
    /// The recipients' addresses, at least one.
    #[schemars(length(min = 1), inner(regex(pattern = patterns::mailbox())))]
    to: Vec<String>,
    /// What the subject begins with; the outcome and the host's name are added.
    #[schemars(regex(pattern = patterns::line()), extend("default" = reports::SUBJECT))]
    subject: Option<String>,
    /// Whether this run's lines of the log are attached.
    #[schemars(extend("default" = reports::ATTACH_LOG))]
    attach_log: Option<bool>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, transform = together("username", "password"), transform = no_password_in_clear)]
pub(super) struct MailServer {
    /// The mail server's name or address.
    #[schemars(length(max = crate::config::values::LONGEST_HOST), regex(pattern = patterns::host()))]
    host: String,
    /// The mail server's port; null is 465, 587 or 25, by security.
    #[schemars(transform = number(reports::PORT))]
    port: Option<u16>,
    /// How the connection is protected: TLS from the first byte, STARTTLS, or not at all.
    #[schemars(transform = word(reports::SECURITY))]
    security: Option<String>,
    /// The name to log in with. It needs password.
    #[schemars(regex(pattern = patterns::name()))]
    username: Option<String>,
    /// The password to log in with. It needs username.
    password: Option<Secret>,
    /// PEM file with the only certificate authorities to trust; null trusts the public web's.
    #[schemars(regex(pattern = patterns::file()))]
    ca_file: Option<String>,
}

/// Without protection a password goes to this machine alone.
fn no_password_in_clear(schema: &mut Schema) {
    let unprotected = json!({"properties": {"security": {"const": "none"}}, "required": ["security"]});
    let this_machine = json!({"properties": {"host": {"pattern": patterns::loopback_host()}}});
    add_rule(schema, json!({"if": {"allOf": [given("password"), unprotected]}, "then": this_machine}));
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Mattermost {
    /// On which nights a message is sent: always, when an error happened or a mail was not delivered, or never.
    #[schemars(transform = word(reports::SEND))]
    send: Option<String>,
    /// The address of the incoming webhook. Whoever knows it can post, so it is a secret.
    webhook_url: SecretAddress,
    /// The name that the message appears under.
    #[schemars(regex(pattern = patterns::name()))]
    username: Option<String>,
    /// The address of the picture that the message appears with.
    #[schemars(url, regex(pattern = patterns::picture_address()))]
    icon_url: Option<String>,
    /// PEM file with the only certificate authorities to trust; null trusts the public web's.
    #[schemars(regex(pattern = patterns::file()))]
    ca_file: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Monitor {
    /// The address of the check; /start and /fail are added to it. Whoever knows it can report, so it is a secret.
    ping_url: SecretAddress,
    /// PEM file with the only certificate authorities to trust; null trusts the public web's.
    #[schemars(regex(pattern = patterns::file()))]
    ca_file: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Metrics {
    /// The file for the textfile collector of node_exporter. Its name ends with .prom.
    #[schemars(regex(pattern = patterns::textfile()))]
    textfile: String,
}
