//! Parses lines of known_hosts files as OpenSSH does (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"; ssh_config(5), "PATTERNS").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// Length in bytes of the salt and of the hash in a hashed name (HMAC-SHA1).
const HASH_LENGTH: usize = 20;
const DEFAULT_PORT: u16 = 22;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName {
    host: String,
    port: u16,
}

impl HostName {
    /// `host` is a name or an IP address.
    pub fn new(host: &str, port: u16) -> HostName {
        HostName { host: host.to_ascii_lowercase(), port }
    }

    /// The name as in known_hosts and for `ssh-keygen -R`: `host`, or `[host]:port` if the port is not 22.
    pub fn pattern(&self) -> String {
        if self.port == DEFAULT_PORT { self.host.clone() } else { format!("[{}]:{}", self.host, self.port) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    HostKey,
    /// `@revoked`: the key must be refused.
    Revoked,
    /// `@cert-authority`: the key signs host certificates.
    Authority,
}

/// A line that matches the requested host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    pub marker: Marker,
    /// Whether the line names the host without the requested port, which is not 22. OpenSSH accepts such a key if no line
    /// has the port, but then a different key does not count as changed.
    pub lacks_port: bool,
    /// Whether the line may match other hosts too: it has patterns or several names.
    pub is_shared: bool,
    /// Such as `ssh-ed25519`.
    pub algorithm: String,
    /// In wire format (RFC 4253 section 6.6).
    pub key: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Blank, a comment, or for other hosts.
    Unrelated,
    Key(KnownKey),
    Malformed {
        /// Whether it may be meant for the host.
        may_match: bool,
    },
}

/// Parses `line`, without its line break, for the host `name`.
///
/// Unlike OpenSSH, which skips malformed lines, this reports whether such a line may be meant for the host. A malformed
/// hash or marker may be meant for any host.
pub fn parse(line: &[u8], name: &HostName) -> Line {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Line::Unrelated;
    }
    let mut fields = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|field| !field.is_empty());
    let (marker, names) = match fields.next().unwrap_or_default() {
        b"@revoked" => (Marker::Revoked, fields.next().unwrap_or_default()),
        b"@cert-authority" => (Marker::Authority, fields.next().unwrap_or_default()),
        names => (Marker::HostKey, names),
    };
    if names.is_empty() || names.starts_with(b"@") {
        return Line::Malformed { may_match: true };
    }
    let pattern = name.pattern();
    if std::str::from_utf8(names).is_err() || names.iter().any(u8::is_ascii_control) {
        return Line::Malformed { may_match: marker != Marker::HostKey || may_match(names, &[&pattern, &name.host]) };
    }
    let (Some(has_name), Some(has_host)) = (names_match(names, &pattern), names_match(names, &name.host)) else {
        return Line::Malformed { may_match: true };
    };
    match key_in(fields) {
        None => Line::Malformed { may_match: marker != Marker::HostKey || has_name || has_host },
        Some((algorithm, key)) if has_name || has_host => {
            let is_shared = names.iter().any(|byte| b"*?!,".contains(byte));
            Line::Key(KnownKey { marker, lacks_port: !has_name, is_shared, algorithm, key })
        }
        Some(_) => Line::Unrelated,
    }
}

/// The algorithm and key in a line's last `fields`.
fn key_in<'a>(mut fields: impl Iterator<Item = &'a [u8]>) -> Option<(String, Vec<u8>)> {
    let algorithm = std::str::from_utf8(fields.next()?).ok()?;
    let key = STANDARD.decode(fields.next()?).ok()?;
    (algorithm_of(&key)? == algorithm).then(|| (algorithm.to_owned(), key))
}

/// The algorithm of `key`, which is in wire format (RFC 4253 section 6.6).
pub fn algorithm_of(key: &[u8]) -> Option<&str> {
    let length = u32::from_be_bytes(key.get(..4)?.try_into().ok()?) as usize;
    let name = std::str::from_utf8(key.get(4..)?.get(..length)?).ok()?;
    name.bytes().all(|byte| byte.is_ascii_graphic()).then_some(name)
}

/// Whether `names`, a line's field of hosts, matches `host`, which is in lower case; `None` for a malformed hash.
pub fn names_match(names: &[u8], host: &str) -> Option<bool> {
    if names.starts_with(b"|") {
        let (salt, hash) = std::str::from_utf8(names).ok()?.strip_prefix("|1|")?.split_once('|')?;
        let decode = |text| STANDARD.decode(text).ok().filter(|bytes| bytes.len() == HASH_LENGTH);
        let (salt, hash) = (decode(salt)?, decode(hash)?);
        let hmac = Hmac::<Sha1>::new_from_slice(&salt).ok()?.chain_update(host);
        return Some(hmac.verify_slice(&hash).is_ok());
    }
    let matches = |pattern: &[u8]| pattern_matches(pattern, host.as_bytes());
    let (negated, plain): (Vec<&[u8]>, Vec<_>) =
        names.split(|byte| *byte == b',').partition(|pattern| pattern.starts_with(b"!"));
    Some(plain.into_iter().any(matches) && !negated.into_iter().any(|pattern| matches(&pattern[1..])))
}

/// Whether `names` may match one of `hosts`, if each unprintable byte is read as `*`.
fn may_match(names: &[u8], hosts: &[&str]) -> bool {
    let pattern: Vec<u8> = names.iter().map(|byte| if byte.is_ascii_graphic() { *byte } else { b'*' }).collect();
    pattern.starts_with(b"|")
        || pattern
            .split(|byte| *byte == b',')
            .any(|pattern| hosts.iter().any(|host| pattern_matches(pattern, host.as_bytes())))
}

/// Whether the whole `text` matches `pattern`, ignoring case: `*` matches any bytes, `?` matches one.
fn pattern_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut position) = (0, 0);
    // Where pattern and text continue after the last `*`.
    let mut retry: Option<(usize, usize)> = None;
    while position < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                retry = Some((at, position));
            }
            Some(byte) if *byte == b'?' || byte.eq_ignore_ascii_case(&text[position]) => {
                at += 1;
                position += 1;
            }
            _ => {
                let Some((after, from)) = retry else { return false };
                (at, position) = (after, from + 1);
                retry = Some((at, position));
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}
