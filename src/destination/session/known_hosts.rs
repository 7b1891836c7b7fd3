//! Reads the configured known_hosts file and the system's, and adds new keys to the configured one.

use std::fmt;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::config::SYSTEM_KNOWN_HOSTS;
use crate::destination::error::DestinationError;
use crate::disk::atomic_file::sync_folder_of;
use crate::disk::bounded_read;
use crate::disk::bounded_read::ReadError;
use crate::rules::known_hosts::{HostName, KnownKey, Line, Marker, parse};

/// In bytes.
const MAX_SIZE: u64 = 4 * 1024 * 1024;
/// A new file is accessible only to its owner.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// A line of a known_hosts file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} line {}", self.file.display(), self.line)
    }
}

/// The entries for one host.
#[derive(Debug, Default)]
pub(crate) struct Known {
    entries: Vec<(Place, KnownKey)>,
}

impl Known {
    /// The keys of the host's name and port, or if there are none, of its name without a port.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &(Place, KnownKey)> {
        let lacks_port = !self.has_port();
        self.marked(Marker::HostKey).filter(move |(_, entry)| entry.lacks_port == lacks_port)
    }

    /// A key that binds the host: any other key counts as changed.
    pub(crate) fn binding_key(&self) -> Option<&(Place, KnownKey)> {
        self.keys().find(|(_, entry)| !entry.lacks_port)
    }

    /// The line with `key` for the host.
    pub(crate) fn place_of(&self, key: &[u8]) -> Option<&Place> {
        self.keys().find(|(_, entry)| entry.key == key).map(|(place, _)| place)
    }

    /// The line that revokes `key` for the host, with or without a port.
    pub(crate) fn revocation_of(&self, key: &[u8]) -> Option<&Place> {
        self.marked(Marker::Revoked).find(|(_, entry)| entry.key == key).map(|(place, _)| place)
    }

    /// The line with a certificate authority for the host.
    pub(crate) fn authority(&self) -> Option<&Place> {
        self.marked(Marker::Authority).find(|(_, entry)| !entry.lacks_port).map(|(place, _)| place)
    }

    fn has_port(&self) -> bool {
        self.marked(Marker::HostKey).any(|(_, entry)| !entry.lacks_port)
    }

    fn marked(&self, marker: Marker) -> impl Iterator<Item = &(Place, KnownKey)> {
        self.entries.iter().filter(move |(_, entry)| entry.marker == marker)
    }
}

/// Reads the entries for `name` in `path` and in the system's file. Either file may be missing.
///
/// # Errors
/// If a file cannot be read, or a line that may be about the host cannot be parsed.
pub(crate) fn read(path: &Path, name: &HostName) -> Result<Known, DestinationError> {
    let mut entries = Vec::new();
    for file in [path, Path::new(SYSTEM_KNOWN_HOSTS)] {
        let problem = |problem: String| DestinationError::KnownHosts { path: file.to_owned(), problem };
        let content = contents(file).map_err(|error| problem(error.to_string()))?;
        let mut skipped = Vec::new();
        for (line, text) in (1..).zip(content.split(|byte| *byte == b'\n')) {
            match parse(text, name) {
                Line::Unrelated => {}
                Line::Key(entry) => entries.push((Place { file: file.to_owned(), line }, entry)),
                Line::Malformed { may_match: false } => skipped.push(line),
                Line::Malformed { may_match: true } => {
                    return Err(problem(format!(
                        "line {line} cannot be read, and may be about {}. Correct it or remove it",
                        name.pattern()
                    )));
                }
            }
        }
        if let Some(first) = skipped.first() {
            let (file, count) = (file.display(), skipped.len());
            tracing::info!("{file}: {count} malformed line(s) about other hosts skipped, the first is line {first}");
        }
    }
    Ok(Known { entries })
}

fn contents(file: &Path) -> Result<Vec<u8>, ReadError> {
    match bounded_read::read(file, MAX_SIZE) {
        Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    }
}

/// The known_hosts line for `key` of `name`, as OpenSSH writes it, without newline.
pub(crate) fn line(name: &HostName, algorithm: &str, key: &[u8]) -> String {
    format!("{} {algorithm} {}", name.pattern(), STANDARD.encode(key))
}

/// Appends `line` to the file at `path`, creating the file and its folder if necessary.
pub(crate) fn append(path: &Path, line: &str) -> Result<(), DestinationError> {
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
        }
        let before = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let separator = if before.last().is_some_and(|byte| *byte != b'\n') { "\n" } else { "" };
        let mut file = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)?;
        // Appended in one write, as OpenSSH does: preserves links, modes, and lines appended by others at the same time.
        file.write_all(format!("{separator}{line}\n").as_bytes())?;
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
    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIA2uJxnKE9KA8ZJYtEeXrI9zL5gN1oQ9DXaHrzWyxKPx";

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
        assert_eq!(read(&path, &name).unwrap().place_of(&key), Some(&Place { file: path, line: 2 }));
    }
}
