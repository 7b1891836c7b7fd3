//! Whether the server has a file on its disk, where a power failure does not reach it.

use ssh2::{ErrorCode, File};

use crate::destination::error::is_link;
use crate::destination::session::connection::Connection;

/// A disk may need longer to write what it has buffered than a server needs for other answers.
const PATIENCE: u32 = 10;

/// Whether a server has a file on its disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    /// It says that it has.
    Synced,
    /// It has no answer to that question.
    NotOffered,
    /// It failed to put it there, for this reason.
    Failed(String),
}

impl Connection {
    /// Asks the server to put `file`, which is open for writing, on its disk (`fsync@openssh.com`, OpenSSH's PROTOCOL
    /// file, section 4.4). Waits up to ten times `sftp.timeout_seconds`. After a broken link the connection is cut.
    pub(super) fn sync(&self, file: &mut File) -> Durability {
        let usual = self.session.timeout();
        self.session.set_timeout(usual.saturating_mul(PATIENCE));
        let synced = file.fsync();
        self.session.set_timeout(usual);
        match synced.map_err(|error| (error.code(), error)) {
            Ok(()) => Durability::Synced,
            // Permission denied, bad message and unsupported (draft-ietf-secsh-filexfer-02 section 7): servers answer so to
            // an extension that they don't know, or don't allow.
            Err((ErrorCode::SFTP(3 | 5 | 8), _)) => Durability::NotOffered,
            Err((_, error)) => {
                if is_link(&error) {
                    self.cut();
                }
                Durability::Failed(error.message().to_owned())
            }
        }
    }
}
