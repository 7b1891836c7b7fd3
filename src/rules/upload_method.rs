//! Decides how an archive is uploaded. A server that refuses one method, or mixes up the bytes, gets the next.

use std::fmt;

/// A server executes the requests of one connection in order only if there is one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Writing {
    /// Several connections have the file open at the same time.
    SeveralConnections,
    /// One connection, with many writes at a time.
    OneConnection,
    /// One connection, with one write at a time.
    OneWrite,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    pub writing: Writing,
    /// Whether an upload is continued after a broken connection.
    pub resumes: bool,
    /// OpenSSH supports every method, so it is never the cause of a failure.
    is_openssh: bool,
}

/// The facts about an upload that was refused, or arrived with other content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedUpload {
    /// Whether several connections had the file open.
    pub was_shared: bool,
    pub was_resumed: bool,
    /// Whether it took more than one write.
    pub had_several_writes: bool,
}

/// Services that store each upload as one object (their documentation; `rclone serve sftp` 1.60 was tried).
const ONE_WRITER: [&str; 4] = ["AWS_SFTP_", "AzureSSH_", "SFTPGo", "rclone/"];

impl Method {
    /// The method to begin with. `banner` is the server's identification, such as `SSH-2.0-OpenSSH_9.2` (RFC 4253 section
    /// 4.2).
    pub fn for_banner(banner: &str) -> Method {
        let software = banner.splitn(3, '-').nth(2).unwrap_or_default();
        let is_one_writer = ONE_WRITER.iter().any(|known| software.starts_with(known));
        let writing = if is_one_writer { Writing::OneConnection } else { Writing::SeveralConnections };
        Method { writing, resumes: true, is_openssh: software.starts_with("OpenSSH") }
    }

    /// The next method, if this one explains the failure of `upload`.
    pub fn after(self, upload: FailedUpload) -> Option<Method> {
        if upload.was_resumed && self.resumes {
            return Some(Method { resumes: false, ..self });
        }
        let writing = match self.writing {
            _ if self.is_openssh || !upload.had_several_writes => return None,
            Writing::SeveralConnections if upload.was_shared => Writing::OneConnection,
            Writing::SeveralConnections | Writing::OneConnection => Writing::OneWrite,
            Writing::OneWrite => return None,
        };
        Some(Method { writing, ..self })
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.writing {
            Writing::SeveralConnections => "over several connections",
            Writing::OneConnection => "over one connection",
            Writing::OneWrite => "over one connection, with one write at a time",
        })?;
        if self.resumes { Ok(()) } else { f.write_str(", and from the beginning after a broken connection") }
    }
}
