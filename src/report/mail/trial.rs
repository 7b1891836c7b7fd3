//! Tests whether the mail server would accept a mail, without sending one.

use lettre::message::Mailbox;
use lettre::transport::smtp::client::SmtpConnection;
use lettre::transport::smtp::commands::{Mail, Rcpt};

use crate::config::{Email, MailServer};
use crate::report::mail::error::MailError;
use crate::report::mail::smtp::{broken, connect, options, quit, refused};

/// What a mail server reported after the login.
#[derive(Debug)]
pub(crate) struct Welcome {
    /// Its certificate in DER, if the connection has TLS.
    pub(crate) certificate: Option<Vec<u8>>,
    /// For each recipient, whether the server accepted it in the envelope.
    pub(crate) recipients: Vec<(Mailbox, Result<(), MailError>)>,
}

/// Connects to `server` and logs in as for a mail of `email`, names sender and recipients, and quits: no mail is sent.
///
/// # Errors
/// If the connection or the login failed.
pub(crate) fn try_server(email: &Email, server: &MailServer) -> Result<Welcome, MailError> {
    let mut connection = connect(server)?;
    let certificate = connection.peer_certificate().ok();
    let recipients = email.to.iter().cloned();
    let recipients = match begin(&mut connection, server, email) {
        Ok(()) => recipients.map(|to| (to.clone(), try_recipient(&mut connection, server, &to))).collect(),
        Err(error) => recipients.map(|to| (to, Err(error.clone()))).collect(),
    };
    // QUIT ends the transaction (RFC 5321, 4.1.1.10).
    quit(connection);
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

fn try_recipient(connection: &mut SmtpConnection, server: &MailServer, recipient: &Mailbox) -> Result<(), MailError> {
    connection
        .command(Rcpt::new(recipient.email.clone(), Vec::new()))
        .map(drop)
        .map_err(|error| broken(server, recipient.email.as_ref(), error, false))
}
