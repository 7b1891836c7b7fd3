//! Why a mail did not reach someone, and what that means for another try.

use std::path::PathBuf;

use crate::https::pem::PemError;

/// Why a mail did not reach someone. Never holds a password; may hold what the server said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The parts do not make a mail.
    #[error("the mail could not be put together: {reason}")]
    Build {
        /// What is wrong.
        reason: String,
    },
    /// The private certificate authorities could not be read.
    #[error("email.server.ca_file: {0}")]
    CaFile(PemError),
    /// No connection, or none that speaks SMTP.
    #[error("cannot reach the mail server {server}: {reason}; check email.server.host, port and security")]
    Unreachable {
        /// Host and port.
        server: String,
        /// What happened.
        reason: String,
    },
    /// The server's certificate is not trusted, or it does not speak TLS.
    #[error(
        "no trusted TLS connection to the mail server {server}: {reason}; check email.server.host, port and \
         security, and ca_file for a private certificate authority"
    )]
    Tls {
        /// Host and port.
        server: String,
        /// What happened.
        reason: String,
    },
    /// STARTTLS is asked for, and not offered.
    #[error("the mail server {server} offers no STARTTLS; check email.server.port, or set email.server.security")]
    NoStarttls {
        /// Host and port.
        server: String,
    },
    /// The server wants nothing of us, before any mail was named.
    #[error("the mail server {server} turned us away: {reply}")]
    TurnedAway {
        /// Host and port.
        server: String,
        /// What it said.
        reply: String,
        /// Whether it may think better of it.
        transient: bool,
    },
    /// The login failed.
    #[error(
        "the mail server {server} refused the login of {username}: {reply}; check email.server.username and \
         email.server.password"
    )]
    Authentication {
        /// Host and port.
        server: String,
        /// Who tried.
        username: String,
        /// What it said.
        reply: String,
        /// Whether it may think better of it.
        transient: bool,
    },
    /// The server did not take the mail for this recipient.
    #[error("the mail server {server} refused the mail to {recipient}: {reply}")]
    Refused {
        /// Host and port.
        server: String,
        /// The address.
        recipient: String,
        /// What it said.
        reply: String,
        /// Whether it may think better of it.
        transient: bool,
    },
    /// The connection broke.
    #[error(
        "the mail server {server} was lost while it took the mail to {recipient}: {reason}{}",
        may_have_arrived(*has_content)
    )]
    Lost {
        /// Host and port.
        server: String,
        /// The address.
        recipient: String,
        /// What happened.
        reason: String,
        /// Whether the message itself was under way already.
        has_content: bool,
    },
    /// The local sendmail could not be run.
    #[error("cannot run {}: {reason}; install a local mail system, or set email.server", program.display())]
    NoSendmail {
        /// What was to be run.
        program: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The local sendmail did not take the mail.
    #[error("{} did not take the mail to {recipient}: {reason}", program.display())]
    Sendmail {
        /// What was run.
        program: PathBuf,
        /// The address.
        recipient: String,
        /// What it said.
        reason: String,
    },
}

fn may_have_arrived(has_content: bool) -> &'static str {
    if has_content { "; it may have arrived, so it was not sent again" } else { "" }
}

impl MailError {
    /// Whether another try may go better, and cannot deliver the mail twice.
    pub fn is_transient(&self) -> bool {
        match self {
            MailError::Unreachable { .. } => true,
            MailError::TurnedAway { transient, .. }
            | MailError::Authentication { transient, .. }
            | MailError::Refused { transient, .. } => *transient,
            MailError::Lost { has_content, .. } => !has_content,
            MailError::Build { .. }
            | MailError::CaFile(_)
            | MailError::Tls { .. }
            | MailError::NoStarttls { .. }
            | MailError::NoSendmail { .. }
            | MailError::Sendmail { .. } => false,
        }
    }

    /// Whether it would be the same for every recipient, so that trying the next one only costs time, or a login
    /// attempt before the account is locked.
    pub fn is_about_server(&self) -> bool {
        !matches!(self, MailError::Refused { .. } | MailError::Lost { .. } | MailError::Sendmail { .. })
    }
}
