//! Reads age identities, the private keys that decrypt archives.

use std::io::{self, Read as _};
use std::iter;
use std::path::{Path, PathBuf};

use age::armor::ArmoredReader;
use age::x25519::Identity;
use age::{Decryptor, scrypt};
use console::Term;
use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;

use crate::disk::bounded_read::{self, ReadError};

/// An identity has 74 bytes; a comment may be long.
const MAX_SIZE: u64 = 1024 * 1024;

const PREFIX: &str = "AGE-SECRET-KEY-1";

#[derive(Debug, Error)]
pub enum IdentityError {
    #[error("cannot read the identity {}", .0.display())]
    Read(PathBuf, #[source] ReadError),
    #[error(
        "{} holds no age identity: no line of it begins with {PREFIX}. Name a file as age-keygen writes it; identities of \
         plugins and SSH keys are not supported", .0.display()
    )]
    None(PathBuf),
    #[error("line {line} of {} is not a valid age identity; its end may be missing", file.display())]
    Invalid { file: PathBuf, line: usize },
    #[error("{} has a passphrase, which is asked for on a terminal only; decrypt it with \"age -d\" first", .0.display())]
    NoTerminal(PathBuf),
    #[error("the passphrase of {} cannot be read from the terminal", .0.display())]
    Terminal(PathBuf, #[source] io::Error),
    #[error("{} cannot be decrypted with this passphrase: {reason}", file.display())]
    Passphrase { file: PathBuf, reason: String },
}

/// The identities in `files`. Asks for the passphrase of an encrypted one on the terminal.
pub fn read_all(files: &[PathBuf]) -> Result<Vec<Identity>, IdentityError> {
    let identities = files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    Ok(identities.into_iter().flatten().collect())
}

fn read(file: &Path) -> Result<Vec<Identity>, IdentityError> {
    let bytes = bounded_read::read(file, MAX_SIZE).map_err(|error| IdentityError::Read(file.to_owned(), error))?;
    let text = if is_encrypted(&bytes) { decrypt(file, &bytes)? } else { SecretString::from(lossy(&bytes)) };
    let lines = text.expose_secret().lines().map(str::trim).enumerate();
    let identities = lines.filter(|(_, line)| line.starts_with(PREFIX)).map(|(index, line)| {
        line.parse().map_err(|_| IdentityError::Invalid { file: file.to_owned(), line: index + 1 })
    });
    let identities = identities.collect::<Result<Vec<_>, _>>()?;
    if identities.is_empty() { Err(IdentityError::None(file.to_owned())) } else { Ok(identities) }
}

/// Whether `bytes` may hold an identity, encrypted or not.
pub fn is_identity(bytes: &[u8]) -> bool {
    is_encrypted(bytes) || lossy(bytes).lines().any(|line| line.trim().starts_with(PREFIX))
}

fn is_encrypted(bytes: &[u8]) -> bool {
    bytes.starts_with(b"age-encryption.org/") || bytes.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn decrypt(file: &Path, bytes: &[u8]) -> Result<SecretString, IdentityError> {
    let failed = |reason: String| IdentityError::Passphrase { file: file.to_owned(), reason };
    let decryptor = Decryptor::new(ArmoredReader::new(bytes)).map_err(|error| failed(error.to_string()))?;
    if !decryptor.is_scrypt() {
        return Err(failed("it is encrypted to another identity, not with a passphrase".to_owned()));
    }
    let identity = scrypt::Identity::new(ask_for_passphrase(file)?);
    let reader = decryptor.decrypt(iter::once(&identity as &dyn age::Identity));
    let mut text = String::new();
    reader
        .map_err(|error| failed(error.to_string()))?
        .read_to_string(&mut text)
        .map_err(|error| failed(error.to_string()))?;
    Ok(text.into())
}

fn ask_for_passphrase(file: &Path) -> Result<SecretString, IdentityError> {
    let terminal = Term::stderr();
    if !terminal.is_term() {
        return Err(IdentityError::NoTerminal(file.to_owned()));
    }
    let asked =
        terminal.write_str(&format!("Passphrase of {}: ", file.display())).and_then(|()| terminal.read_secure_line());
    asked.map(SecretString::from).map_err(|error| IdentityError::Terminal(file.to_owned(), error))
}
