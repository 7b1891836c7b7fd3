//! The mail: [`build`] makes it out of the record, [`send`] has a mail server or the local sendmail take it.
//!
//! Each recipient has an envelope and a connection of its own, so that one who is refused does not keep the others
//! from getting it.

mod error;
pub mod html;
mod sendmail;
mod trial;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use lettre::Message;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart};
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{Certificate, CertificateStore, SmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use secrecy::ExposeSecret as _;

use crate::config::{Email, MailSecurity, MailServer};
use crate::https::pem::certificates;
use crate::record::run_record::RunRecord;
use crate::report::message::plain;
pub use error::MailError;
pub use trial::{Welcome, build_test, try_server};

/// To connect to the mail server, and for any one answer of it.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// For the local sendmail, which may speak to a server itself before it ends.
const SENDMAIL_LIMIT: Duration = Duration::from_secs(120);

/// The mail is where it is; a server need not be waited for longer to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// What became of the mail to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Who.
    pub recipient: Mailbox,
    /// Whether a server took it, or why not.
    pub result: Result<(), MailError>,
}

/// The mail that tells of `record`, dated `date`: plain text and HTML, and this run's log lines where they are
/// wanted.
///
/// # Errors
/// If lettre finds that the parts do not make a mail, which the configuration's own checks should have prevented.
pub fn build(email: &Email, record: &RunRecord, date: DateTime<FixedOffset>) -> Result<Message, MailError> {
    let build_error = |error: lettre::error::Error| MailError::Build { reason: error.to_string() };
    let mut builder = Message::builder()
        .from(email.from.clone())
        .subject(plain::subject(record, &email.subject))
        .date(date.into())
        .message_id(Some(format!("<{}@{}>", name_part(&record.run_id), name_part(&record.host))))
        .raw_header(auto_generated());
    for recipient in &email.to {
        builder = builder.to(recipient.clone());
    }
    let told = MultiPart::alternative_plain_html(plain::plain_text(record), html::html(record));
    let mut parts = MultiPart::mixed().multipart(told);
    if email.attach_log {
        let name = format!("scripting-system-{}.log", name_part(&record.run_id));
        let lines: String = record.log_lines.iter().map(|line| format!("{line}\n")).collect();
        let plain = ContentType::parse("text/plain; charset=utf-8")
            .map_err(|error| MailError::Build { reason: error.to_string() })?;
        parts = parts.singlepart(Attachment::new(name).body(lines, plain));
    }
    builder.multipart(parts).map_err(build_error)
}

/// RFC 3834: keeps holiday replies away.
fn auto_generated() -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned())
}

/// `text` as it may stand in a Message-ID (RFC 5322, 3.6.4) and in a file's name.
fn name_part(text: &str) -> String {
    let part: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '-' }).collect();
    match part.trim_matches('.').replace("..", ".") {
        part if part.is_empty() => "unknown".to_owned(),
        part => part,
    }
}

/// Sends `message` to each recipient of `email`, and tells what became of each.
///
/// `attempt` makes the try that it is given, again where [`is_transient`](MailError::is_transient) and patience
/// allow, and gives the last result. Once a fault is the server's, the recipients that are left are not tried.
pub fn send(
    email: &Email,
    message: &Message,
    attempt: impl Fn(&dyn Fn() -> Result<(), MailError>) -> Result<(), MailError>,
) -> Vec<Delivery> {
    let mut fault: Option<MailError> = None;
    let mut deliveries = Vec::with_capacity(email.to.len());
    for recipient in &email.to {
        let result = match &fault {
            Some(fault) => Err(fault.clone()),
            None => attempt(&|| send_to(email, message, recipient)),
        };
        fault = result.as_ref().err().filter(|error| error.is_about_server()).cloned();
        deliveries.push(Delivery { recipient: recipient.clone(), result });
    }
    deliveries
}

