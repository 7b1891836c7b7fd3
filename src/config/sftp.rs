//! The section `sftp`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::config::place::must_be_file;
use crate::config::sections::{HostKeyPolicy, Sftp};
use crate::config::values;
use crate::config::walk::{Fault, Number, Section, Walk, nearest, quoted};
use crate::rules::trust::Holds;

pub(super) const PORT: Number<u16> = Number::new(1..=u16::MAX, 22);
pub(super) const KNOWN_HOSTS: &str = "~/.ssh/known_hosts";
/// The machine's own file, which is read after the configured one (`GlobalKnownHostsFile` of ssh_config(5)).
pub const SYSTEM_KNOWN_HOSTS: &str = "/etc/ssh/ssh_known_hosts";
/// The words of `host_key`; the first is its default.
pub(super) const HOST_KEY_WORDS: [&str; 2] = [ACCEPT_NEW, STRICT];
const ACCEPT_NEW: &str = "accept-new";
const STRICT: &str = "strict";
pub(super) const TEMPORARY_PREFIX: &str = ".";
pub(super) const CONNECTIONS: Number<u64> = Number::new(1..=8, 8);
pub(super) const TIMEOUT_SECONDS: Number<u64> = Number::new(1..=3_600, 30);

/// Longest temporary prefix, in bytes: prefix, archive name and suffix share the 255 that file systems give a name.
pub(super) const LONGEST_PREFIX: usize = 32;

/// Length of SHA-256's digest, in bytes.
const SHA256_BYTES: usize = 32;

pub(super) fn read(top: &mut Section<'_>, walk: &mut Walk<'_>) -> Option<Sftp> {
    let mut section = top.section(walk, "sftp")?;
    let place = walk.place;
    let host = section.required(walk, "host", "the SFTP server's name or address", values::host);
    let port = section.integer(walk, "port", &PORT);
    let username = section.required(walk, "username", "the name to log in with", values::name);
    let password = section.secret(walk, "password");
    let private_key = section.optional(walk, "private_key", |text| place.ssh_key(text));
    let passphrase = section.secret(walk, "passphrase");
    let agent_socket = place.environment.agent_socket().map(PathBuf::from);
    if section.is_given("passphrase") && !section.is_given("private_key") {
        let problem = format!("has no {} to open", section.path("private_key"));
        walk.mistake(section.path("passphrase"), Fault::new(problem, "name the private key, or remove the passphrase"));
    }
    if !section.is_given("password") && !section.is_given("private_key") && agent_socket.is_none() {
        let fault = Fault::new(
            "is missing, as are sftp.private_key and a running agent (SSH_AUTH_SOCK)",
            "give a password or a private key; cron has no agent",
        );
        walk.mistake(section.path("password"), fault);
    }
    let known_hosts_given = section.is_given("known_hosts");
    let known_hosts_path = section.optional(walk, "known_hosts", |text| place.path(text));
    let known_hosts = if known_hosts_given {
        known_hosts_path
    } else {
        walk.accept(section.path("known_hosts"), place.path(KNOWN_HOSTS))
    };
    let host_key = section.optional(walk, "host_key", host_key_policy).unwrap_or(HostKeyPolicy::AcceptNew);
    if let Some(known_hosts) = &known_hosts {
        for file in [known_hosts, Path::new(SYSTEM_KNOWN_HOSTS)] {
            place.trust.judge(file, Holds::Settings);
        }
        walk.accept(section.path("known_hosts"), known_hosts_fit(known_hosts, &host_key));
    }
    let directory_meaning = "the folder for the archives as the server sees it, \".\" for the login folder";
    let directory = section.required(walk, "directory", directory_meaning, values::remote_path);
    let temporary_prefix = section.optional(walk, "temporary_prefix", temporary_prefix);
    let temporary_prefix = temporary_prefix.unwrap_or_else(|| TEMPORARY_PREFIX.to_owned());
    let connections = section.integer(walk, "connections", &CONNECTIONS);
    let timeout = section.integer(walk, "timeout_seconds", &TIMEOUT_SECONDS);
    section.finish(walk);
    Some(Sftp {
        host: host?,
        port,
        username: username?,
        password,
        private_key,
        passphrase,
        agent_socket,
        known_hosts: known_hosts?,
        host_key,
        directory: directory?,
        temporary_prefix,
        connections,
        timeout: Duration::from_secs(timeout),
    })
}

/// Whether `known_hosts` can serve `policy`: to be read, to be read or made, or not at all.
fn known_hosts_fit(known_hosts: &Path, policy: &HostKeyPolicy) -> Result<(), Fault> {
    match policy {
        HostKeyPolicy::Strict => must_be_file(known_hosts),
        HostKeyPolicy::AcceptNew if known_hosts.exists() => must_be_file(known_hosts),
        // It is made, with its folder, when the first key comes.
        HostKeyPolicy::AcceptNew | HostKeyPolicy::Pinned(_) => Ok(()),
    }
}

fn host_key_policy(text: &str) -> Result<HostKeyPolicy, Fault> {
    const FIX: &str = "write \"accept-new\", \"strict\", or \"SHA256:\" and 43 characters as ssh-keygen -l prints them";
    match text {
        ACCEPT_NEW => return Ok(HostKeyPolicy::AcceptNew),
        STRICT => return Ok(HostKeyPolicy::Strict),
        _ => {}
    }
    let Some(digest) = text.strip_prefix("SHA256:") else {
        let fix = match nearest(text, &HOST_KEY_WORDS) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => FIX.to_owned(),
        };
        return Err(Fault::new(format!("{} is not known", quoted(text)), fix));
    };
    match STANDARD_NO_PAD.decode(digest) {
        Ok(bytes) if bytes.len() == SHA256_BYTES => Ok(HostKeyPolicy::Pinned(text.to_owned())),
        _ => Err(Fault::new(format!("{} is not a SHA-256 fingerprint", quoted(text)), FIX)),
    }
}

fn temporary_prefix(text: &str) -> Result<String, Fault> {
    if text.contains('/') || text.chars().any(char::is_control) {
        let problem = format!("{} holds a \"/\" or a control character", quoted(text));
        return Err(Fault::new(problem, "write what a file's name can begin with"));
    }
    if text.len() > LONGEST_PREFIX {
        return Err(Fault::new(
            format!("{} is longer than {LONGEST_PREFIX} bytes", quoted(text)),
            "write a shorter one, such as \".\" or \"tmp-\"",
        ));
    }
    Ok(text.to_owned())
}
