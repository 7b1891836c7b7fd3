//! Who was told: the old sections `email` and `notification`.

use std::net::Ipv4Addr;

use crate::config::json::Value;
use crate::config::original::Converter;
use crate::config::original::old::Old;
use crate::config::reports;
use crate::config::values;
use crate::config::walk::{quoted, wrong_type};

/// What the names of mail servers began with; any other name meant the mail server of the machine itself.
const SMTP: &str = "smtp.";
/// The port of a mail server where none could be read.
const PORT: u16 = 465;

/// The words for when a report is sent, there and here.
const SEND: [(&str, &str); 5] =
    [("yes", "always"), ("always", "always"), ("error", "error"), ("no", "never"), ("never", "never")];
const YES: [(&str, bool); 2] = [("yes", true), ("no", false)];

const WEBHOOK_FILE: &str = "secrets/mattermost-webhook-url";

impl Converter {
    /// Sets `key` to the word for when a report is sent; to `default` where it cannot be read.
    fn carry_send(
        &mut self,
        old: &mut Old<'_>,
        old_key: &'static str,
        key: &str,
        default: &'static str,
    ) -> &'static str {
        let path = old.path(old_key);
        match old.word(self, old_key, &SEND) {
            Ok(send) => {
                self.carry(&path, key, Value::Text(send.to_owned()));
                send
            }
            Err(problem) => {
                self.assumed(format!("{path} {problem}: {key} is \"{default}\""));
                self.new.set(key, Value::Text(default.to_owned()));
                default
            }
        }
    }

    pub(super) fn email(&mut self, old: &mut Old<'_>) {
        let mut email = old.section(self, "email");
        let to = self.recipients(&mut email);
        let Some(first) = to.first().cloned() else {
            self.by_hand(
                "email: no recipient can be read from email.dest, so no mail is sent; add the section by hand",
            );
            self.new.set("email", Value::Null);
            return;
        };
        self.carry_send(&mut email, "send-emails", "email.send", "always");
        let mut auth = email.section(self, "auth");
        let sender = self.sender(&mut auth, first);
        let password = auth.text(self, "password").unwrap_or_default();
        auth.finish(self);
        let mut server = email.section(self, "server");
        self.mail_server(&mut server, &sender, password);
        server.finish(self);
        self.carry("email.dest", "email.to", Value::List(to.into_iter().map(Value::Text).collect()));
        self.subject(&mut email);
        self.attachment(&mut email);
        email.finish(self);
    }

    /// The recipients that are mail addresses.
    fn recipients(&mut self, email: &mut Old<'_>) -> Vec<String> {
        let entries: Vec<&Value> = match email.value(self, "dest") {
            Some(Value::List(entries)) => entries.iter().collect(),
            one => one.into_iter().collect(),
        };
        let mut recipients = Vec::new();
        for entry in entries {
            let fault = match entry {
                Value::Text(text) => match values::mailbox(text) {
                    Ok(_) => {
                        recipients.push(text.clone());
                        continue;
                    }
                    Err(fault) => fault,
                },
                other => wrong_type("a text", other, "write an address in quotes"),
            };
            self.by_hand(format!("email.to: {}, so it was left out; {}", fault.problem, fault.fix));
        }
        recipients
    }

    /// Who the mails come from: whoever logged in, else the first recipient.
    fn sender(&mut self, auth: &mut Old<'_>, first_recipient: String) -> String {
        let sender = auth.text(self, "email").and_then(|text| match values::mailbox(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(fault) => Err(fault.problem),
        });
        match sender {
            Ok(sender) => {
                self.carry("email.auth.email", "email.from", Value::Text(sender.clone()));
                sender
            }
            Err(problem) => {
                self.by_hand(format!("email.from: email.auth.email {problem}; the first recipient stands in"));
                self.new.set("email.from", Value::Text(first_recipient));
                String::new()
            }
        }
    }

    fn mail_server(&mut self, server: &mut Old<'_>, sender: &str, password: &str) {
        let host = server.text(self, "ip");
        let port = server.number(self, "port");
        let is_ipv4 = |host: &str| host.parse::<Ipv4Addr>().is_ok();
        let beyond = host.and_then(|host| match host {
            _ if is_ipv4(host) || host.to_ascii_lowercase().starts_with(SMTP) => Ok(host),
            _ => Err(format!("{} is neither an IPv4 address nor does it begin with {SMTP}", quoted(host))),
        });
        let host = match beyond {
            Ok(host) => host,
            Err(problem) => {
                self.new.set("email.server", Value::Null);
                self.assumed(format!(
                    "email.server.ip {problem}, which meant the local mail server: email.server is null, and the mails \
                     go to this machine's sendmail, without a password"
                ));
                return;
            }
        };
        self.carry_text("email.server.ip", "email.server.host", host.to_owned(), values::host);
        let readable = port.and_then(|port| match u16::try_from(port) {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(format!("{port} is not a port")),
        });
        let port = match readable {
            Ok(port) => {
                self.carry("email.server.port", "email.server.port", Value::Integer(port.into()));
                port
            }
            Err(problem) => {
                self.assumed(format!("email.server.port {problem}: {PORT}, as it was taken before"));
                self.new.set("email.server.port", Value::Integer(PORT.into()));
                PORT
            }
        };
        // The registered uses of the ports (RFC 8314, RFC 6409); before, TLS came first on whatever port.
        let security = if [25, 587].contains(&port) { "starttls" } else { "tls" };
        self.new.set("email.server.security", Value::Text(security.to_owned()));
        self.assumed(format!("email.server.security: \"{security}\", by the port {port}"));
        if is_ipv4(host) {
            self.by_hand(format!(
                "email.server.host: the server's certificate must be for the address {host}; write the name that it is \
                 for, and set email.server.ca_file where no public authority has signed it"
            ));
        }
        self.mail_login(sender, password);
    }

    fn mail_login(&mut self, sender: &str, password: &str) {
        if sender.is_empty() || password.is_empty() {
            self.new.set("email.server.username", Value::Null);
            self.new.set("email.server.password", Value::Null);
            self.by_hand(
                "email.server.username: email.auth has no address and password that could log in, so nobody logs in; \
                 give both where the server wants them",
            );
            return;
        }
        self.carry("email.auth.email", "email.server.username", Value::Text(sender.to_owned()));
        self.carry_secret("email.auth.password", "email.server.password", "secrets/mail-password", password);
    }

    fn subject(&mut self, email: &mut Old<'_>) {
        match email.text(self, "title") {
            Ok(title) => {
                let on_one_line = |character: char| if character.is_control() { ' ' } else { character };
                self.carry("email.title", "email.subject", Value::Text(title.chars().map(on_one_line).collect()));
            }
            Err(problem) => {
                self.assumed(format!("email.title {problem}: email.subject is {}", quoted(reports::SUBJECT)));
                self.new.set("email.subject", Value::Text(reports::SUBJECT.to_owned()));
            }
        }
    }

    fn attachment(&mut self, email: &mut Old<'_>) {
        match email.word(self, "log-file-attached", &YES) {
            Ok(attach) => self.carry("email.log-file-attached", "email.attach_log", Value::Boolean(attach)),
            Err(problem) => {
                self.assumed(format!("email.log-file-attached {problem}: email.attach_log is {}", reports::ATTACH_LOG));
                self.new.set("email.attach_log", Value::Boolean(reports::ATTACH_LOG));
            }
        }
    }

    pub(super) fn mattermost(&mut self, old: &mut Old<'_>) {
        if self.carry_send(old, "notification", "mattermost.send", "never") == "never" {
            self.new.set("mattermost", Value::Null);
            self.assumed("mattermost is null: nothing is posted, so the webhook's address is not needed");
            return;
        }
        self.new
            .set("mattermost.webhook_url", Value::Object(vec![("file".to_owned(), Value::Text(WEBHOOK_FILE.into()))]));
        for key in ["mattermost.username", "mattermost.icon_url", "mattermost.ca_file"] {
            self.new.set(key, Value::Null);
        }
        self.by_hand(format!(
            "mattermost.webhook_url: write the incoming webhook's address into {WEBHOOK_FILE} (chmod 600); before, it stood \
             in the program itself (modules/mattermost.py)"
        ));
    }
}
