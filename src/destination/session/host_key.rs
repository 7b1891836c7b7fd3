//! Decides whether to trust the server's host key, before any credential is sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};

use crate::config::HostKeyPolicy;
use crate::destination::session::known_hosts::{self, Known};
use crate::rules::known_hosts::{HostName, algorithm_of};

/// The accepted host key types in order of preference, with the signature algorithms of each. RSA only with SHA-2
/// (RFC 8332).
const ALGORITHMS: [(&str, &[&str]); 5] = [
    ("ssh-ed25519", &["ssh-ed25519"]),
    ("ecdsa-sha2-nistp256", &["ecdsa-sha2-nistp256"]),
    ("ecdsa-sha2-nistp384", &["ecdsa-sha2-nistp384"]),
    ("ecdsa-sha2-nistp521", &["ecdsa-sha2-nistp521"]),
    ("ssh-rsa", &["rsa-sha2-512", "rsa-sha2-256"]),
];

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is known or pinned.
    Trusted,
    /// The server's first key; `line` is its entry for known_hosts.
    New { line: String, fingerprint: String },
    /// Not trusted for this reason.
    Refused(String),
}

/// The signature algorithms to request, as a list for the key exchange. If keys of the host are known, only those of their
/// types: a server with several keys could otherwise present an unknown one.
pub(crate) fn algorithms_for(known: &Known) -> String {
    list(|algorithm| known.keys().any(|(_, entry)| entry.algorithm == algorithm))
}

/// The signature algorithms of `key`, so that the server presents it again.
pub(crate) fn algorithms_of(key: &[u8]) -> String {
    let key_type = algorithm_of(key).unwrap_or_default();
    list(|algorithm| algorithm == key_type)
}

/// The signature algorithms of the key types that `is_included` accepts, or of all types if it accepts none: an empty list
/// would select the library's defaults.
fn list(is_included: impl Fn(&str) -> bool) -> String {
    let select = |is_included: &dyn Fn(&str) -> bool| -> Vec<&str> {
        ALGORITHMS.iter().filter(|(key, _)| is_included(key)).flat_map(|(_, signatures)| *signatures).copied().collect()
    };
    let selected = select(&is_included);
    if selected.is_empty() { select(&|_| true).join(",") } else { selected.join(",") }
}

/// The signature algorithms of all key types except `refused`; `None` if no type is left.
pub(crate) fn algorithms_without(refused: &[String]) -> Option<String> {
    let is_left = |algorithm: &str| !refused.iter().any(|refused| refused == algorithm);
    ALGORITHMS.iter().any(|(key, _)| is_left(key)).then(|| list(is_left))
}

/// OpenSSH's fingerprint of a key: the unpadded base64 of its SHA-256.
pub(crate) fn fingerprint(key: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(key)))
}

/// Decides whether `key`, presented by the server `name`, is trusted. `file` is the path of the known_hosts file, for
/// messages.
pub(crate) fn judge(key: &[u8], name: &HostName, known: &Known, policy: &HostKeyPolicy, file: &str) -> Verdict {
    let host = name.pattern();
    let presented = fingerprint(key);
    if let Some(place) = known.revocation_of(key) {
        return Verdict::Refused(format!(
            "the host key of {host} ({presented}) is marked @revoked in {place}. Ask the server's administrator for its \
             new key"
        ));
    }
    if let HostKeyPolicy::Pinned(pinned) = policy {
        return if presented == *pinned {
            Verdict::Trusted
        } else {
            Verdict::Refused(format!(
                "the host key of {host} is not the pinned one: sftp.host_key is {pinned}, the server presented {presented}. \
                 If the server has a new key, confirm it with its administrator and change sftp.host_key"
            ))
        };
    }
    if known.place_of(key).is_some() {
        return Verdict::Trusted;
    }
    let Some(algorithm) = algorithm_of(key) else {
        return Verdict::Refused(format!("the host key of {host} ({presented}) cannot be read"));
    };
    let line = known_hosts::line(name, algorithm, key);
    if let Some((place, other)) = known.binding_key() {
        let file = place.file.display();
        // ssh-keygen removes whole lines, including other hosts on them.
        let fix = if other.is_shared {
            format!("edit that line, which may name other hosts too, and add a line for the new key: {line}")
        } else {
            format!("ssh-keygen -R '{host}' -f {file} && echo '{line}' >> {file}")
        };
        return Verdict::Refused(format!(
            "the host key of {host} has CHANGED: {place} has {}, the server presented {presented}. Someone may be \
             intercepting the connection. Only if the server's administrator confirms the new key: {fix}",
            fingerprint(&other.key)
        ));
    }
    let add = format!("If the server's administrator confirms it: echo '{line}' >> {file}");
    if let Some(place) = known.authority() {
        return Verdict::Refused(format!(
            "the host key of {host} is not known: {place} has a @cert-authority for it, but host certificates are not \
             supported; the server presented {presented}. {add}"
        ));
    }
    match policy {
        HostKeyPolicy::AcceptNew => Verdict::New { line, fingerprint: presented },
        HostKeyPolicy::Strict | HostKeyPolicy::Pinned(_) => Verdict::Refused(format!(
            "the host key of {host} is not known, and sftp.host_key is \"strict\"; the server presented {presented}. {add}"
        )),
    }
}
