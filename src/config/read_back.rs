//! What a command takes from a configuration if it only reads archives back.

use secrecy::SecretString;

use super::context::Context;
use super::json::Value;
use super::sections::run::Run;
use super::sections::sftp::Sftp;
use super::validated::{Parts, naming};
use super::values::dump_path;
use crate::disk::job_id::JobId;
use crate::rules::alarm::Bounds;
use crate::rules::archive_name::Naming;
use crate::rules::job_zone::JobZone;
use crate::rules::retention::keeping::Policy;
use crate::runtime::retry::RetryPolicy;

/// Needs only the sections `sftp` and `archive`: after a disaster, the rest may be lost.
#[derive(Debug, Clone)]
pub struct ReadBack {
    /// The job's time zone.
    pub zone: JobZone,
    /// `source.dump`; `None` where it is missing or wrong: then an archive's only file is the dump.
    pub dump: Option<String>,
    /// How the names in `sftp.directory` are made.
    pub naming: Naming,
    pub sftp: Sftp,
    /// A key that is missing or wrong has its default.
    pub retention: Policy,
    /// The mistakes in the section `retention`, one sentence each.
    pub retention_mistakes: Vec<String>,
    pub alarm: Option<Bounds>,
    pub retry: RetryPolicy,
    pub run: Run,
    /// Every mistake in what reading back does not need, and other warnings about the file, one sentence each.
    pub warnings: Vec<String>,
}

impl ReadBack {
    /// The secrets that such a command uses, for the redaction of what it prints.
    pub fn secrets(&self) -> Vec<SecretString> {
        self.sftp.password.iter().chain(&self.sftp.passphrase).cloned().collect()
    }

    /// `None` where the sections `sftp` or `archive` of the file `value` have a mistake.
    pub(super) fn of(parts: Parts, value: &Value, context: Context<'_>) -> Option<ReadBack> {
        let dump = value.member("source").and_then(|source| source.member("dump"));
        let naming = naming(&JobId::new(context.file), &parts.archive?, parts.sftp.as_ref()?);
        Some(ReadBack {
            zone: context.environment.zone(),
            dump: dump.and_then(|dump| (dump_path().read)(dump, context).ok()),
            naming,
            sftp: parts.sftp?,
            retention: parts.retention?,
            retention_mistakes: Vec::new(),
            alarm: parts.alarm,
            retry: parts.retry?,
            run: parts.run?,
            warnings: Vec::new(),
        })
    }
}
