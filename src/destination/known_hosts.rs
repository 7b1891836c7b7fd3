//! The file of known host keys, in OpenSSH's format (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").
//!
//! Names are matched by libssh2, which knows hashed entries and `[host]:port`. What it does not know is decided
//! here: `@revoked` keys are refused, `@cert-authority` lines are passed over, and a line that cannot be read
//! makes the whole file unusable, since it may be the one that counts.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ssh2::{CheckResult, KnownHostFileKind, Session};

use super::DestinationError;
use crate::disk::whole_file::sync_folder_of;

/// Largest known_hosts that is read, in bytes.
const MAX_SIZE: u64 = 4 * 1024 * 1024;
/// A new file is for its owner alone.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// A host and its port, as known_hosts writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostName {
    host: String,
    port: u16,
}

impl HostName {
    /// Names are the same in upper and lower case.
    pub(super) fn new(host: &str, port: u16) -> HostName {
        HostName { host: host.to_lowercase(), port }
    }

    /// The name as a line begins with it, and as `ssh-keygen -R` takes it.
    pub(super) fn pattern(&self) -> String {
        if self.port == 22 { self.host.clone() } else { format!("[{}]:{}", self.host, self.port) }
    }
}

/// A key that the file holds for the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownKey {
    /// Line in the file, from 1.
    pub(super) line: usize,
    /// The key's type: `ssh-ed25519`.
    pub(super) algorithm: String,
    /// The key, as the wire has it.
    pub(super) key: Vec<u8>,
}

/// What the file says of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// The host's keys.
    pub(super) keys: Vec<KnownKey>,
    /// Keys that nobody may show any more.
    pub(super) revoked: Vec<Vec<u8>>,
}

/// Reads what the file at `path` says of `name`; a missing file says nothing. `session` only lends libssh2's
/// reader.
pub(super) fn read(session: &Session, path: &Path, name: &HostName) -> Result<Known, DestinationError> {
    let unusable = |problem: String| DestinationError::KnownHosts { path: path.to_owned(), problem };
    let mut bytes = Vec::new();
    match OpenOptions::new().read(true).open(path) {
        Ok(file) => {
            file.take(MAX_SIZE + 1).read_to_end(&mut bytes).map_err(|error| unusable(error.to_string()))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Known::default()),
        Err(error) => return Err(unusable(error.to_string())),
    }
    if bytes.len() as u64 > MAX_SIZE {
        return Err(unusable(format!("it is larger than {MAX_SIZE} bytes")));
    }
    let mut known = Known::default();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let malformed = || unusable(format!("line {number} cannot be read. Correct it or remove it"));
        match parse(line).ok_or_else(malformed)? {
            Line::Nothing => {}
            Line::Revoked(key) => known.revoked.push(key),
            Line::Key { text, algorithm, key } => {
                if belongs(session, text, name, &key).ok_or_else(malformed)? {
                    known.keys.push(KnownKey { line: number, algorithm: algorithm.to_owned(), key });
                }
            }
        }
    }
    Ok(known)
}

/// A line, as far as it is understood without knowing the host.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    /// Blank, a comment, or an authority for host certificates, which are not used here.
    Nothing,
    /// A key that is revoked, for whatever host.
    Revoked(Vec<u8>),
    /// A key and the hosts that it belongs to.
    Key { text: &'a str, algorithm: &'a str, key: Vec<u8> },
}

fn parse(line: &[u8]) -> Option<Line<'_>> {
    let text = std::str::from_utf8(line).ok()?.trim();
    if text.contains('\0') {
        return None;
    }
    if text.is_empty() || text.starts_with('#') || text.starts_with("@cert-authority") {
        return Some(Line::Nothing);
    }
    let (revoked, fields) = match text.strip_prefix("@revoked") {
        Some(rest) => (true, rest),
        None if text.starts_with('@') => return None,
        None => (false, text),
    };
    let mut fields = fields.split_ascii_whitespace();
    let (_hosts, algorithm, key) = (fields.next()?, fields.next()?, fields.next()?);
    let key = STANDARD.decode(key).ok()?;
    Some(if revoked { Line::Revoked(key) } else { Line::Key { text, algorithm, key } })
}

/// Whether the line is about the host; `None` where libssh2 cannot read it.
fn belongs(session: &Session, line: &str, name: &HostName, key: &[u8]) -> Option<bool> {
    let mut hosts = session.known_hosts().ok()?;
    hosts.read_str(line, KnownHostFileKind::OpenSSH).ok()?;
    Some(matches!(hosts.check_port(&name.host, name.port, key), CheckResult::Match))
}

