//! The sections of the configuration that say what the job does.

use schemars::JsonSchema;

use crate::config::schema::kinds::{Compression, HostKey, Secret, SecretProxy, needs, number, together, zone};
use crate::config::schema::{kinds, patterns};
use crate::config::{job, sftp, source};

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(transform = together("client_certificate", "client_key"), transform = together("username", "password"))]
pub(super) struct Source {
    /// The ZIP's address: https://…, or plain http for this machine's own addresses. No user or password in it; its query is
    /// kept secret.
    #[schemars(url, regex(pattern = patterns::zip_address()))]
    url: String,
    /// The dump's path in the ZIP, such as dump.sql.
    #[schemars(regex(pattern = patterns::dump()))]
    dump: String,
    /// The IANA zone in which the ZIP's local times were written; null is this machine's. It matters only for ZIPs whose
    /// entries have no extended timestamp.
    #[schemars(transform = zone)]
    timezone: Option<String>,
    /// How many days before today the dump may have been modified and still count as fresh.
    #[schemars(transform = number(source::MAX_AGE_DAYS))]
    max_age_days: Option<u32>,
    /// PEM file with the only certificate authorities to trust; null trusts the public web's.
    #[schemars(regex(pattern = patterns::file()))]
    ca_file: Option<String>,
    /// PEM file with the client's certificate. It needs client_key.
    #[schemars(regex(pattern = patterns::file()))]
    client_certificate: Option<String>,
    /// PEM file with the private key of the client's certificate, without a passphrase.
    #[schemars(regex(pattern = patterns::file()))]
    client_key: Option<String>,
    /// The name for HTTP's basic authentication. It needs password.
    #[schemars(regex(pattern = patterns::basic_username()))]
    username: Option<String>,
    /// The password for HTTP's basic authentication. It needs username.
    password: Option<Secret>,
    /// The HTTP proxy to go through: http://… or https://…, with its user and password where it has them. The environment's
    /// proxies are not used.
    proxy: Option<SecretProxy>,
    /// How many seconds the connection, the first byte, and a body slower than 1 KiB/s may take.
    #[schemars(transform = number(source::TIMEOUT_SECONDS))]
    timeout_seconds: Option<u64>,
    /// The most bytes that the dump may have.
    #[schemars(transform = number(source::MAX_DUMP_BYTES))]
    max_dump_bytes: Option<u64>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Archive {
    /// The archive's name without .tgz, as a date pattern of strftime with year, month and day.
    #[schemars(regex(pattern = patterns::archive_name()), extend("default" = job::ARCHIVE_NAME))]
    name: Option<String>,
    /// How the archive is compressed: "reuse" takes the ZIP's own data; a level from 1 to 9 compresses anew.
    #[schemars(extend("default" = job::REUSE))]
    compression: Option<Compression>,
    /// The folder for local temporary files. It needs room for the archive, and for the ZIP where the web server sends no
    /// parts of it.
    #[schemars(regex(pattern = patterns::folder()), extend("default" = job::WORK_DIRECTORY))]
    work_directory: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, transform = needs("passphrase", "private_key"))]
