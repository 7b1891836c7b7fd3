//! The sections of the configuration as the rest of the program sees them: plain data, every value within its bounds.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use secrecy::SecretString;
use url::Url;

use crate::config::zone::JobZone;
use crate::disk::job_id::JobId;
use crate::rules::alarm::Bounds;
use crate::rules::archive_name::{ArchiveName, Naming};
use crate::rules::origin::Mark;
use crate::rules::retention::keeping::Policy;
use crate::runtime::retry::RetryPolicy;

/// A validated configuration. Paths are absolute, secrets are resolved, every value is within its bounds.
#[derive(Debug, Clone)]
pub struct Config {
    /// The job's id.
    pub id: JobId,
    /// Where the ZIP comes from.
    pub source: Source,
    /// How the archive is made.
    pub archive: Archive,
    /// Where the archive goes.
    pub sftp: Sftp,
    /// Which archives stay there.
    pub retention: Policy,
    /// Which sizes of an archive are worth a warning, if any.
    pub alarm: Option<Bounds>,
    /// How often a passing fault is met with another try.
    pub retry: RetryPolicy,
    /// Bounds of the whole run.
    pub run: Run,
    /// Where the log goes.
    pub log: Log,
    /// The mail, if one is wanted.
    pub email: Option<Email>,
    /// The Mattermost message, if one is wanted.
    pub mattermost: Option<Mattermost>,
    /// Who watches from outside whether the job runs, if anybody does.
    pub monitor: Option<Monitor>,
    /// Where figures for Prometheus go, if they are wanted.
    pub metrics: Option<Metrics>,
    /// The zone of the job's dates and times.
    pub zone: JobZone,
    /// What is worth a look about the file itself, one sentence each.
    pub warnings: Vec<String>,
}

/// The section `source`.
#[derive(Clone)]
pub struct Source {
    /// The ZIP's address. Its query is a secret: show it with [`public_url`](Source::public_url).
    pub url: Url,
    /// The dump's path in the ZIP.
    pub dump: String,
    /// The zone in which the ZIP's zone-less times were written; `None` is the job's zone.
    pub timezone: Option<Tz>,
    /// How many days before today still count as fresh.
    pub max_age_days: u32,
    /// The only certificate authorities to trust, as PEM; `None` trusts the public web's.
    pub ca_file: Option<PathBuf>,
    /// A client certificate and its key, as PEM.
    pub client_identity: Option<ClientIdentity>,
    /// HTTP basic authentication.
    pub credentials: Option<Credentials>,
    /// The proxy to go through, with its own user and password if it needs them.
    pub proxy: Option<SecretString>,
    /// To connect, for the first byte, and for a body slower than 1 KiB/s.
    pub timeout: Duration,
    /// Cap on the dump's declared and real size, in bytes.
    pub max_dump_bytes: u64,
}

/// A client certificate for TLS.
#[derive(Debug, Clone)]
pub struct ClientIdentity {
    /// PEM file with the certificate chain, the client's own first.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
}

/// A name and a password.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The name.
    pub username: String,
    /// The password.
    pub password: SecretString,
}

/// The section `archive`.
#[derive(Debug, Clone)]
pub struct Archive {
    /// How an archive is named after its date.
    pub name: ArchiveName,
    /// How the archive is compressed.
    pub compression: Compression,
    /// The folder for local temporary files.
    pub work_directory: PathBuf,
}

/// How the archive is compressed (`archive.compression`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// With the ZIP's own deflate data, where it is deflate.
    Reuse,
    /// Anew, as one gzip member at this level, 1 to 9.
    Level(u32),
}

/// The section `sftp`.
#[derive(Debug, Clone)]
pub struct Sftp {
    /// Name or address of the server; an IPv6 address stands without brackets.
    pub host: String,
    /// Its port, not 0.
    pub port: u16,
    /// Who logs in.
    pub username: String,
    /// The password, for `password` and `keyboard-interactive` alike.
    pub password: Option<SecretString>,
    /// The private key file.
    pub private_key: Option<PathBuf>,
    /// The private key's passphrase.
    pub passphrase: Option<SecretString>,
    /// The ssh-agent's socket (`SSH_AUTH_SOCK`), where one is named in the environment.
    pub agent_socket: Option<PathBuf>,
    /// The file of known host keys.
    pub known_hosts: PathBuf,
    /// What to do about the server's host key.
    pub host_key: HostKeyPolicy,
    /// The folder for the archives, as the server sees it.
    pub directory: String,
    /// What temporary names on the server begin with.
    pub temporary_prefix: String,
    /// How many connections a transfer may use at the most, 1 to 8.
    pub connections: u64,
    /// To connect, and for any one answer.
    pub timeout: Duration,
}

