//! Errors of the SFTP server and of connections to it, with what the operator can do.

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
    #[error("no connection to {address}. Check sftp.host and sftp.port, that the server runs, and firewalls")]
    Connection { address: String, source: io::Error },
    /// The other side does not speak SSH, or shares no algorithm with us.
    #[error("no SSH session with {address}. {advice}")]
    Handshake { address: String, advice: &'static str, source: ssh2::Error },
    #[error("known_hosts ({}) cannot be used: {problem}", path.display())]
    KnownHosts { path: PathBuf, problem: String },
    /// The server's host key is not trusted. No credential was sent.
    #[error("{0}")]
    HostKey(String),
    /// The server refused a credential. It is not offered again: accounts get locked.
    #[error("{address} refused the login of {username:?}: {problem}")]
    Authentication { address: String, username: String, problem: String },
    /// No credential could be offered, or none of a kind that the server accepts.
    #[error("logging in to {address} as {username:?} is not possible: {problem}")]
    NoCredential { address: String, username: String, problem: String },
    #[error("{address} accepted the login of {username:?}, but {}", no_sftp(error))]
    NoSftp { address: String, username: String, error: ssh2::Error },
    #[error("sftp.directory {0:?} does not exist on the server. Create it there, or correct the configuration")]
    NoDirectory(String),
    #[error("sftp.directory {0:?} is not a folder on the server. Correct the configuration")]
    NotADirectory(String),
    /// The final name belongs to another job's archive.
    #[error(
        "{0:?} on the server is another job's archive: another job delivers to this folder under the same name. Give one \
         of them another archive.name or sftp.directory; if source.url or source.dump of this job was changed today, \
         rename {0:?} on the server"
    )]
    OfAnotherJob(String),
    /// Something other than a file has an archive's name.
    #[error("{0:?} on the server is not a regular file. Move it away")]
    NotAFile(String),
    #[error("no space for {name:?} on the server{}", figures(*needed, *free))]
    NoSpace { name: String, needed: Option<u64>, free: Option<u64> },
    #[error(
        "the server refused {what}: the file system of sftp.directory {directory:?} is mounted read-only there. \
             Mount it writable; if the server did that itself, look for disk errors in its log"
    )]
    ReadOnly {
        /// What was tried: "to create …".
        what: String,
        directory: String,
    },
    /// The listing is too large for a folder of archives.
    #[error("listing sftp.directory was given up: {0}. Give the archives a directory of their own")]
    ListingTooLarge(&'static str),
    #[error("the server refused {what}{}", advice(source))]
    Refused {
        /// What was tried: "to create …".
        what: String,
        source: ssh2::Error,
    },
    /// The connection broke, or no answer arrived in time.
    #[error("the connection to the server broke {what} (limit for an answer: {} s, sftp.timeout_seconds)", limit.as_secs())]
    Broken {
        /// What was under way: "while …".
        what: String,
        limit: Duration,
        source: io::Error,
    },
    #[error("{name:?} on the server is not what was sent: {difference}. Check the server's disk")]
    Different { name: String, difference: String },
    /// The file is no longer the one that was listed.
    #[error("{name:?} on the server {how} while it was read back. Try again when nothing writes there")]
    Changed {
        name: String,
        /// "is gone", "has changed" …
        how: &'static str,
    },
    /// A file cannot be fetched in parts without its size.
    #[error("the server does not report the size of {0:?}. Fetch it with another program")]
    NoSize(String),
    /// The local archive cannot be read.
    #[error("reading the archive back from archive.work_directory")]
    Spool(#[source] io::Error),
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// The space that is needed and free, as far as known.
fn figures(needed: Option<u64>, free: Option<u64>) -> String {
    match (needed, free) {
        (Some(needed), Some(free)) => format!(": needs {}, {} free", units::size(needed), units::size(free)),
        (None, Some(free)) => format!(": {} free", units::size(free)),
        (_, None) => String::new(),
    }
}

/// Why SFTP did not begin after the login. OpenSSH 9.2 was tried and says no more to the client in each of these cases.
fn no_sftp(error: &ssh2::Error) -> &'static str {
    match error.code() {
        ErrorCode::Session(CHANNEL_PACKET_EXCEEDED | SFTP_PROTOCOL) => {
            "what answered is not SFTP. Make sure that neither a login shell such as nologin nor its start-up files print \
             text, or use sshd's internal-sftp"
        }
        ErrorCode::Session(TIMEOUT | SOCKET_TIMEOUT) => {
            "its SFTP did not answer in time (sftp.timeout_seconds). See the server's log"
        }
        _ if is_link(error) => {
            "ended the session before SFTP began. The server's log has the reason: often a ChrootDirectory that, with the \
             folders above it, does not belong to root or is writable by others; a ForceCommand or a login shell that \
             ends at once; or a missing sftp-server program"
        }
        _ => "offers no SFTP to that user. Enable its sftp subsystem",
    }
}

fn advice(error: &ssh2::Error) -> &'static str {
    match error.code() {
        ErrorCode::SFTP(PERMISSION_DENIED) => ". Check the permissions of sftp.directory there",
        _ => "",
    }
}

impl DestinationError {
    /// The refusal of a request to read or write, about which libssh2 reports no more than "failure".
    pub(super) fn refused(what: &str) -> DestinationError {
        DestinationError::Refused {
            what: what.to_owned(),
            source: ssh2::Error::new(ErrorCode::SFTP(FAILURE), "failure"),
        }
    }

    /// Whether one side refused the other's identity.
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
                is_link(error)
            }
            _ => false,
        }
    }
}

// Codes of libssh2.h and of draft-ietf-secsh-filexfer-02, section 7 (later drafts add those from 10 on).
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

/// Whether `error` is about the connection rather than about the request.
pub(super) fn is_link(error: &ssh2::Error) -> bool {
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

/// Whether `error` is the unspecific "failure", which OpenSSH sends for a full disk and much else.
pub(super) fn is_failure(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::SFTP(FAILURE))
}

/// Whether `error` may mean a read-only file system, for which OpenSSH sends "failure".
pub(super) fn is_refusal_to_write(error: &ssh2::Error) -> bool {
    is_failure(error) || matches!(error.code(), ErrorCode::SFTP(PERMISSION_DENIED))
}

/// Whether `error` says that the disk is full. OpenSSH sends "failure" instead.
pub(super) fn is_no_space(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::SFTP(NO_SPACE_ON_FILESYSTEM | QUOTA_EXCEEDED))
}
