//! Errors of mail delivery, and which of them are worth a retry.

use std::path::PathBuf;

use crate::https::pem::PemError;
use crate::runtime::retry::Retryable;

/// Never contains a password; may contain the server's reply. `server` is host and port, `recipient` an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MailError {
    #[error("cannot build the mail: {reason}")]
    Build { reason: String },
    #[error("email.server.ca_file: {0}")]
    CaFile(PemError),
    #[error("cannot reach the mail server {server}: {reason}; check email.server.host, port and security")]
    Unreachable { server: String, reason: String },
    #[error(
        "no trusted TLS connection to the mail server {server}: {reason}; check email.server.host, port and \
         security, and ca_file for a private certificate authority"
    )]
    Tls { server: String, reason: String },
    #[error("the mail server {server} does not offer STARTTLS; check email.server.port, or set email.server.security")]
    NoStarttls { server: String },
    /// Before the envelope.
    #[error("the mail server {server} rejected the connection: {reply}")]
    Rejected { server: String, reply: String, is_transient: bool },
    #[error(
        "the mail server {server} refused the login of {username}: {reply}; check email.server.username and \
         email.server.password"
    )]
    Authentication { server: String, username: String, reply: String, is_transient: bool },
    #[error("the mail server {server} refused the mail to {recipient}: {reply}")]
    Refused { server: String, recipient: String, reply: String, is_transient: bool },
    /// `has_content`: the message had been sent, at least in part.
    #[error(
        "the connection to the mail server {server} broke while sending the mail to {recipient}: {reason}{}",
        if *has_content { "; the mail may have arrived, so it was not sent again" } else { "" }
    )]
    Lost { server: String, recipient: String, reason: String, has_content: bool },
    #[error("cannot run {}: {reason}; install a local mail system, or set email.server", program.display())]
    NoSendmail { program: PathBuf, reason: String },
    #[error("{} did not accept the mail to {recipient}: {reason}", program.display())]
    Sendmail { program: PathBuf, recipient: String, reason: String },
}

impl Retryable for MailError {
    /// Only if a retry cannot deliver the mail twice.
    fn is_transient(&self) -> bool {
        match self {
            MailError::Unreachable { .. } => true,
            MailError::Rejected { is_transient, .. }
            | MailError::Authentication { is_transient, .. }
            | MailError::Refused { is_transient, .. } => *is_transient,
            MailError::Lost { has_content, .. } => !has_content,
            MailError::Build { .. }
            | MailError::CaFile(_)
            | MailError::Tls { .. }
            | MailError::NoStarttls { .. }
            | MailError::NoSendmail { .. }
            | MailError::Sendmail { .. } => false,
        }
    }
}

impl MailError {
    /// Whether every recipient would fail the same way. Another attempt would only waste time, and another failed login may
    /// lock the account.
    pub(crate) fn affects_all_recipients(&self) -> bool {
        !matches!(self, MailError::Refused { .. } | MailError::Lost { .. } | MailError::Sendmail { .. })
    }
}
