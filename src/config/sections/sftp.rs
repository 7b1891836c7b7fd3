//! The section `sftp`: where the archives go.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::SecretString;
use serde_json::json;

use crate::config::kind::{Kind, whole};
use crate::config::mistakes::{Refusal, refuse};
use crate::config::paths::{check_file, file, ssh_key};
use crate::config::secret::secret;
use crate::config::section::{Section, keys, requires};
use crate::config::values::{host, name, remote_path};
use crate::rules::spelling::did_you_mean;
use crate::rules::trust::Contents;

/// The machine-wide file, which is read after the configured one (`GlobalKnownHostsFile` of ssh_config(5)).
pub const SYSTEM_KNOWN_HOSTS: &str = "/etc/ssh/ssh_known_hosts";

/// Prefix, archive name and suffix share the 255 bytes that file systems allow for a name.
const MAX_PREFIX_BYTES: usize = 32;

const SHA256_BYTES: usize = 32;

#[derive(Debug, Clone)]
pub struct Sftp {
    /// An IPv6 address has no brackets.
    pub host: String,
    pub port: u16,
    pub username: String,
    /// For both `password` and `keyboard-interactive`.
    pub password: Option<SecretString>,
    pub private_key: Option<PathBuf>,
    pub passphrase: Option<SecretString>,
    /// The ssh-agent's socket (`SSH_AUTH_SOCK`).
    pub agent_socket: Option<PathBuf>,
    pub known_hosts: PathBuf,
    pub host_key: HostKeyPolicy,
    pub directory: String,
    pub temporary_prefix: String,
    /// The maximum number, 1 to 8.
    pub connections: u64,
    /// For the upload, over all connections together.
    pub max_kib_per_second: Option<u64>,
    pub timeout: Duration,
}

/// Which host key is accepted. A changed key is always refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKeyPolicy {
    /// The first key is added to known_hosts and reported.
    AcceptNew,
    /// Only a key in known_hosts.
    Strict,
    /// Only the key with this fingerprint, as `ssh-keygen -l` prints it.
    Pinned(String),
}

pub(in crate::config) fn read(keys: &mut Section<'_, '_>) -> Option<Sftp> {
    keys! { keys:
        /// The SFTP server's name or address.
        host = required(host().example("sftp.example.com"));
        /// The SFTP server's port.
        port = with_default(whole(1..=u16::MAX), 22);
        /// The name to log in with.
        username = required(name().example("backup"));
        /// The password to log in with. A password, a private key or a running agent is required; cron has no agent.
        password = optional(secret());
        /// The private key to log in with, readable by its owner only.
        private_key = optional(ssh_key().example("id_ed25519"));
        /// The passphrase of the private key.
        passphrase = optional(secret());
        /// The file of known host keys.
        known_hosts = with_default(file("path to a file", |_, _, _| Ok(())), "~/.ssh/known_hosts");
        /// Which host key is accepted: "accept-new" trusts the first one and reports its fingerprint, "strict" requires a key
        /// in known_hosts, "SHA256:…" requires the key with that fingerprint. A changed key is always refused.
        host_key = with_default(host_key(), ACCEPT_NEW);
        /// The folder for the archives as the server sees it, relative to the login folder; "." is the login folder itself.
        directory = required(remote_path().example("TSE-INFORX"));
        /// The prefix of temporary names on the server. Change it for servers that refuse names with a leading dot.
        temporary_prefix = with_default(temporary_prefix(), ".");
        /// How many connections may share the transfer of a large archive.
        connections = with_default(whole(1..=8), 8);
        /// The maximum rate of the upload over all connections together, in KiB per second; null is unlimited. Reading back is not
        /// limited.
        max_kib_per_second = optional(whole(1..=u64::from(u32::MAX)));
        /// The time limit for connecting and for each reply, in seconds. Syncing, closing and renaming a file may take ten times
        /// as long.
        timeout_seconds = with_default(whole(1..=3_600), 30);
    }
    let agent_socket = keys.context().environment.agent_socket().map(PathBuf::from);
    if !keys.is_given("password") && !keys.is_given("private_key") && agent_socket.is_none() {
        keys.refuse(
            "password",
            "is missing, as are sftp.private_key and a running agent (SSH_AUTH_SOCK)",
            "give a password or a private key; cron has no agent",
        );
    }
    keys.rule(requires("passphrase", "private_key"));
    if keys.is_given("passphrase") && !keys.is_given("private_key") {
        keys.refuse("passphrase", "needs sftp.private_key", "name the private key, or remove the passphrase");
    }
    // The default that replaces an invalid path is not checked.
    if let (Some(known_hosts), Some(host_key)) = (&known_hosts, &host_key)
        && !keys.has_mistake("known_hosts")
    {
        for file in [known_hosts, Path::new(SYSTEM_KNOWN_HOSTS)] {
            keys.context().trust.check(file, Contents::Settings);
        }
        keys.accept("known_hosts", check_known_hosts(known_hosts, host_key));
    }
    Some(Sftp {
        host: host?,
        port: port?,
        username: username?,
        password,
        private_key,
        passphrase,
        agent_socket,
        known_hosts: known_hosts?,
        host_key: host_key?,
        directory: directory?,
        temporary_prefix: temporary_prefix?,
        connections: connections?,
        max_kib_per_second,
        timeout: Duration::from_secs(timeout_seconds?),
    })
}

