//! Errors of the SFTP server and its connections, with advice for the operator.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use ssh2::ErrorCode;
use thiserror::Error;

use crate::rules::units;
use crate::runtime::interrupt::Interrupted;
use crate::runtime::retry::Retryable;

#[derive(Debug, Error)]
pub enum DestinationError {
    #[error("the name {host} cannot be resolved. Check sftp.host and this machine's DNS")]
    UnknownHost { host: String, source: io::Error },
    #[error("no connection to {address}. Check sftp.host and sftp.port, that the server is running, and firewalls")]
    Connection { address: String, source: io::Error },
    /// The server does not speak SSH, or the two sides have no algorithm in common.
    #[error("no SSH session with {address}. {advice}")]
    Handshake { address: String, advice: &'static str, source: ssh2::Error },
    #[error("known_hosts ({}) cannot be used: {problem}", path.display())]
    KnownHosts { path: PathBuf, problem: String },
    /// The server's host key is not trusted. No credential was sent.
    #[error("{0}")]
    HostKey(String),
    /// The server refused a credential. It is not retried: that could lock the account.
    #[error("{address} refused the login of {username:?}: {problem}")]
    Authentication { address: String, username: String, problem: String },
    /// There is no usable credential, or the server accepts none of the available kinds.
    #[error("cannot log in to {address} as {username:?}: {problem}")]
    NoCredential { address: String, username: String, problem: String },
    #[error("{address} accepted the login of {username:?}, but {}", no_sftp(error))]
    NoSftp { address: String, username: String, error: ssh2::Error },
    #[error("sftp.directory {0:?} does not exist on the server. Create it there, or correct the configuration")]
    NoDirectory(String),
    #[error("sftp.directory {0:?} is not a folder on the server. Correct the configuration")]
    NotADirectory(String),
    #[error(
        "{0:?} on the server is another job's archive: another job delivers to this folder under the same name. Give one \
         of the jobs a different archive.name or sftp.directory; if source.url or source.dump of this job was changed \
         today, rename {0:?} on the server"
    )]
    OtherJobsArchive(String),
    #[error("{0:?} on the server is not a regular file. Move it away")]
    NotAFile(String),
    #[error("no space for {name:?} on the server{}", figures(*needed, *free))]
    NoSpace { name: String, needed: Option<u64>, free: Option<u64> },
    #[error(
        "the server refused {what}: the file system of sftp.directory {directory:?} is mounted read-only there. \
             Mount it writable; if the server did that itself, look for disk errors in its log"
    )]
    ReadOnly {
        /// The request: "to create …".
        what: String,
        directory: String,
    },
    #[error("stopped listing sftp.directory: {0}. Use a separate directory for the archives")]
    ListingTooLarge(&'static str),
    #[error("the server refused {what}{}", advice(source))]
    Refused {
        /// The request: "to create …".
        what: String,
        source: ssh2::Error,
    },
    /// The connection broke, or the server did not reply in time.
    #[error("the connection to the server broke {what} (time limit for a reply: {} s, sftp.timeout_seconds)", limit.as_secs())]
    Broken {
        /// The activity: "while …".
        what: String,
        limit: Duration,
        source: io::Error,
    },
    #[error("{name:?} on the server does not match the archive: {difference}. Check the server's disk")]
    Different { name: String, difference: String },
    #[error(
        "{0:?} disappeared from the server after it was sent. If something there moves new files away, let it leave those of \
         sftp.directory alone"
    )]
    Disappeared(String),
    #[error("{name:?} on the server {how} while it was read back. Try again when nothing is writing to it")]
    Changed {
        name: String,
        /// "is gone", "has changed", …
        how: &'static str,
    },
    #[error("the server does not report the size of {0:?}. Download it with another program")]
    NoSize(String),
    #[error("reading the archive back from archive.work_directory")]
    Spool(#[source] io::Error),
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// The needed and free space, as far as they are known.
fn figures(needed: Option<u64>, free: Option<u64>) -> String {
    match (needed, free) {
        (Some(needed), Some(free)) => format!(": needs {}, {} free", units::size(needed), units::size(free)),
        (None, Some(free)) => format!(": {} free", units::size(free)),
        (_, None) => String::new(),
    }
}

/// Why SFTP did not start after the login. OpenSSH 9.2 gives the client no more details in any of these cases (tested).
fn no_sftp(error: &ssh2::Error) -> &'static str {
    match error.code() {
        ErrorCode::Session(CHANNEL_PACKET_EXCEEDED | SFTP_PROTOCOL) => {
            "did not answer with SFTP. Make sure that neither a login shell such as nologin nor its start-up files print \
             text, or use sshd's internal-sftp"
        }
        ErrorCode::Session(TIMEOUT | SOCKET_TIMEOUT) => {
            "its SFTP subsystem did not answer in time (sftp.timeout_seconds). See the server's log"
        }
        _ if is_connection_error(error) => {
            "ended the session before SFTP began. See the server's log for the reason: often a ChrootDirectory that, like \
             any folder above it, is not owned by root or is writable by others; a ForceCommand or a login shell that \
             exits at once; or a missing sftp-server program"
        }
        _ => "offers no SFTP to that user. Enable the sftp subsystem on the server",
    }
}