/// Whom the mail did not reach and why, as one sentence for the other channels; `None` where it reached everyone.
pub fn undelivered(deliveries: &[Delivery]) -> Option<String> {
    let mut reasons: Vec<String> = Vec::new();
    for error in deliveries.iter().filter_map(|delivery| delivery.result.as_ref().err()) {
        let reason = error.to_string();
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    let missed = deliveries.iter().filter(|delivery| delivery.result.is_err()).count();
    (missed > 0)
        .then(|| format!("the mail did not reach {missed} of {} recipients: {}", deliveries.len(), reasons.join("; ")))
}

/// Sends `message` to `recipient`, once: to `email.server`, else through the local sendmail.
///
/// # Errors
/// If no server took it; [`is_transient`](MailError::is_transient) tells whether another try makes sense.
pub fn send_to(email: &Email, message: &Message, recipient: &Mailbox) -> Result<(), MailError> {
    match &email.server {
        Some(server) => send_by_smtp(server, &email.from, message, recipient),
        None => send_by_sendmail(&email.from, message, recipient),
    }
}

fn send_by_sendmail(from: &Mailbox, message: &Message, recipient: &Mailbox) -> Result<(), MailError> {
    let program = sendmail::program();
    let to: &str = recipient.email.as_ref();
    sendmail::hand_over(&program, from.email.as_ref(), to, message.formatted(), SENDMAIL_LIMIT)
        .map_err(|error| MailError::NoSendmail { program: program.clone(), reason: error.to_string() })?
        .map_err(|reason| MailError::Sendmail { program, recipient: to.to_owned(), reason })
}

/// The local sendmail, where there is one that can be run.
///
/// # Errors
/// If there is none.
pub fn local_sendmail() -> Result<PathBuf, MailError> {
    sendmail::find().map_err(|error| MailError::NoSendmail { program: sendmail::program(), reason: error.to_string() })
}

fn send_by_smtp(server: &MailServer, from: &Mailbox, message: &Message, recipient: &Mailbox) -> Result<(), MailError> {
    let mut connection = connect(server)?;
    let result = transfer(&mut connection, server, from, message, recipient);
    let _ = connection.set_timeout(Some(GOODBYE));
    let _ = connection.quit();
    result
}

/// A connection to `server`, as protected and authenticated as the configuration wants it.
fn connect(server: &MailServer) -> Result<SmtpConnection, MailError> {
    let tls = match server.security {
        MailSecurity::None => None,
        MailSecurity::Tls | MailSecurity::Starttls => Some(tls_parameters(server)?),
    };
    let hello = ClientId::default();
    let from_the_start = tls.as_ref().filter(|_| server.security == MailSecurity::Tls);
    let mut connection =
        SmtpConnection::connect((server.host.as_str(), server.port), Some(TIMEOUT), &hello, from_the_start, None)
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
            transient: error.is_transient(),
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

/// Hands `message` over, step by step, to know whether its content was under way when something broke.
fn transfer(
    connection: &mut SmtpConnection,
    server: &MailServer,
    from: &Mailbox,
    message: &Message,
    recipient: &Mailbox,
) -> Result<(), MailError> {
    let to = recipient.email.to_string();
    let options = options(connection, [from, recipient]).map_err(|reply| refused(server, &to, reply, false))?;
    let broken = |error, has_content| broken(server, &to, error, has_content);
    connection.command(Mail::new(Some(from.email.clone()), options)).map_err(|error| broken(error, false))?;
    connection.command(Rcpt::new(recipient.email.clone(), Vec::new())).map_err(|error| broken(error, false))?;
    connection.command(Data).map_err(|error| broken(error, false))?;
    connection.message(&message.formatted()).map_err(|error| broken(error, true))?;
    Ok(())
}

/// RFC 6531: an address beyond ASCII goes only to a server that can take it. Else why not.
fn options<'a>(
    connection: &SmtpConnection,
    addresses: impl IntoIterator<Item = &'a Mailbox>,
) -> Result<Vec<MailParameter>, String> {
    if addresses.into_iter().all(|address| address.email.to_string().is_ascii()) {
        return Ok(Vec::new());
    }
    if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
        return Err("it takes no addresses beyond ASCII (SMTPUTF8)".to_owned());
    }
    Ok(vec![MailParameter::SmtpUtfEight])
}

fn refused(server: &MailServer, to: &str, reply: String, transient: bool) -> MailError {
    MailError::Refused { server: name(server), recipient: to.to_owned(), reply, transient }
}

fn broken(server: &MailServer, to: &str, error: smtp::Error, has_content: bool) -> MailError {
    if error.status().is_some() {
        return refused(server, to, reason(&error), error.is_transient());
    }
    MailError::Lost { server: name(server), recipient: to.to_owned(), reason: reason(&error), has_content }
}

fn connection_error(server: &MailServer, error: &smtp::Error) -> MailError {
    let reason = reason(error);
    let server_name = name(server);
    if error.status().is_some() {
        return MailError::TurnedAway { server: server_name, reply: reason, transient: error.is_transient() };
    }
    // rustls hands its errors up as InvalidData with the error inside; invalid UTF-8 has nothing inside.
    let is_tls = error.is_tls()
        || io_cause(error).is_some_and(|cause| cause.kind() == io::ErrorKind::InvalidData && cause.get_ref().is_some());
    if is_tls {
        MailError::Tls { server: server_name, reason }
    } else {
        MailError::Unreachable { server: server_name, reason }
    }
}

/// What happened, without lettre's words for the kind of it.
fn reason(error: &smtp::Error) -> String {
    if let Some(cause) = io_cause(error) {
        // A socket's time limit shows as WouldBlock on Linux.
        if matches!(cause.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
            return format!("no answer within {} s", TIMEOUT.as_secs());
        }
    }
    let said = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    match error.status() {
        Some(code) if said.is_empty() => code.to_string(),
        Some(code) => format!("{code} {said}"),
        None => said,
    }
}

fn io_cause(error: &smtp::Error) -> Option<&io::Error> {
    std::iter::successors(std::error::Error::source(error), |cause| cause.source())
        .find_map(|cause| cause.downcast_ref::<io::Error>())
}

fn name(server: &MailServer) -> String {
    format!("{}:{}", server.host, server.port)
}

#[cfg(test)]
mod tests;
