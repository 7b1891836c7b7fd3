//! Reads certificates and private keys from PEM files (RFC 7468).

use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;
use ureq::tls::{Certificate, PemItem, PrivateKey, parse_pem};

/// A PEM file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}: {reason}", path.display())]
pub struct PemError {
    pub(crate) path: PathBuf,
    pub(crate) reason: String,
}

impl PemError {
    fn new(path: &Path, reason: impl ToString) -> PemError {
        PemError { path: path.to_owned(), reason: reason.to_string() }
    }
}

/// The certificates in the file `path`, at least one. Ignores other items.
pub(crate) fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, PemError> {
    let pem = fs::read(path).map_err(|error| PemError::new(path, error))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| PemError::new(path, error))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() { Err(PemError::new(path, "it holds no certificate")) } else { Ok(certificates) }
}

/// The first private key in the file `path`.
pub(crate) fn private_key(path: &Path) -> Result<PrivateKey<'static>, PemError> {
    let pem = fs::read(path).map_err(|error| PemError::new(path, error))?;
    PrivateKey::from_pem(&pem).map_err(|error| PemError::new(path, error))
}