/// The line that makes `key` known for `name`, as OpenSSH writes it, without its end.
pub(super) fn line(name: &HostName, algorithm: &str, key: &[u8]) -> String {
    format!("{} {algorithm} {}", name.pattern(), STANDARD.encode(key))
}

/// Adds `line` to the file at `path`, which is made, with its folder, where it does not exist.
pub(super) fn append(path: &Path, line: &str) -> Result<(), DestinationError> {
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
        }
        let before = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let end_of_last_line = if before.last().is_some_and(|byte| *byte != b'\n') { "\n" } else { "" };
        let mut file = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)?;
        // Appended in one write, as OpenSSH does: links, modes and what others append at the same time are kept.
        file.write_all(format!("{end_of_last_line}{line}\n").as_bytes())?;
        file.sync_all()?;
        sync_folder_of(&path.canonicalize()?)
    };
    write().map_err(|error| DestinationError::KnownHosts {
        path: PathBuf::from(path),
        problem: format!("the server's host key cannot be added to it ({error}). Make it writable"),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIA2uJxnKE9KA8ZJYtEeXrI9zL5gN1oQ9DXaHrzWyxKPx";

    fn known(content: &[u8], host: &str, port: u16) -> Result<Known, DestinationError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_hosts");
        std::fs::write(&path, content).unwrap();
        read(&Session::new().unwrap(), &path, &HostName::new(host, port))
    }

    fn lines_of(content: &str, host: &str, port: u16) -> Vec<usize> {
        known(content.as_bytes(), host, port).unwrap().keys.iter().map(|key| key.line).collect()
    }

    #[test]
    fn a_host_is_found_by_name_port_and_list() {
        let content = format!(
            "# comment\n\nbackup.example,192.0.2.7 ssh-ed25519 {KEY} someone\n[backup.example]:2222 ssh-ed25519 {KEY}\n"
        );
        assert_eq!(lines_of(&content, "backup.example", 22), [3]);
        assert_eq!(lines_of(&content, "192.0.2.7", 22), [3]);
        assert!(lines_of(&content, "BACKUP.example", 2222).contains(&4));
        assert_eq!(lines_of(&content, "other.example", 22), [0_usize; 0]);
    }

    #[test]
    fn an_added_line_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("known_hosts");
        let name = HostName::new("::1", 2222);
        let key = STANDARD.decode(KEY).unwrap();
        append(&path, &line(&name, "ssh-ed25519", &key)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("[::1]:2222 ssh-ed25519 {KEY}\n"));
        std::fs::write(&path, "# no end of line").unwrap();
        append(&path, &line(&name, "ssh-ed25519", &key)).unwrap();
        let known = read(&Session::new().unwrap(), &path, &name).unwrap();
        assert_eq!(known.keys, [KnownKey { line: 2, algorithm: "ssh-ed25519".to_owned(), key }]);
    }

    #[test]
    fn a_file_that_cannot_be_read_to_its_end_is_not_used_at_all() {
        let good = format!("host ssh-ed25519 {KEY}\n");
        for bad in [
            b"host ssh-ed25519\n".as_slice(),
            b"h\xffst ssh-ed25519 AAAA\n",
            b"h\0st ssh-ed25519 AAAA\n",
            b"@what ever it is\n",
        ] {
            let content = [good.as_bytes(), bad].concat();
            let error = known(&content, "host", 22).unwrap_err().to_string();
            assert!(error.contains("line 2"), "{error}");
        }
    }

    #[test]
    fn revoked_keys_are_known_as_such_and_authorities_are_passed_over() {
        let content = format!("@revoked * ssh-ed25519 {KEY}\n@cert-authority *.example ssh-ed25519 {KEY}\n");
        let known = known(content.as_bytes(), "host", 22).unwrap();
        assert_eq!(known, Known { keys: vec![], revoked: vec![STANDARD.decode(KEY).unwrap()] });
    }

    #[test]
    fn no_file_knows_no_host() {
        let missing = Path::new("/nonexistent/known_hosts");
        assert_eq!(read(&Session::new().unwrap(), missing, &HostName::new("h", 22)).unwrap(), Known::default());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(content in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = known(&content, "host", 22);
        }

        #[test]
        fn any_line_is_read_without_a_panic(line in "(@revoked |@cert-authority |\\|1\\|)?[a-z*,\\[\\]:!|=]{0,20} ssh-[a-z0-9]{1,8} [A-Za-z0-9+/]{0,40}={0,2}( .{0,10})?") {
            let _ = known(line.as_bytes(), "host", 22);
        }
    }
}
