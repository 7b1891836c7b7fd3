//! Trying whether a mail would get through: the mail server is asked for everything but to take one.

use chrono::{DateTime, FixedOffset};
use lettre::Message;
use lettre::message::Mailbox;
use lettre::transport::smtp::client::SmtpConnection;
use lettre::transport::smtp::commands::{Mail, Rcpt, Rset};

use crate::config::{Email, MailServer};
use crate::report::mail::error::MailError;
use crate::report::mail::{GOODBYE, broken, connect, name_part, options, refused};

/// What a mail server that let us in showed.
#[derive(Debug)]
pub struct Welcome {
    /// Its certificate in DER, where the connection has TLS.
    pub certificate: Option<Vec<u8>>,
    /// Whether it would take a mail to each recipient, by what it says beforehand.
    pub recipients: Vec<(Mailbox, Result<(), MailError>)>,
}

/// Connects to `server` and logs in as for a mail of `email`, names sender and recipients, and takes it all back: no
/// mail is sent.
///
/// # Errors
/// If there is no connection, or no login.
pub fn try_server(email: &Email, server: &MailServer) -> Result<Welcome, MailError> {
    let mut connection = connect(server)?;
    let certificate = connection.peer_certificate().ok();
    let recipients = email.to.iter().cloned();
    let recipients = match begin(&mut connection, server, email) {
        Ok(()) => recipients.map(|to| (to.clone(), ask(&mut connection, server, &to))).collect(),
        Err(error) => recipients.map(|to| (to, Err(error.clone()))).collect(),
    };
    // Takes back what was asked (RFC 5321, 4.1.1.5).
    let _ = connection.set_timeout(Some(GOODBYE));
    let _ = connection.command(Rset);
    let _ = connection.quit();
    Ok(Welcome { certificate, recipients })
}

/// Names the sender, once for all recipients.
fn begin(connection: &mut SmtpConnection, server: &MailServer, email: &Email) -> Result<(), MailError> {
    let first = email.to.first().map_or(String::new(), |to| to.email.to_string());
    let addresses = std::iter::once(&email.from).chain(&email.to);
    let options = options(connection, addresses).map_err(|reply| refused(server, &first, reply, false))?;
    let sender = Mail::new(Some(email.from.email.clone()), options);
    connection.command(sender).map(drop).map_err(|error| broken(server, &first, error, false))
}

fn ask(connection: &mut SmtpConnection, server: &MailServer, recipient: &Mailbox) -> Result<(), MailError> {
    connection
        .command(Rcpt::new(recipient.email.clone(), Vec::new()))
        .map(drop)
        .map_err(|error| broken(server, recipient.email.as_ref(), error, false))
}

/// A test mail with this `subject` and `text`, from the machine `host`, dated `date`.
///
/// # Errors
/// If lettre finds that the parts do not make a mail.
pub fn build_test(
    email: &Email,
    subject: &str,
    text: &str,
    host: &str,
    date: DateTime<FixedOffset>,
) -> Result<Message, MailError> {
    let id = format!("<check-{}-{}@{}>", date.format("%Y%m%dT%H%M%S"), std::process::id(), name_part(host));
    let mut builder = Message::builder()
        .from(email.from.clone())
        .subject(subject)
        .date(date.into())
        .message_id(Some(id))
        .raw_header(super::auto_generated());
    for recipient in &email.to {
        builder = builder.to(recipient.clone());
    }
    builder.body(format!("{text}\n")).map_err(|error| MailError::Build { reason: error.to_string() })
}
