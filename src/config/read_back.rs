//! The part of a configuration that is needed to read archives back, or to prune them.

use std::path::PathBuf;

use secrecy::SecretString;

use super::context::Context;
use super::json::Value;
use super::sections::drill::Drill;
use super::sections::log::Log;
use super::sections::run::Run;
use super::sections::sftp::Sftp;
use super::validated::{Parts, Reports, default_name, naming};
use super::values::dump_path;
use crate::disk::job_id::JobId;
use crate::rules::alarm::Bounds;
use crate::rules::archive_name::Naming;
use crate::rules::dump_pattern::DumpPattern;
use crate::rules::job_zone::JobZone;
use crate::rules::origin::Mark;
use crate::rules::retention::keeping::Policy;
use crate::rules::secret_parts;
use crate::runtime::retry::RetryPolicy;

/// Requires only the sections `sftp` and `archive`: after a disaster, the rest may be lost.
#[derive(Debug, Clone)]
pub struct ReadBack {
    pub name: String,
    pub zone: JobZone,
    /// `source.dump`; `None` if it is missing or invalid: then the dump is an archive's only file.
    pub dump: Option<DumpPattern>,
    /// The mark of this job's archives and `source.dump`; `None` if the section `source` is missing or invalid.
    pub origin: Option<(Mark, DumpPattern)>,
    pub naming: Naming,
    /// `archive.work_directory`.
    pub work_directory: PathBuf,
    pub sftp: Sftp,
    /// A missing or invalid key has its default.
    pub retention: Policy,
    /// The mistakes in the section `retention`, one sentence each.
    pub retention_mistakes: Vec<String>,
    pub alarm: Option<Bounds>,
    pub retry: RetryPolicy,
    pub run: Run,
    pub id: JobId,
    /// `None` if the section has a mistake.
    pub log: Option<Log>,
    /// Without those whose section has a mistake.
    pub reports: Reports,
    pub drill: Drill,
    /// Mistakes in the keys that are not needed, and warnings about the file, one sentence each.
    pub warnings: Vec<String>,
}

impl ReadBack {
    /// The secrets to redact from all output.
    pub fn secrets(&self) -> Vec<SecretString> {
        let ping = self.drill.ping_url.iter().flat_map(secret_parts::webhook_secrets);
        let login = self.sftp.password.iter().chain(&self.sftp.passphrase).cloned();
        login.chain(ping).chain(self.reports.secrets()).collect()
    }

    /// `None` if the section `sftp` or `archive` of the file `value` has a mistake.
    pub(super) fn of(parts: Parts, value: &Value, context: Context<'_>) -> Option<ReadBack> {
        let dump = value.member("source").and_then(|source| source.member("dump"));
        let (id, archive) = (JobId::new(context.file), parts.archive?);
        Some(ReadBack {
            name: parts.name.unwrap_or_else(|| default_name(context.file)),
            zone: context.environment.zone(),
            dump: dump.and_then(|dump| (dump_path().read)(dump, context).ok()),
            origin: parts.source.map(|source| (source.mark(), source.dump)),
            naming: naming(&id, &archive, parts.sftp.as_ref()?),
            work_directory: archive.work_directory,
            sftp: parts.sftp?,
            retention: parts.retention?,
            retention_mistakes: Vec::new(),
            alarm: parts.alarm,
            retry: parts.retry?,
            run: parts.run?,
            id,
            log: parts.log,
            reports: parts.reports,
            drill: parts.drill?,
            warnings: Vec::new(),
        })
    }
}
