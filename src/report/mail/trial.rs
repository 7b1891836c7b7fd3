//! Tests whether the mail server would accept a mail, without sending one.

use lettre::message::Mailbox;
use lettre::transport::smtp::client::SmtpConnection;
use lettre::transport::smtp::commands::{Mail, Rcpt};

use crate::config::{Email, MailServer};
use crate::report::mail::error::MailError;
use crate::report::mail::smtp::{command_error, connect, mail_parameters, quit, refused};

#[derive(Debug)]
pub(crate) struct Trial {
    /// The server's certificate in DER, if the connection uses TLS.
    pub(crate) certificate: Option<Vec<u8>>,
    /// Whether the server accepted each recipient in the envelope.
    pub(crate) recipients: Vec<(Mailbox, Result<(), MailError>)>,
}

/// Connects to `server`, logs in and sends the envelope of `email`, then quits: no mail is sent. Fails if the connection or
/// the login failed.
pub(crate) fn try_server(email: &Email, server: &MailServer) -> Result<Trial, MailError> {
    let mut connection = connect(server)?;
    let certificate = connection.peer_certificate().ok();
    let recipients = email.to.iter().cloned();
    let recipients = match send_sender(&mut connection, server, email) {
        Ok(()) => recipients.map(|to| (to.clone(), try_recipient(&mut connection, server, &to))).collect(),
        Err(error) => recipients.map(|to| (to, Err(error.clone()))).collect(),
    };
    // QUIT ends the transaction (RFC 5321, 4.1.1.10).
    quit(connection);
    Ok(Trial { certificate, recipients })
}

/// Sends MAIL FROM, once for all recipients.
fn send_sender(connection: &mut SmtpConnection, server: &MailServer, email: &Email) -> Result<(), MailError> {
    let first = email.to.first().map_or(String::new(), |to| to.email.to_string());
    let addresses = std::iter::once(&email.from).chain(&email.to);
    let parameters = mail_parameters(connection, addresses).map_err(|reply| refused(server, &first, reply, false))?;
    let sender = Mail::new(Some(email.from.email.clone()), parameters);
    connection.command(sender).map(drop).map_err(|error| command_error(server, &first, error, false))
}

fn try_recipient(connection: &mut SmtpConnection, server: &MailServer, recipient: &Mailbox) -> Result<(), MailError> {
    connection
        .command(Rcpt::new(recipient.email.clone(), Vec::new()))
        .map(drop)
        .map_err(|error| command_error(server, recipient.email.as_ref(), error, false))
}
