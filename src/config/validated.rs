//! The validated configuration of a run.

use super::parts::Parts;
use super::sections::archive::Archive;
use super::sections::log::Log;
use super::sections::report::{Email, Mattermost, Metrics, Monitor};
use super::sections::run::{Retry, Run};
use super::sections::sftp::Sftp;
use super::sections::source::Source;
use super::zone::JobZone;
use crate::job_id::JobId;
use crate::rules::alarm::Bounds;
use crate::rules::naming::Naming;
use crate::rules::retention::Policy;

/// Paths are absolute, secrets are resolved, every value is within its bounds.
#[derive(Debug, Clone)]
pub struct Config {
    pub id: JobId,
    /// The zone of the job's dates and times.
    pub zone: JobZone,
    pub source: Source,
    pub archive: Archive,
    pub sftp: Sftp,
    pub retention: Policy,
    pub alarm: Option<Bounds>,
    pub retry: Retry,
    pub run: Run,
    pub log: Log,
    pub email: Option<Email>,
    pub mattermost: Option<Mattermost>,
    pub monitor: Option<Monitor>,
    pub metrics: Option<Metrics>,
    /// What the operator should know about the file itself, one sentence each.
    pub warnings: Vec<String>,
}

impl Config {
    /// `None` where a section that a run needs has a mistake.
    pub(super) fn of(parts: Parts, id: JobId, zone: JobZone) -> Option<Config> {
        Some(Config {
            id,
            zone,
            source: parts.source?,
            archive: parts.archive?,
            sftp: parts.sftp?,
            retention: parts.retention?,
            alarm: parts.alarm,
            retry: parts.retry?,
            run: parts.run?,
            log: parts.log?,
            email: parts.email,
            mattermost: parts.mattermost,
            monitor: parts.monitor,
            metrics: parts.metrics,
            warnings: Vec::new(),
        })
    }

    /// How the names in `sftp.directory` are made.
    pub fn naming(&self) -> Naming {
        naming(&self.id, &self.archive, &self.sftp)
    }
}

pub(super) fn naming(id: &JobId, archive: &Archive, sftp: &Sftp) -> Naming {
    Naming { archive: archive.name.clone(), temporary_prefix: sftp.temporary_prefix.clone(), id: id.to_string() }
}
