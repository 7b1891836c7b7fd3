//! The sections `email` and `mattermost`.

use lettre::message::Mailbox;
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::json::Value;
use crate::config::sections::{Email, MailSecurity, MailServer, Mattermost, SendOn, is_loopback};
use crate::config::source::credentials;
use crate::config::values;
use crate::config::walk::{Choice, Fault, Number, Section, Walk, wrong_type};

pub(super) const SEND: Choice<SendOn> = Choice {
    words: &[("always", SendOn::Always), ("error", SendOn::Error), ("never", SendOn::Never)],
    default: SendOn::Always,
};
pub(super) const SECURITY: Choice<MailSecurity> = Choice {
    words: &[("tls", MailSecurity::Tls), ("starttls", MailSecurity::Starttls), ("none", MailSecurity::None)],
    default: MailSecurity::Tls,
};
/// The port is documented before the security that decides its default; 0 stands for "not set".
pub(super) const PORT: Number<u16> = Number::new(1..=u16::MAX, 0);
pub(super) const ATTACH_LOG: bool = true;
pub(super) const SUBJECT: &str = "My daily report";

pub(super) fn email(top: &mut Section<'_>, walk: &mut Walk<'_>) -> Option<Email> {
    let mut section = top.optional_section(walk, "email")?;
    let send = section.one_of(walk, "send", &SEND);
    let server = section.optional_section(walk, "server").map(|server| mail_server(server, walk));
    let from = section.required(walk, "from", "the sender's address", values::mailbox);
    let to = recipients(&mut section, walk);
    let subject = section.optional(walk, "subject", values::line).unwrap_or_else(|| SUBJECT.to_owned());
    let attach_log = section.boolean(walk, "attach_log", ATTACH_LOG);
    section.finish(walk);
    let server = match server {
        Some(server) => Some(server?),
        None => None,
    };
    Some(Email { send, server, from: from?, to: to?, subject, attach_log })
}

fn mail_server(mut section: Section<'_>, walk: &mut Walk<'_>) -> Option<MailServer> {
    let place = walk.place;
    let host = section.required(walk, "host", "the mail server's name or address", values::host);
    let port_given = section.integer(walk, "port", &PORT);
    let security = section.one_of(walk, "security", &SECURITY);
    let credentials = credentials(&mut section, walk, values::name);
    let is_beyond_loopback = host.as_deref().is_some_and(|host| !is_loopback(host));
    if security == MailSecurity::None && section.is_given("password") && is_beyond_loopback {
        let fault = Fault::new("\"none\" would send the password in clear", "write \"tls\" or \"starttls\"");
        walk.mistake(section.path("security"), fault);
    }
    let ca_file = section.optional(walk, "ca_file", |text| place.certificates(text));
    section.finish(walk);
    let port = if port_given == 0 { default_port(security) } else { port_given };
    Some(MailServer { host: host?, port, security, credentials, ca_file })
}

/// The registered ports of submission over TLS (RFC 8314), submission (RFC 6409) and SMTP (RFC 5321).
fn default_port(security: MailSecurity) -> u16 {
    match security {
        MailSecurity::Tls => 465,
        MailSecurity::Starttls => 587,
        MailSecurity::None => 25,
    }
}

fn recipients(section: &mut Section<'_>, walk: &mut Walk<'_>) -> Option<Vec<Mailbox>> {
    const FIX: &str = "write a list with at least one address, such as [\"admin@example.com\"]";
    section.must_be_given(walk, "to", "a list with at least one address, such as [\"admin@example.com\"]");
    let value = section.value(walk, "to")?;
    let path = section.path("to");
    let Value::List(entries) = value else {
        walk.mistake(path, wrong_type("a list", value, FIX));
        return None;
    };
    if entries.is_empty() {
        walk.mistake(path, Fault::new("names no recipient", FIX));
        return None;
    }
    let mut mailboxes = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let mailbox = match entry {
            Value::Text(text) => values::mailbox(text),
            other => Err(wrong_type("a text", other, "write an address in quotes")),
        };
        mailboxes.extend(walk.accept(format!("{path}[{index}]"), mailbox));
    }
    Some(mailboxes)
}

pub(super) fn mattermost(top: &mut Section<'_>, walk: &mut Walk<'_>) -> Option<Mattermost> {
    let mut section = top.optional_section(walk, "mattermost")?;
    let place = walk.place;
    let send = section.one_of(walk, "send", &SEND);
    let webhook_url = section.required_secret(walk, "webhook_url", "the incoming webhook's address");
    let webhook_url =
        webhook_url.and_then(|webhook_url| walk.accept(section.path("webhook_url"), webhook(webhook_url)));
    let username = section.optional(walk, "username", values::name);
    let icon_url = section.optional(walk, "icon_url", values::picture_address);
    let ca_file = section.optional(walk, "ca_file", |text| place.certificates(text));
    section.finish(walk);
    Some(Mattermost { send, webhook_url: webhook_url?, username, icon_url, ca_file })
}

fn webhook(secret: SecretString) -> Result<SecretString, Fault> {
    values::protected_address(secret.expose_secret()).map_err(|fault| fault.told("the address given"))?;
    Ok(secret)
}
