//! Checks the files and folders that a configuration names: whether they exist, and what they contain.

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::context::{Context, unreadable};
use super::kind::Kind;
use super::mistakes::{Refusal, printable_path, refuse};
use crate::disk::bounded_read;
use crate::rules::trust::Contents;

/// The root certificates of the public web take a quarter of one MiB.
const MAX_PEM_BYTES: u64 = 4 * 1024 * 1024;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
const PRIVATE_KEY_END: &str = "PRIVATE KEY-----";
const ENCRYPTED_KEYS: [&str; 2] = ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"];

/// See sshd(8), "AUTHORIZED_KEYS FILE FORMAT".
const PUBLIC_KEY_PREFIXES: [&[u8]; 3] = [b"ssh-", b"ecdsa-", b"sk-"];
const MAX_PREFIX_BYTES: usize = 8;

/// The last part of a path to a file: neither empty nor `.` nor `..`.
pub(super) const BASE_NAME: &str = r"(?:[^./\u0000]|\.[^./\u0000]|\.\.[^/\u0000])[^/\u0000]*";
/// Refuses paths in the home folder of another user.
const NO_OTHER_HOME: &str = "(?!~[^/])";

/// A path to a file that `check` accepts, by the text as given and by the absolute path.
pub(super) fn file(
    title: &str,
    check: impl Fn(&str, &Path, Context<'_>) -> Result<(), Refusal> + 'static,
) -> Kind<PathBuf> {
    Kind::hidden_text(title, file_pattern(), move |text, context| {
        let path = context.path(text)?;
        check(text, &path, context).map_err(|refusal| refusal.about(printable_path(&path))).map(|()| path)
    })
}

pub(super) const IS_A_FOLDER: &str = "is a folder, not a regular file";

pub(super) fn file_pattern() -> String {
    format!(r"^{NO_OTHER_HOME}(?!~$)(?:[^\u0000]*/)?{BASE_NAME}$")
}

/// An existing folder.
pub(super) fn folder() -> Kind<PathBuf> {
    Kind::hidden_text("path to a folder", format!(r"^{NO_OTHER_HOME}[^\u0000]+$"), |text, context| {
        let path = context.path(text)?;
        let checked = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => refuse("is not a folder", "name a folder"),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                refuse("does not exist", "create the folder, or name another one")
            }
            Err(error) => {
                refuse(format!("cannot be checked: {error}"), "check the path and the permissions of its folders")
            }
        };
        checked.map_err(|refusal| refusal.about(printable_path(&path))).map(|()| path)
    })
}

/// A PEM file with at least one certificate.
pub(super) fn certificates() -> Kind<PathBuf> {
    file("path to a PEM file", |_, path, context| {
        let pem = context.read(path, MAX_PEM_BYTES, Contents::Settings)?;
        if String::from_utf8_lossy(&pem).lines().any(|line| line.trim() == CERTIFICATE) {
            return Ok(());
        }
        refuse("contains no PEM certificate", format!("name a file with a line {CERTIFICATE}"))
    })
}

/// A PEM file with a TLS private key that needs no passphrase.
pub(super) fn tls_key() -> Kind<PathBuf> {
    file("path to a PEM file", |_, path, context| {
        let bytes = context.read(path, MAX_PEM_BYTES, Contents::Secret)?;
        let pem = String::from_utf8_lossy(&bytes);
        if ENCRYPTED_KEYS.iter().any(|mark| pem.contains(mark)) {
            let fix = "remove the passphrase: openssl pkey -in encrypted.pem -out key.pem";
            return refuse("is encrypted, and a job cannot ask for its passphrase", fix);
        }
        let begins_key = |line: &str| line.starts_with("-----BEGIN ") && line.ends_with(PRIVATE_KEY_END);
        if pem.lines().any(|line| begins_key(line.trim())) {
            return Ok(());
        }
        refuse("contains no PEM private key", format!("name a file with a line -----BEGIN {PRIVATE_KEY_END}"))
    })
}

/// A private SSH key in any format that the SSH library reads.
pub(super) fn ssh_key() -> Kind<PathBuf> {
    file("path to a file", |_, path, context| {
        let mut prefix = Vec::new();
        bounded_read::open(path)
            .and_then(|file| Ok(file.take(MAX_PREFIX_BYTES as u64).read_to_end(&mut prefix)?))
            .map_err(|error| unreadable(&error))?;
        if PUBLIC_KEY_PREFIXES.iter().any(|kind| prefix.starts_with(kind)) {
            return refuse("is a public key", "name the private key: the file without .pub");
        }
        context.trust.check(path, Contents::Secret);
        Ok(())
    })
}

pub(super) fn check_file(path: &Path) -> Result<(), Refusal> {
    bounded_read::open(path).map(drop).map_err(|error| unreadable(&error).about(printable_path(path)))
}

/// A file for node_exporter's textfile collector. Neither it nor its folder has to exist: a job that cannot write it
/// continues.
pub(super) fn textfile() -> Kind<PathBuf> {
    let pattern = format!(r"^{NO_OTHER_HOME}[^\u0000]*[^/\u0000]\.prom$");
    file("path to a file *.prom", |_, path, _| match path.extension() {
        _ if path.is_dir() => refuse(IS_A_FOLDER, "name a file in it"),
        Some(extension) if extension == "prom" => Ok(()),
        _ => refuse("does not end with .prom", "name a file that ends with .prom: node_exporter reads no others"),
    })
    .with_keyword("pattern", pattern)
}