/// What to do about a server's host key (`sftp.host_key`). A changed key is refused by each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKeyPolicy {
    /// A first key is added to known_hosts and told.
    AcceptNew,
    /// Only a key in known_hosts is accepted.
    Strict,
    /// Only the key with this fingerprint is accepted: `SHA256:` and 43 characters of base64, as `ssh-keygen -l`
    /// prints it.
    Pinned(String),
}

/// The section `run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// How long a run may take, reports aside.
    pub deadline: Duration,
}

/// The section `log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The log file.
    pub file: PathBuf,
    /// How a line is written.
    pub format: LogFormat,
    /// The least level that is written.
    pub level: LogLevel,
}

/// How a log line is written (`log.format`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The least level that is written (`log.level`), from most to least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// All.
    Debug,
    /// What a run does.
    Info,
    /// What is worth a look.
    Warning,
    /// What failed.
    Error,
}

/// The section `email`.
#[derive(Debug, Clone)]
pub struct Email {
    /// On which nights.
    pub send: SendOn,
    /// The mail server; `None` hands the mail to the local sendmail.
    pub server: Option<MailServer>,
    /// The sender.
    pub from: lettre::message::Mailbox,
    /// The recipients; at least one.
    pub to: Vec<lettre::message::Mailbox>,
    /// What the subject begins with.
    pub subject: String,
    /// Whether this run's log lines are attached.
    pub attach_log: bool,
}

/// The section `email.server`.
#[derive(Debug, Clone)]
pub struct MailServer {
    /// Name or address.
    pub host: String,
    /// Port, not 0.
    pub port: u16,
    /// How the connection is protected.
    pub security: MailSecurity,
    /// Who logs in.
    pub credentials: Option<Credentials>,
    /// The only certificate authorities to trust, as PEM; `None` trusts the public web's.
    pub ca_file: Option<PathBuf>,
}

/// How the connection to the mail server is protected (`email.server.security`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    /// TLS from the first byte.
    Tls,
    /// STARTTLS, required.
    Starttls,
    /// Not at all.
    None,
}

/// On which nights a report is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOn {
    /// Every night.
    Always,
    /// When an error happened.
    Error,
    /// Never.
    Never,
}

/// The section `mattermost`.
#[derive(Debug, Clone)]
pub struct Mattermost {
    /// On which nights.
    pub send: SendOn,
    /// The incoming webhook's address, all of it secret.
    pub webhook_url: SecretString,
    /// The name that the message appears under.
    pub username: Option<String>,
    /// The picture that the message appears with.
    pub icon_url: Option<String>,
    /// The only certificate authorities to trust, as PEM; `None` trusts the public web's.
    pub ca_file: Option<PathBuf>,
}

/// The section `monitor`.
#[derive(Debug, Clone)]
pub struct Monitor {
    /// The check's address, all of it secret; `/start` and `/fail` are added to its path.
    pub ping_url: SecretString,
    /// The only certificate authorities to trust, as PEM; `None` trusts the public web's.
    pub ca_file: Option<PathBuf>,
}

/// The section `metrics`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// The file for node_exporter's textfile collector; its name ends with `.prom`.
    pub textfile: PathBuf,
}

impl Config {
    /// How the names in `sftp.directory` are made.
    pub fn naming(&self) -> Naming {
        Config::naming_of(&self.id, &self.archive, &self.sftp)
    }

    /// The same, of the sections that say so.
    pub(super) fn naming_of(id: &JobId, archive: &Archive, sftp: &Sftp) -> Naming {
        Naming { archive: archive.name.clone(), temporary_prefix: sftp.temporary_prefix.clone(), id: id.to_string() }
    }
}

impl Source {
    /// The mark that this job's archives bear.
    pub fn mark(&self) -> Mark {
        Mark::new(&self.url, &self.dump)
    }

    /// The ZIP's address as it may be shown: without its query.
    pub fn public_url(&self) -> String {
        public_url(&self.url)
    }
}

/// `url` as it may be shown: without its query.
pub fn public_url(url: &Url) -> String {
    let mut url = url.clone();
    if url.query().is_some() {
        url.set_query(Some("…"));
    }
    url.set_fragment(None);
    // `Url` percent-encodes the ellipsis.
    url.as_str().replace("%E2%80%A6", "…")
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("url", &self.public_url()).field("dump", &self.dump).finish_non_exhaustive()
    }
}

/// Whether `host` (a name, or an address without brackets) means this machine, whatever the resolver says.
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
