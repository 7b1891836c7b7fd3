//! What can go wrong between us and the SFTP server, and what the operator can do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use ssh2::ErrorCode;
use thiserror::Error;

use crate::rules::units;
use crate::runtime::interrupt::Interrupted;
use crate::runtime::retry::Retryable;

/// Why the archive could not be delivered.
#[derive(Debug, Error)]
pub enum DestinationError {
    /// The name does not resolve.
    #[error("the name {host} cannot be resolved. Check sftp.host and this machine's DNS")]
    UnknownHost {
        /// The name.
        host: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// No TCP connection.
    #[error("no connection to {address}. Check sftp.host and sftp.port, that the server runs, and firewalls")]
    Connection {
        /// Host and port.
        address: String,
        /// What happened.
        source: io::Error,
    },
    /// The other side does not speak SSH, or nothing that we speak.
    #[error("no SSH session with {address}. {advice}")]
    Handshake {
        /// Host and port.
        address: String,
        /// What to look at.
        advice: &'static str,
        /// What happened.
        source: ssh2::Error,
    },
    /// known_hosts cannot be used.
    #[error("known_hosts ({}) cannot be used: {problem}", path.display())]
    KnownHosts {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The server's host key is not to be trusted. No credential was sent.
    #[error("{0}")]
    HostKey(String),
    /// The server refused who we are. Not tried again: accounts get locked.
    #[error("{address} refused the login of {username:?}: {problem}")]
    Authentication {
        /// Host and port.
        address: String,
        /// `sftp.username`.
        username: String,
        /// What was refused, and what to do.
        problem: String,
    },
    /// There is nothing to log in with. The server was offered no credential, or none that it takes.
    #[error("logging in to {address} as {username:?} is not possible: {problem}")]
    NoCredential {
        /// Host and port.
        address: String,
        /// `sftp.username`.
        username: String,
        /// What is missing, and what to do.
        problem: String,
    },
    /// The session has no SFTP.
    #[error("{address} accepted the login of {username:?}, but {}", no_sftp(error))]
    NoSftp {
        /// Host and port.
        address: String,
        /// `sftp.username`.
        username: String,
        /// What happened, in words that name a time-out whatever it was.
        error: ssh2::Error,
    },
    /// The directory is not there.
    #[error("sftp.directory {0:?} does not exist on the server. Create it there, or correct the configuration")]
    NoDirectory(String),
    /// The directory is something else.
    #[error("sftp.directory {0:?} is not a folder on the server. Correct the configuration")]
    NotADirectory(String),
    /// The final name belongs to an archive of another job.
    #[error(
        "{0:?} on the server is another job's archive: another job delivers to this folder under the same name. Give one \
         of them another archive.name or sftp.directory; if source.url or source.dump of this job was changed today, \
         rename {0:?} on the server"
    )]
    OfAnotherJob(String),
    /// Something lies where an archive should.
    #[error("{0:?} on the server is not a regular file. Move it away")]
    NotAFile(String),
    /// The disk is full, or a quota is used up.
    #[error("no space for {name:?} on the server{}", figures(*needed, *free))]
    NoSpace {
        /// The file.
        name: String,
        /// Bytes that it takes, where that is known.
        needed: Option<u64>,
        /// Bytes free, where the server tells.
        free: Option<u64>,
    },
    /// The file system there is mounted read-only.
    #[error(
        "the server refused {what}: the file system of sftp.directory {directory:?} is mounted read-only there. \
             Mount it writable; if the server did that itself, look for disk errors in its log"
    )]
    ReadOnly {
        /// What was tried: "to create …".
        what: String,
        /// `sftp.directory`.
        directory: String,
    },
    /// The listing is larger than any folder of archives.
    #[error("listing sftp.directory was given up: {0}. Give the archives a directory of their own")]
    ListingTooLarge(&'static str),
    /// The server refused something by SFTP.
    #[error("the server refused {what}{}", advice(source))]
    Refused {
        /// What was tried: "to create …".
        what: String,
        /// What it said.
        source: ssh2::Error,
    },
    /// The connection broke, or no answer came in time.
    #[error("the connection to the server broke {what} (limit for an answer: {} s, sftp.timeout_seconds)", limit.as_secs())]
    Broken {
        /// What was under way: "while …".
        what: String,
        /// The limit.
        limit: Duration,
        /// What happened.
        source: io::Error,
    },
    /// The server holds other bytes than were sent.
    #[error("{name:?} on the server is not what was sent: {difference}. Check the server's disk")]
    Different {
        /// The file.
        name: String,
        /// How it differs.
        difference: String,
    },
    /// The file is another one than when it was listed.
    #[error("{name:?} on the server {how} while it was read back. Try again when nothing writes there")]
    Changed {
        /// The file.
        name: String,
        /// What became of it: "is gone".
        how: &'static str,
    },
    /// Without its size, a file cannot be fetched in parts.
    #[error("the server does not tell the size of {0:?}. Fetch it with another program")]
    NoSize(String),
    /// The archive on this machine cannot be read.
    #[error("reading the archive back from archive.work_directory")]
    Spool(#[source] io::Error),
    /// The run was told to end.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// What a full disk was asked for, and what it has.
fn figures(needed: Option<u64>, free: Option<u64>) -> String {
    match (needed, free) {
        (Some(needed), Some(free)) => format!(": needs {}, {} free", units::size(needed), units::size(free)),
        (None, Some(free)) => format!(": {} free", units::size(free)),
        (_, None) => String::new(),
    }
}

/// Why there is no SFTP after a login. Tried with OpenSSH 9.2, which says no more to the client in each of these cases.
fn no_sftp(error: &ssh2::Error) -> &'static str {
    match error.code() {
        ErrorCode::Session(CHANNEL_PACKET_EXCEEDED | SFTP_PROTOCOL) => {
            "what answered is not SFTP. See that neither a login shell such as nologin nor its start-up files print text, \
             or use sshd's internal-sftp"
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
    /// Whether one side has refused the other for who it is.
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
            DestinationError::KnownHosts { .. }
            | DestinationError::HostKey(_)
            | DestinationError::Authentication { .. }
            | DestinationError::NoCredential { .. }
            | DestinationError::NoDirectory(_)
            | DestinationError::NotADirectory(_)
            | DestinationError::NotAFile(_)
            | DestinationError::OfAnotherJob(_)
            | DestinationError::NoSpace { .. }
            | DestinationError::ReadOnly { .. }
            | DestinationError::ListingTooLarge(_)
            | DestinationError::Refused { .. }
            | DestinationError::Different { .. }
            | DestinationError::Changed { .. }
            | DestinationError::NoSize(_)
            | DestinationError::Spool(_)
            | DestinationError::Interrupted(_) => false,
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

/// Whether `error` is about the connection rather than about what was asked.
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

/// Whether `error` says that there is no such file.
pub(super) fn is_missing(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::SFTP(NO_SUCH_FILE | NO_SUCH_PATH))
}

/// Whether `error` says no more than "failure", with which OpenSSH answers a full disk and much else.
pub(super) fn is_failure(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::SFTP(FAILURE))
}

/// Whether `error` is a refusal that may mean a read-only file system: OpenSSH says no more than "failure".
pub(super) fn is_refusal_to_write(error: &ssh2::Error) -> bool {
    is_failure(error) || matches!(error.code(), ErrorCode::SFTP(PERMISSION_DENIED))
}

/// Whether `error` says that the disk is full. OpenSSH says no more than "failure".
pub(super) fn is_no_space(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::SFTP(NO_SPACE_ON_FILESYSTEM | QUOTA_EXCEEDED))
}
