//! Files and folders that a configuration names: which must exist, and what they must hold.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::context::{Context, unreadable};
use super::kind::Kind;
use super::mistakes::{Refusal, refuse, shown};
use crate::disk::open_regular;
use crate::rules::trust::Holds;

/// Longest PEM file that is read, in bytes; the public web's roots take a quarter of one MiB.
const MAX_PEM_BYTES: u64 = 4 * 1024 * 1024;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
const PRIVATE_KEY_END: &str = "PRIVATE KEY-----";
const ENCRYPTED_KEYS: [&str; 2] = ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"];

/// How a public key for SSH begins (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").
const PUBLIC_KEYS: [&[u8]; 3] = [b"ssh-", b"ecdsa-", b"sk-"];
const LONGEST_BEGINNING: usize = 8;

/// The last part of a path to a file: neither empty nor `.` nor `..`.
pub(super) const BASE_NAME: &str = r"(?:[^./\u0000]|\.[^./\u0000]|\.\.[^/\u0000])[^/\u0000]*";
/// A path does not begin with the home of another user.
const NO_OTHER_HOME: &str = "(?!~[^/])";

/// A path to a file, accepted by `read`.
pub(super) fn file<T>(words: &str, read: impl Fn(PathBuf, Context<'_>) -> Result<T, Refusal> + 'static) -> Kind<T> {
    Kind::text(words, file_pattern(), move |text, context| {
        let path = context.path(text)?;
        if matches!(text.rsplit('/').next(), Some("" | "." | "..")) {
            return refuse(format!("{} is a folder, not a regular file", shown(&path)), "name a file in it");
        }
        read(path, context)
    })
}

pub(super) fn file_pattern() -> String {
    format!(r"^{NO_OTHER_HOME}(?!~$)(?:[^\u0000]*/)?{BASE_NAME}$")
}

/// An existing folder.
pub(super) fn folder() -> Kind<PathBuf> {
    Kind::text("path to a folder", format!(r"^{NO_OTHER_HOME}[^\u0000]+$"), |text, context| {
        let path = context.path(text)?;
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => Ok(path),
            Ok(_) => refuse(format!("{} is not a folder", shown(&path)), "name a folder"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let problem = format!("the folder {} does not exist", shown(&path));
                refuse(problem, "create it, or name another one")
            }
            Err(error) => {
                let problem = format!("the folder {} cannot be checked: {error}", shown(&path));
                refuse(problem, "check the path and who may enter it")
            }
        }
    })
}

/// A PEM file with at least one certificate.
pub(super) fn certificates() -> Kind<PathBuf> {
    file("path to a PEM file", |path, context| {
        let pem = context.read(&path, MAX_PEM_BYTES, Holds::Settings)?;
        if !String::from_utf8_lossy(&pem).lines().any(|line| line.trim() == CERTIFICATE) {
            let problem = format!("{} holds no certificate in PEM form", shown(&path));
            return refuse(problem, format!("name a file with a line {CERTIFICATE}"));
        }
        Ok(path)
    })
}

/// A PEM file with a TLS private key that needs no passphrase.
pub(super) fn tls_key() -> Kind<PathBuf> {
    file("path to a PEM file", |path, context| {
        let bytes = context.read(&path, MAX_PEM_BYTES, Holds::Secret)?;
        let pem = String::from_utf8_lossy(&bytes);
        if ENCRYPTED_KEYS.iter().any(|mark| pem.contains(mark)) {
            let problem = format!("{} is encrypted, and a job cannot ask for its passphrase", shown(&path));
            return refuse(problem, "write it without one: openssl pkey -in encrypted.pem -out key.pem");
        }
        let begins_key = |line: &str| line.starts_with("-----BEGIN ") && line.ends_with(PRIVATE_KEY_END);
        if !pem.lines().any(|line| begins_key(line.trim())) {
            let problem = format!("{} holds no private key in PEM form", shown(&path));
            return refuse(problem, format!("name a file with a line -----BEGIN {PRIVATE_KEY_END}"));
        }
        Ok(path)
    })
}

/// A private key file for SSH, in any form that the SSH library reads.
pub(super) fn ssh_key() -> Kind<PathBuf> {
    file("path to a file", |path, context| {
        let mut beginning = Vec::new();
        open_regular(&path, OpenOptions::new().read(true))
            .and_then(|file| file.take(LONGEST_BEGINNING as u64).read_to_end(&mut beginning))
            .map_err(|error| unreadable(&path, &error, u64::MAX))?;
        if PUBLIC_KEYS.iter().any(|kind| beginning.starts_with(kind)) {
            let problem = format!("{} is a public key", shown(&path));
            return refuse(problem, "name the private key: the file without .pub");
        }
        context.trust.judge(&path, Holds::Secret);
        Ok(path)
    })
}

/// `path` is an existing regular file that can be opened.
pub(super) fn must_be_file(path: &Path) -> Result<(), Refusal> {
    open_regular(path, OpenOptions::new().read(true)).map(drop).map_err(|error| unreadable(path, &error, u64::MAX))
}

/// The log file. Neither it nor its folder need exist: a job that cannot write its log continues. A pipe or a device would
/// block the job.
pub(super) fn log_file() -> Kind<PathBuf> {
    file("path to a file", |path, context| {
        let found = fs::metadata(&path);
        if found.as_ref().is_ok_and(fs::Metadata::is_dir) {
            return refuse(format!("{} is a folder", shown(&path)), "name a file in it");
        }
        if found.is_ok_and(|found| !found.is_file()) {
            return refuse(format!("{} is not a regular file", shown(&path)), "name a regular file");
        }
        if path.canonicalize().is_ok_and(|log| context.file.canonicalize().is_ok_and(|file| file == log)) {
            return refuse(format!("{} is this configuration itself", shown(&path)), "name another file");
        }
        Ok(path)
    })
}

/// A file that node_exporter's textfile collector reads: its name ends with `.prom`. Neither it nor its folder need exist: a
/// job that cannot write it continues.
pub(super) fn textfile() -> Kind<PathBuf> {
    let pattern = format!(r"^{NO_OTHER_HOME}[^\u0000]*[^/\u0000]\.prom$");
    Kind::text("path to a file *.prom", pattern, |text, context| {
        let path = context.path(text)?;
        if path.extension().is_none_or(|extension| extension != "prom") {
            let problem = format!("{} does not end with .prom", shown(&path));
            return refuse(problem, "name a file that ends with .prom: node_exporter reads no other");
        }
        if path.is_dir() {
            return refuse(format!("{} is a folder", shown(&path)), "name a file in it");
        }
        Ok(path)
    })
}
