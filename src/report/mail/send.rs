//! Sends the mail to each recipient separately, so that a refused recipient does not affect the others.

use std::path::PathBuf;
use std::time::Duration;

use lettre::Message;
use lettre::message::Mailbox;

use crate::config::Email;
use crate::report::mail::error::MailError;
use crate::report::mail::{sendmail, smtp};

/// For the local sendmail, which may connect to a mail server before it exits.
const SENDMAIL_LIMIT: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) recipient: Mailbox,
    pub(crate) result: Result<(), MailError>,
}

/// Sends `message` to each recipient of `email`. After an error that affects all recipients, the remaining ones are not
/// tried and get the same error.
///
/// `attempt` calls its argument, retries transient errors, and returns the last result.
pub(crate) fn send(
    email: &Email,
    message: &Message,
    attempt: impl Fn(&dyn Fn() -> Result<(), MailError>) -> Result<(), MailError>,
) -> Vec<Delivery> {
    let mut server_error: Option<MailError> = None;
    let mut deliveries = Vec::with_capacity(email.to.len());
    for recipient in &email.to {
        let result = match &server_error {
            Some(error) => Err(error.clone()),
            None => attempt(&|| send_to(email, message, recipient)),
        };
        server_error = result.as_ref().err().filter(|error| error.affects_all_recipients()).cloned();
        deliveries.push(Delivery { recipient: recipient.clone(), result });
    }
    deliveries
}

/// How many recipients the mail did not reach and why, as a sentence for the other channels; `None` if it reached all.
pub(crate) fn undelivered(deliveries: &[Delivery]) -> Option<String> {
    let errors: Vec<String> =
        deliveries.iter().filter_map(|delivery| Some(delivery.result.as_ref().err()?.to_string())).collect();
    let mut reasons: Vec<&str> = Vec::new();
    for error in &errors {
        if !reasons.contains(&error.as_str()) {
            reasons.push(error);
        }
    }
    let (failed, all) = (errors.len(), deliveries.len());
    (failed > 0).then(|| format!("the mail did not reach {failed} of {all} recipients: {}", reasons.join("; ")))
}

/// Sends `message` to `recipient` once, through `email.server` or, if there is none, the local sendmail.
pub(crate) fn send_to(email: &Email, message: &Message, recipient: &Mailbox) -> Result<(), MailError> {
    if let Some(server) = &email.server {
        return smtp::send(server, &email.from, message, recipient);
    }
    let program = sendmail::program();
    let to: &str = recipient.email.as_ref();
    sendmail::submit(&program, email.from.email.as_ref(), to, message.formatted(), SENDMAIL_LIMIT)
        .map_err(|error| MailError::NoSendmail { program: program.clone(), reason: error.to_string() })?
        .map_err(|reason| MailError::Sendmail { program, recipient: to.to_owned(), reason })
}

/// Returns the path of the local sendmail. Fails if there is no executable one.
pub(crate) fn local_sendmail() -> Result<PathBuf, MailError> {
    sendmail::find().map_err(|error| MailError::NoSendmail { program: sendmail::program(), reason: error.to_string() })
}