/// With a pinned key, or if a first key may be accepted, the file may be missing.
fn check_known_hosts(known_hosts: &Path, policy: &HostKeyPolicy) -> Result<(), Refusal> {
    match policy {
        HostKeyPolicy::Strict => check_file(known_hosts),
        HostKeyPolicy::AcceptNew if known_hosts.exists() => check_file(known_hosts),
        HostKeyPolicy::AcceptNew | HostKeyPolicy::Pinned(_) => Ok(()),
    }
}

const ACCEPT_NEW: &str = "accept-new";
const STRICT: &str = "strict";

/// A word, or a fingerprint: 32 bytes in base64 without padding, so the last two bits are 0.
fn host_key() -> Kind<HostKeyPolicy> {
    const FIX: &str = "write \"accept-new\", \"strict\", or \"SHA256:\" and 43 characters as ssh-keygen -l prints them";
    let words = [ACCEPT_NEW, STRICT];
    let fingerprint = "^SHA256:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]$";
    let mut kind = Kind::text("", "", move |text| match text {
        ACCEPT_NEW => Ok(HostKeyPolicy::AcceptNew),
        STRICT => Ok(HostKeyPolicy::Strict),
        _ => match text.strip_prefix("SHA256:").map(|digest| STANDARD_NO_PAD.decode(digest)) {
            Some(Ok(bytes)) if bytes.len() == SHA256_BYTES => Ok(HostKeyPolicy::Pinned(text.to_owned())),
            Some(_) => refuse("is not a SHA-256 fingerprint", FIX),
            None => refuse("is not known", did_you_mean(text, &words).unwrap_or_else(|| FIX.to_owned())),
        },
    });
    let description = "The fingerprint of the only key to accept, as ssh-keygen -l prints it.";
    let pinned = json!({"type": "string", "title": "fingerprint", "pattern": fingerprint, "description": description});
    kind.form.schema = json!({"oneOf": [{"enum": words}, pinned]});
    kind
}

fn temporary_prefix() -> Kind<String> {
    Kind::text("prefix of a file name", r"^[^/\p{Cc}]*$", |text| match text {
        _ if text.contains('/') || text.chars().any(char::is_control) => {
            refuse("contains a \"/\" or a control character", "write the prefix of a file name")
        }
        _ if text.len() > MAX_PREFIX_BYTES => {
            let problem = format!("is longer than {MAX_PREFIX_BYTES} bytes");
            refuse(problem, "write a shorter one, such as \".\" or \"tmp-\"")
        }
        _ => Ok(text.to_owned()),
    })
    .with_keyword("maxLength", MAX_PREFIX_BYTES)
}
