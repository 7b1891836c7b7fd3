//! Whether the server's host key is to be trusted. Decided before any credential is sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};

use crate::config::HostKeyPolicy;
use crate::destination::session::known_hosts::{self, Known};
use crate::rules::known_hosts::{HostName, algorithm_of};

/// The host key types that are asked for, in the order of preference, with the signature algorithms of each. RSA
/// only with SHA-2 (RFC 8332).
const ALGORITHMS: [(&str, &[&str]); 5] = [
    ("ssh-ed25519", &["ssh-ed25519"]),
    ("ecdsa-sha2-nistp256", &["ecdsa-sha2-nistp256"]),
    ("ecdsa-sha2-nistp384", &["ecdsa-sha2-nistp384"]),
    ("ecdsa-sha2-nistp521", &["ecdsa-sha2-nistp521"]),
    ("ssh-rsa", &["rsa-sha2-512", "rsa-sha2-256"]),
];

/// Whether the server's host key is trusted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is known or pinned.
    Trusted,
    /// It is the first key seen of this server; `line` adds it to known_hosts.
    New { line: String, fingerprint: String },
    /// It is not trusted, for this reason.
    Refused(String),
}

/// The signature algorithms to ask the server for, as a list for the key exchange. If keys of the host are known, only
/// those of their types: a server with several keys would otherwise show an unknown one.
pub(crate) fn wanted_algorithms(known: &Known) -> String {
    list(|algorithm| known.keys().any(|(_, entry)| entry.algorithm == algorithm))
}

/// The signature algorithms with which the server can show `key` again.
pub(crate) fn algorithms_of(key: &[u8]) -> String {
    let own = algorithm_of(key).unwrap_or_default();
    list(|algorithm| algorithm == own)
}

/// The signature algorithms of the key types for which `is_wanted` holds; if there are none, those of all types, because an
/// empty list would mean the library's own.
fn list(is_wanted: impl Fn(&str) -> bool) -> String {
    let of = |is_wanted: &dyn Fn(&str) -> bool| -> Vec<&str> {
        ALGORITHMS.iter().filter(|(key, _)| is_wanted(key)).flat_map(|(_, signatures)| *signatures).copied().collect()
    };
    let wanted = of(&is_wanted);
    if wanted.is_empty() { of(&|_| true).join(",") } else { wanted.join(",") }
}

/// The lists of algorithms to ask for one after the other, until the server shows the pinned key.
pub(crate) fn pinned_attempts() -> Vec<String> {
    ALGORITHMS.iter().map(|(_, signatures)| signatures.join(",")).collect()
}

/// OpenSSH's fingerprint of a key: the unpadded base64 of its SHA-256.
pub(crate) fn fingerprint(key: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(key)))
}

/// Decides whether `key`, which the server called `name` shows, is trusted. `file` is the known_hosts file to which a new
/// key is added, as the operator would type it.
pub(crate) fn judge(key: &[u8], name: &HostName, known: &Known, policy: &HostKeyPolicy, file: &str) -> Verdict {
    let host = name.pattern();
    let shown = fingerprint(key);
    if let Some(place) = known.revocation_of(key) {
        return Verdict::Refused(format!(
            "the host key of {host} ({shown}) is marked @revoked in {place}. Ask the server's administrator for its \
             new key"
        ));
    }
    if let HostKeyPolicy::Pinned(pinned) = policy {
        return if shown == *pinned {
            Verdict::Trusted
        } else {
            Verdict::Refused(format!(
                "the host key of {host} is not the pinned one: sftp.host_key is {pinned}, the server shows {shown}. \
                 If the server has a new key, confirm it with its administrator and change sftp.host_key"
            ))
        };
    }
    if known.place_of(key).is_some() {
        return Verdict::Trusted;
    }
    let Some(algorithm) = algorithm_of(key) else {
        return Verdict::Refused(format!("the host key of {host} ({shown}) cannot be read"));
    };
    let line = known_hosts::line(name, algorithm, key);
    if let Some((place, other)) = known.binding_key() {
        let file = place.file.display();
        // ssh-keygen removes whole lines, with what they say about other hosts.
        let fix = if other.is_shared {
            format!("correct that line, which may be about other hosts too; the new key as a line of its own: {line}")
        } else {
            format!("ssh-keygen -R '{host}' -f {file} && echo '{line}' >> {file}")
        };
        return Verdict::Refused(format!(
            "the host key of {host} has CHANGED: {place} has {}, the server shows {shown}. Somebody may be listening \
             in. Only if its administrator confirms the new key: {fix}",
            fingerprint(&other.key)
        ));
    }
    let add = format!("If its administrator confirms it: echo '{line}' >> {file}");
    if let Some(place) = known.authority() {
        return Verdict::Refused(format!(
            "the host key of {host} is not known: {place} has a @cert-authority for it, but host certificates are not \
             supported; the server shows {shown}. {add}"
        ));
    }
    match policy {
        HostKeyPolicy::AcceptNew => Verdict::New { line, fingerprint: shown },
        HostKeyPolicy::Strict | HostKeyPolicy::Pinned(_) => Verdict::Refused(format!(
            "the host key of {host} is not known, and sftp.host_key is \"strict\"; the server shows {shown}. {add}"
        )),
    }
}