pub(super) struct Sftp {
    /// The SFTP server's name or address.
    #[schemars(length(max = crate::config::values::LONGEST_HOST), regex(pattern = patterns::host()))]
    host: String,
    /// The SFTP server's port.
    #[schemars(transform = number(sftp::PORT))]
    port: Option<u16>,
    /// The name to log in with.
    #[schemars(regex(pattern = patterns::name()))]
    username: String,
    /// The password to log in with. One of a password, a private key or a running agent is needed; cron has no agent.
    password: Option<Secret>,
    /// The private key to log in with, readable for its owner alone.
    #[schemars(regex(pattern = patterns::file()))]
    private_key: Option<String>,
    /// The passphrase of the private key.
    passphrase: Option<Secret>,
    /// The file of host keys that are known.
    #[schemars(regex(pattern = patterns::file()), extend("default" = sftp::KNOWN_HOSTS))]
    known_hosts: Option<String>,
    /// Which host key is accepted: "accept-new" takes the first one and tells its fingerprint, "strict" takes only one that
    /// known_hosts holds, "SHA256:…" takes only that one. A changed key is always refused.
    #[schemars(extend("default" = sftp::HOST_KEY_WORDS[0]))]
    host_key: Option<HostKey>,
    /// The folder for the archives as the server sees it, relative to the login folder; "." is the login folder itself.
    #[schemars(regex(pattern = patterns::remote_path()))]
    directory: String,
    /// What temporary names on the server begin with, for servers that refuse names with a dot in front.
    #[schemars(length(max = sftp::LONGEST_PREFIX), regex(pattern = patterns::prefix()))]
    #[schemars(extend("default" = sftp::TEMPORARY_PREFIX))]
    temporary_prefix: Option<String>,
    /// How many connections at the most share a large archive over a long line.
    #[schemars(transform = number(sftp::CONNECTIONS))]
    connections: Option<u64>,
    /// How many seconds the connection, and any one answer, may take.
    #[schemars(transform = number(sftp::TIMEOUT_SECONDS))]
    timeout_seconds: Option<u64>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Retention {
    /// How many days an archive stays, counted from the newest one; one exactly this old stays too.
    #[schemars(transform = number(job::KEEP_DAYS))]
    keep_days: Option<u32>,
    /// How many of the newest archives stay however old they are.
    #[schemars(transform = number(job::KEEP_AT_LEAST))]
    keep_at_least: Option<u32>,
    /// Of how many of the last days that have an archive the newest archive stays.
    #[schemars(transform = number(job::KEEP_PERIODS))]
    keep_daily: Option<u32>,
    /// Of how many of the last weeks that have an archive the newest archive stays.
    #[schemars(transform = number(job::KEEP_PERIODS))]
    keep_weekly: Option<u32>,
    /// Of how many of the last months that have an archive the newest archive stays.
    #[schemars(transform = number(job::KEEP_PERIODS))]
    keep_monthly: Option<u32>,
    /// Of how many of the last years that have an archive the newest archive stays.
    #[schemars(transform = number(job::KEEP_PERIODS))]
    keep_yearly: Option<u32>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Alarm {
    /// An archive smaller than this many percent of the median of the last seven is worth a warning; 0 is never met.
    #[schemars(transform = number(job::SMALLER_THAN_PERCENT))]
    smaller_than_percent: Option<u32>,
    /// An archive larger than this many percent of the median of the last seven is worth a warning; 1000000 is never met.
    #[schemars(transform = number(job::LARGER_THAN_PERCENT))]
    larger_than_percent: Option<u32>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Retry {
    /// How often something is tried in all.
    #[schemars(transform = number(job::ATTEMPTS))]
    attempts: Option<u32>,
    /// How many seconds the first pause takes; each further one takes twice as long.
    #[schemars(transform = number(job::FIRST_PAUSE_SECONDS))]
    first_pause_seconds: Option<u64>,
    /// How many seconds a pause takes at the most, not less than the first one.
    #[schemars(transform = number(job::MAX_PAUSE_SECONDS))]
    max_pause_seconds: Option<u64>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Run {
    /// How many minutes the whole run may take, reports aside.
    #[schemars(transform = number(job::DEADLINE_MINUTES))]
    deadline_minutes: Option<u64>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Log {
    /// The log file. It is made where it is missing.
    #[schemars(regex(pattern = patterns::file()), extend("default" = job::LOG_FILE))]
    file: Option<String>,
    /// How a line is written: for people, or as one JSON object.
    #[schemars(transform = kinds::word(job::FORMAT))]
    format: Option<String>,
    /// The least level that is written.
    #[schemars(transform = kinds::word(job::LEVELS))]
    level: Option<String>,
}
