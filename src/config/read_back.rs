//! What reading archives back takes from a configuration of which only a part may be left.

use secrecy::SecretString;

use crate::config::sections::{Config, Run, Sftp};
use crate::config::walk::{Section, Walk};
use crate::config::zone::JobZone;
use crate::config::{Parts, job, json, source};
use crate::rules::alarm::Bounds;
use crate::rules::archive_name::Naming;
use crate::rules::retention::keeping::Policy;
use crate::runtime::retry::RetryPolicy;

/// The configuration of a command that only reads archives back. After a disaster, no more than the sections `sftp` and
/// `archive` may be left of it.
#[derive(Debug, Clone)]
pub struct ReadBack {
    /// The job's time zone.
    pub zone: JobZone,
    /// `source.dump`; `None` where the configuration does not name it: then an archive's only file is the dump.
    pub dump: Option<String>,
    /// How the names in `sftp.directory` are made.
    pub naming: Naming,
    /// Where the archives are.
    pub sftp: Sftp,
    /// Which archives are kept; the default of each key that is missing or unusable.
    pub retention: Policy,
    /// What cannot be used in the section `retention`, one sentence for each mistake.
    pub retention_mistakes: Vec<String>,
    /// Which sizes of an archive are unusual, if any.
    pub alarm: Option<Bounds>,
    /// How often transient errors are retried.
    pub retry: RetryPolicy,
    /// Bounds of the whole command.
    pub run: Run,
    /// Every mistake that does not keep archives from being read back, one sentence each.
    pub warnings: Vec<String>,
}

impl ReadBack {
    /// The secrets that such a command uses, for the redaction of what it prints.
    pub fn secrets(&self) -> Vec<SecretString> {
        self.sftp.password.iter().chain(&self.sftp.passphrase).cloned().collect()
    }

    /// Takes the whole file `value` and the sections that were read from it; `None` comes with at least one mistake.
    pub(super) fn of(value: &json::Value, parts: Parts, walk: &mut Walk<'_>) -> Option<ReadBack> {
        let dump = value.member("source").and_then(|source| source.member("dump")?.as_text());
        let naming = Config::naming_of(&parts.id, &parts.archive?, parts.sftp.as_ref()?);
        // A section that is no object counts as an empty one.
        let mut nothing = Section::empty();
        Some(ReadBack {
            zone: parts.zone,
            dump: dump.and_then(|dump| source::dump_path(dump).ok()),
            naming,
            sftp: parts.sftp?,
            retention: parts.retention.or_else(|| job::retention(&mut nothing, walk))?,
            retention_mistakes: Vec::new(),
            alarm: parts.alarm,
            retry: parts.retry.or_else(|| job::retry(&mut nothing, walk))?,
            run: parts.run.or_else(|| job::run(&mut nothing, walk))?,
            warnings: Vec::new(),
        })
    }
}