fn advice(error: &ssh2::Error) -> &'static str {
    match error.code() {
        ErrorCode::SFTP(PERMISSION_DENIED) => ". Check the permissions of sftp.directory on the server",
        _ => "",
    }
}

impl DestinationError {
    /// A refused read or write, for which libssh2 reports only "failure".
    pub(super) fn refused(what: &str) -> DestinationError {
        DestinationError::Refused {
            what: what.to_owned(),
            source: ssh2::Error::new(ErrorCode::SFTP(FAILURE), "failure"),
        }
    }

    /// Whether the host key or the login was refused.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(
            self,
            DestinationError::KnownHosts { .. }
                | DestinationError::HostKey(_)
                | DestinationError::Authentication { .. }
                | DestinationError::NoCredential { .. }
        )
    }
}

impl Retryable for DestinationError {
    fn is_transient(&self) -> bool {
        match self {
            DestinationError::UnknownHost { .. }
            | DestinationError::Connection { .. }
            | DestinationError::Broken { .. } => true,
            DestinationError::Handshake { source: error, .. } | DestinationError::NoSftp { error, .. } => {
                is_connection_error(error)
            }
            _ => false,
        }
    }
}

// Codes of libssh2.h and of draft-ietf-secsh-filexfer-02, section 7 (codes from 10 on: later drafts).
const BANNER_RECV: i32 = -2;
const BANNER_SEND: i32 = -3;
const INVALID_MAC: i32 = -4;
const SOCKET_SEND: i32 = -7;
const TIMEOUT: i32 = -9;
const DECRYPT: i32 = -12;
const SOCKET_DISCONNECT: i32 = -13;
const CHANNEL_PACKET_EXCEEDED: i32 = -25;
const CHANNEL_CLOSED: i32 = -26;
const CHANNEL_EOF_SENT: i32 = -27;
const SOCKET_TIMEOUT: i32 = -30;
const SFTP_PROTOCOL: i32 = -31;
const SOCKET_RECV: i32 = -43;
const BAD_SOCKET: i32 = -45;
const NO_SUCH_FILE: i32 = 2;
const PERMISSION_DENIED: i32 = 3;
const FAILURE: i32 = 4;
const NO_CONNECTION: i32 = 6;
const CONNECTION_LOST: i32 = 7;
const NO_SUCH_PATH: i32 = 10;
const NO_SPACE_ON_FILESYSTEM: i32 = 14;
const QUOTA_EXCEEDED: i32 = 15;

/// Whether the connection failed, not the request.
pub(super) fn is_connection_error(error: &ssh2::Error) -> bool {
    match error.code() {
        ErrorCode::Session(code) => matches!(
            code,
            BANNER_RECV
                | BANNER_SEND
                | INVALID_MAC
                | SOCKET_SEND
                | TIMEOUT
                | DECRYPT
                | SOCKET_DISCONNECT
                | CHANNEL_CLOSED
                | CHANNEL_EOF_SENT
                | SOCKET_TIMEOUT
                | SFTP_PROTOCOL
                | SOCKET_RECV
                | BAD_SOCKET
        ),
        ErrorCode::SFTP(code) => matches!(code, NO_CONNECTION | CONNECTION_LOST),
    }
}

pub(super) fn is_missing(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::SFTP(NO_SUCH_FILE | NO_SUCH_PATH))
}

/// Whether `error` is the generic "failure", which OpenSSH sends for a full disk, among others.
pub(super) fn is_failure(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::SFTP(FAILURE))
}

/// Whether `error` can mean a read-only file system. OpenSSH sends "failure" for it.
pub(super) fn is_refusal_to_write(error: &ssh2::Error) -> bool {
    is_failure(error) || matches!(error.code(), ErrorCode::SFTP(PERMISSION_DENIED))
}

/// Whether `error` reports a full disk. OpenSSH sends "failure" instead.
pub(super) fn is_no_space(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::SFTP(NO_SPACE_ON_FILESYSTEM | QUOTA_EXCEEDED))
}

/// Whether the two sides have no algorithm or host key type in common: LIBSSH2_ERROR_KEX_FAILURE and
/// LIBSSH2_ERROR_METHOD_NONE.
pub(crate) fn has_no_common(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::Session(-5 | -17))
}
