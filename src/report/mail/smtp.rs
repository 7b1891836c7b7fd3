//! One SMTP connection: TLS, login, envelope and message, with an error for each step.

use std::io;
use std::time::Duration;

use lettre::Message;
use lettre::message::Mailbox;
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{Certificate, CertificateStore, SmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use secrecy::ExposeSecret as _;

use crate::config::{MailSecurity, MailServer};
use crate::https::pem::certificates;
use crate::report::mail::error::MailError;

/// For connecting to the mail server, and for each of its replies.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Short, as the reply to QUIT does not matter.
const QUIT_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends `message` to `recipient` once. Fails if the server did not accept it.
pub(super) fn send(
    server: &MailServer,
    from: &Mailbox,
    message: &Message,
    recipient: &Mailbox,
) -> Result<(), MailError> {
    let mut connection = connect(server)?;
    let result = transfer(&mut connection, server, from, message, recipient);
    quit(connection);
    result
}

pub(super) fn quit(mut connection: SmtpConnection) {
    let _ = connection.set_timeout(Some(QUIT_TIMEOUT));
    let _ = connection.quit();
}

/// Connects with the configured TLS mode, and logs in.
pub(super) fn connect(server: &MailServer) -> Result<SmtpConnection, MailError> {
    let tls = match server.security {
        MailSecurity::None => None,
        MailSecurity::Tls | MailSecurity::Starttls => Some(tls_parameters(server)?),
    };
    let hello = ClientId::default();
    let implicit_tls = tls.as_ref().filter(|_| server.security == MailSecurity::Tls);
    let address = (server.host.as_str(), server.port);
    let mut connection = SmtpConnection::connect(address, Some(TIMEOUT), &hello, implicit_tls, None)
        .map_err(|error| connection_error(server, &error))?;
    if let Some(tls) = tls.as_ref().filter(|_| server.security == MailSecurity::Starttls) {
        if !connection.can_starttls() {
            return Err(MailError::NoStarttls { server: name(server) });
        }
        connection.starttls(tls, &hello).map_err(|error| connection_error(server, &error))?;
    }
    if let Some(credentials) = &server.credentials {
        let password = credentials.password.expose_secret().to_owned();
        let login = Credentials::new(credentials.username.clone(), password);
        connection.auth(DEFAULT_MECHANISMS, &login).map_err(|error| MailError::Authentication {
            server: name(server),
            username: credentials.username.clone(),
            reply: reason(&error),
            is_transient: error.is_transient(),
        })?;
    }
    Ok(connection)
}

fn tls_parameters(server: &MailServer) -> Result<TlsParameters, MailError> {
    let error = |source: smtp::Error| MailError::Tls { server: name(server), reason: reason(&source) };
    let mut builder = TlsParameters::builder(server.host.clone());
    if let Some(path) = &server.ca_file {
        builder = builder.certificate_store(CertificateStore::None);
        for authority in certificates(path).map_err(MailError::CaFile)? {
            let authority = Certificate::from_der(authority.der().to_vec());
            builder = builder.add_root_certificate(authority.map_err(error)?);
        }
    }
    builder.build().map_err(error)
}

/// Sends each command separately, to know whether the content had been sent when the connection broke.
fn transfer(
    connection: &mut SmtpConnection,
    server: &MailServer,
    from: &Mailbox,
    message: &Message,
    recipient: &Mailbox,
) -> Result<(), MailError> {
    let to = recipient.email.to_string();
    let parameters =
        mail_parameters(connection, [from, recipient]).map_err(|reply| refused(server, &to, reply, false))?;
    let failed = |error, has_content| command_error(server, &to, error, has_content);
    connection.command(Mail::new(Some(from.email.clone()), parameters)).map_err(|error| failed(error, false))?;
    connection.command(Rcpt::new(recipient.email.clone(), Vec::new())).map_err(|error| failed(error, false))?;
    connection.command(Data).map_err(|error| failed(error, false))?;
    connection.message(&message.formatted()).map_err(|error| failed(error, true))?;
    Ok(())
}

/// The parameters of MAIL. Non-ASCII addresses need SMTPUTF8 (RFC 6531); fails if the server does not support it.
pub(super) fn mail_parameters<'a>(
    connection: &SmtpConnection,
    addresses: impl IntoIterator<Item = &'a Mailbox>,
) -> Result<Vec<MailParameter>, String> {
    if addresses.into_iter().all(|address| address.email.to_string().is_ascii()) {
        return Ok(Vec::new());
    }
    if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
        return Err("it does not support non-ASCII addresses (SMTPUTF8)".to_owned());
    }
    Ok(vec![MailParameter::SmtpUtfEight])
}

pub(super) fn refused(server: &MailServer, to: &str, reply: String, is_transient: bool) -> MailError {
    MailError::Refused { server: name(server), recipient: to.to_owned(), reply, is_transient }
}

pub(super) fn command_error(server: &MailServer, to: &str, error: smtp::Error, has_content: bool) -> MailError {
    if error.status().is_some() {
        return refused(server, to, reason(&error), error.is_transient());
    }
    MailError::Lost { server: name(server), recipient: to.to_owned(), reason: reason(&error), has_content }
}

fn connection_error(server: &MailServer, error: &smtp::Error) -> MailError {
    let reason = reason(error);
    let server_name = name(server);
    if error.status().is_some() {
        return MailError::Rejected { server: server_name, reply: reason, is_transient: error.is_transient() };
    }
    // rustls wraps its errors in InvalidData; for invalid UTF-8, InvalidData wraps nothing.
    let is_tls = error.is_tls()
        || io_cause(error).is_some_and(|cause| cause.kind() == io::ErrorKind::InvalidData && cause.get_ref().is_some());
    if is_tls {
        MailError::Tls { server: server_name, reason }
    } else {
        MailError::Unreachable { server: server_name, reason }
    }
}

/// The cause, without lettre's prefix.
fn reason(error: &smtp::Error) -> String {
    if let Some(cause) = io_cause(error) {
        // On Linux, a socket timeout is WouldBlock.
        if matches!(cause.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
            return format!("no answer within {} s", TIMEOUT.as_secs());
        }
    }
    let reply = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    match error.status() {
        Some(code) if reply.is_empty() => code.to_string(),
        Some(code) => format!("{code} {reply}"),
        None => reply,
    }
}

fn io_cause(error: &smtp::Error) -> Option<&io::Error> {
    std::iter::successors(std::error::Error::source(error), |cause| cause.source())
        .find_map(|cause| cause.downcast_ref::<io::Error>())
}

fn name(server: &MailServer) -> String {
    format!("{}:{}", server.host, server.port)
}
