//! What a command takes from a configuration if it only reads archives back.

use secrecy::SecretString;

use super::json::Value;
use super::parts::Parts;
use super::section::Reader;
use super::sections::run::{self, Retry, Run};
use super::sections::{retention, sftp::Sftp};
use super::validated::naming;
use super::values::dump_path;
use super::zone::JobZone;
use crate::job_id::JobId;
use crate::rules::alarm::Bounds;
use crate::rules::naming::Naming;
use crate::rules::retention::Policy;

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
    pub retry: Retry,
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
    pub(super) fn of(
        parts: Parts,
        value: &Value,
        id: &JobId,
        zone: JobZone,
        reader: &mut Reader<'_>,
    ) -> Option<ReadBack> {
        let dump = value.member("source").and_then(|source| source.member("dump"));
        let naming = naming(id, &parts.archive?, parts.sftp.as_ref()?);
        // A section that is not an object counts as an empty one.
        let empty = Value::Object(Vec::new());
        Some(ReadBack {
            zone,
            dump: dump.and_then(|dump| (dump_path().read)(dump, reader.context).ok()),
            naming,
            sftp: parts.sftp?,
            retention: parts.retention.or_else(|| reader.read(&empty, retention::read)?)?,
            retention_mistakes: Vec::new(),
            alarm: parts.alarm,
            retry: parts.retry.or_else(|| reader.read(&empty, run::read_retry)?)?,
            run: parts.run.or_else(|| reader.read(&empty, run::read)?)?,
            warnings: Vec::new(),
        })
    }
}
