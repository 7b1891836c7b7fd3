//! Where the paths of a configuration start, and the files that have to be there.

use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use crate::config::environment::Environment;
use crate::config::error::shown;
use crate::config::trust::Trust;
use crate::config::walk::{Fault, quoted};
use crate::disk::bounded_read::{self, ReadError};
use crate::rules::trust::Holds;

/// Longest PEM file that is read, in bytes; the public web's roots take a quarter of one MiB.
const MAX_PEM_BYTES: u64 = 4 * 1024 * 1024;

/// Longest secret file that is read, in bytes.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
/// How a public key for SSH begins (sshd(8), "AUTHORIZED_KEYS FILE FORMAT"), and how much shows it.
const PUBLIC_KEYS: [&[u8]; 3] = [b"ssh-", b"ecdsa-", b"sk-"];
const BEGINNING_OF_KEY: usize = 8;

const PRIVATE_KEY_END: &str = "PRIVATE KEY-----";
const ENCRYPTED_KEYS: [&str; 2] = ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"];

/// Where a configuration lies, and who reads it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    folder: &'a Path,
    pub(super) environment: &'a Environment,
    /// What is found about the files that are read goes here, from where [`Walk`](super::walk::Walk) takes it.
    pub(super) trust: &'a Trust,
}

impl<'a> Place<'a> {
    /// `folder` is absolute: the configuration file's.
    pub(super) fn new(folder: &'a Path, environment: &'a Environment, trust: &'a Trust) -> Place<'a> {
        Place { folder, environment, trust }
    }

    /// `text` as an absolute path: `~` is the home, a relative path starts at the configuration's folder.
    pub(super) fn path(self, text: &str) -> Result<PathBuf, Fault> {
        if text.is_empty() {
            return Err(Fault::new("is empty", "write a path"));
        }
        if text.contains('\0') {
            return Err(Fault::new("holds a NUL character", "write a path without it"));
        }
        let path = match text.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                let home = self.environment.home().ok_or_else(|| {
                    Fault::new(
                        format!("{} needs a home folder, and none is known", quoted(text)),
                        "write an absolute path",
                    )
                })?;
                home.join(rest.trim_start_matches('/'))
            }
            Some(_) => {
                return Err(Fault::new(
                    format!("{} is another user's home, which is not looked up", quoted(text)),
                    "write an absolute path, or ./ before the name",
                ));
            }
            None => self.folder.join(text),
        };
        // `a/./b` is told as `a/b`; `..` stays, because it may follow a symbolic link.
        Ok(path.components().filter(|component| *component != Component::CurDir).collect())
    }

    /// An existing folder.
    pub(super) fn folder(self, text: &str) -> Result<PathBuf, Fault> {
        let path = self.path(text)?;
        must_be_folder(&path)?;
        Ok(path)
    }

    /// A PEM file with at least one certificate.
    pub(super) fn certificates(self, text: &str) -> Result<PathBuf, Fault> {
        let path = self.path(text)?;
        let pem = self.read(&path, MAX_PEM_BYTES, Holds::Settings)?;
        if !String::from_utf8_lossy(&pem).lines().any(|line| line.trim() == CERTIFICATE) {
            return Err(Fault::new(
                format!("{} holds no certificate in PEM form", shown(&path)),
                format!("name a file with a line {CERTIFICATE}"),
            ));
        }
        Ok(path)
    }

    /// A PEM file with a TLS private key that needs no passphrase.
    pub(super) fn tls_key(self, text: &str) -> Result<PathBuf, Fault> {
        let path = self.path(text)?;
        let bytes = self.read(&path, MAX_PEM_BYTES, Holds::Secret)?;
        let pem = String::from_utf8_lossy(&bytes);
        if ENCRYPTED_KEYS.iter().any(|mark| pem.contains(mark)) {
            return Err(Fault::new(
                format!("{} is encrypted, and nobody is there to type its passphrase", shown(&path)),
                "write it without one: openssl pkey -in encrypted.pem -out key.pem",
            ));
        }
        let begins_key = |line: &str| line.starts_with("-----BEGIN ") && line.ends_with(PRIVATE_KEY_END);
        if !pem.lines().any(|line| begins_key(line.trim())) {
            return Err(Fault::new(
                format!("{} holds no private key in PEM form", shown(&path)),
                format!("name a file with a line -----BEGIN {PRIVATE_KEY_END}"),
            ));
        }
        Ok(path)
    }

    /// A private key file for SSH, in whatever form the library reads.
    pub(super) fn ssh_key(self, text: &str) -> Result<PathBuf, Fault> {
        let path = self.path(text)?;
        let mut file = bounded_read::open(&path).map_err(|error| file_fault(&path, error))?;
        let mut beginning = [0; BEGINNING_OF_KEY];
        let count = file.read(&mut beginning).map_err(|error| file_fault(&path, error.into()))?;
        if PUBLIC_KEYS.iter().any(|kind| beginning[..count].starts_with(kind)) {
            let problem = format!("{} is a public key", shown(&path));
            return Err(Fault::new(problem, "name the private key: the file without .pub"));
        }
        self.trust.judge(&path, Holds::Secret);
        Ok(path)
    }

    /// The content of the secret file `path`.
    pub(super) fn secret_bytes(self, path: &Path) -> Result<Vec<u8>, Fault> {
        self.read(path, MAX_SECRET_BYTES, Holds::Secret)
    }

    fn read(self, path: &Path, max_bytes: u64, holds: Holds) -> Result<Vec<u8>, Fault> {
        let bytes = bounded_read::read(path, max_bytes).map_err(|error| file_fault(path, error))?;
        self.trust.judge(path, holds);
        Ok(bytes)
    }
}

/// `path` is an existing regular file that can be opened.
pub(super) fn must_be_file(path: &Path) -> Result<(), Fault> {
    bounded_read::open(path).map(drop).map_err(|error| file_fault(path, error))
}

/// `path` is an existing folder.
pub(super) fn must_be_folder(path: &Path) -> Result<(), Fault> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(Fault::new(format!("{} is not a folder", shown(path)), "name a folder")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Fault::new(format!("the folder {} does not exist", shown(path)), "create it, or name another one"))
        }
        Err(error) => Err(Fault::new(
            format!("the folder {} cannot be looked at: {error}", shown(path)),
            "check the path and who may enter it",
        )),
    }
}

fn file_fault(path: &Path, error: ReadError) -> Fault {
    let path = shown(path);
    match error {
        ReadError::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            Fault::new(format!("the file {path} does not exist"), "create it, or name another one")
        }
        ReadError::Io(error) => Fault::new(format!("the file {path} cannot be read: {error}"), "check who may read it"),
        ReadError::NotAFile => Fault::new(format!("{path} is not a regular file"), "name a file"),
        ReadError::TooLarge(max_bytes) => {
            Fault::new(format!("{path} is longer than {max_bytes} bytes"), "name another file")
        }
    }
}
