//! The sections of a configuration, separately and as a validated [`Config`].

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde_json::json;

use super::context::Context;
use super::kind::Kind;
use super::paths::file;
use super::section::{Label, Section, keys};
use super::sections::archive::{self, Archive};
use super::sections::drill::{self, Drill};
use super::sections::hooks::{self, Hooks};
use super::sections::log::{self, Log};
use super::sections::report::{self, Email, Mattermost, Metrics, Monitor};
use super::sections::retention;
use super::sections::run::{self, Run};
use super::sections::sftp::{self, Sftp};
use super::sections::source::{self, Source};
use super::values::job_name;
use crate::disk::job_id::JobId;
use crate::rules::alarm::Bounds;
use crate::rules::archive_name::Naming;
use crate::rules::job_zone::JobZone;
use crate::rules::retention::keeping::Policy;
use crate::rules::secret_parts;
use crate::runtime::retry::RetryPolicy;

/// The file in the configuration's folder that the template names as its schema.
pub const SCHEMA_FILE: &str = "config.schema.json";

/// Paths are absolute, secrets are resolved, every value is within its bounds.
#[derive(Debug, Clone)]
pub struct Config {
    /// The job's name: `name`, or the file's name without `.json`.
    pub name: String,
    pub id: JobId,
    /// The zone of the job's dates and times.
    pub zone: JobZone,
    pub source: Source,
    pub archive: Archive,
    pub sftp: Sftp,
    pub retention: Policy,
    pub alarm: Option<Bounds>,
    pub retry: RetryPolicy,
    pub run: Run,
    pub log: Log,
    pub reports: Reports,
    pub drill: Drill,
    pub hooks: Hooks,
    /// About the file itself, one sentence each.
    pub warnings: Vec<String>,
}

impl Config {
    /// `None` if a section that a run needs has a mistake.
    pub(super) fn of(parts: Parts, context: Context<'_>) -> Option<Config> {
        Some(Config {
            name: parts.name.unwrap_or_else(|| default_name(context.file)),
            id: JobId::new(context.file),
            zone: context.environment.zone(),
            source: parts.source?,
            archive: parts.archive?,
            sftp: parts.sftp?,
            retention: parts.retention?,
            alarm: parts.alarm,
            retry: parts.retry?,
            run: parts.run?,
            log: parts.log?,
            reports: parts.reports,
            drill: parts.drill?,
            hooks: parts.hooks?,
            warnings: Vec::new(),
        })
    }

    /// Every secret to redact from reports: as configured, the parts that grant access by themselves, and as composed by the
    /// protocols before they encode it.
    pub fn secrets(&self) -> Vec<SecretString> {
        let (source, sftp, login) = (&self.source, &self.sftp, self.source.credentials.iter());
        secret_parts::query_secrets(&source.url)
            .into_iter()
            .chain(login.flat_map(|login| secret_parts::login_secrets(&login.username, &login.password)))
            .chain(source.headers.iter().flat_map(|(_, value)| secret_parts::header_secrets(value)))
            .chain(source.proxy.iter().flat_map(secret_parts::proxy_secrets))
            .chain(sftp.password.clone())
            .chain(sftp.passphrase.clone())
            .chain(self.reports.secrets())
            .collect()
    }

    pub fn naming(&self) -> Naming {
        naming(&self.id, &self.archive, &self.sftp)
    }
}

/// Where reports are sent.
#[derive(Debug, Clone, Default)]
pub struct Reports {
    pub email: Option<Email>,
    pub mattermost: Option<Mattermost>,
    pub monitor: Option<Monitor>,
    pub metrics: Option<Metrics>,
}

impl Reports {
    /// As [`Config::secrets`].
    pub(super) fn secrets(&self) -> impl Iterator<Item = SecretString> {
        let login = self.email.iter().flat_map(|email| &email.server).flat_map(|server| &server.credentials);
        let hooks = self.mattermost.iter().map(|mattermost| &mattermost.webhook_url);
        let hooks = hooks.chain(self.monitor.iter().map(|monitor| &monitor.ping_url));
        login
            .flat_map(|login| secret_parts::login_secrets(&login.username, &login.password))
            .chain(hooks.flat_map(secret_parts::webhook_secrets))
    }
}

pub(super) fn naming(id: &JobId, archive: &Archive, sftp: &Sftp) -> Naming {
    Naming {
        archive: archive.name.clone(),
        temporary_prefix: sftp.temporary_prefix.clone(),
        id: id.to_string(),
        is_encrypted: !archive.encrypt_to.is_empty(),
    }
}

/// The name of the configuration `file` without `.json`.
pub(super) fn default_name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(".json").unwrap_or(&name).to_owned()
}

/// Separate sections, because mistakes in one must not stop a command that does not need it. `None` is an optional section,
/// or one with a mistake.
pub(super) struct Parts {
    pub(super) name: Option<String>,
    pub(super) source: Option<Source>,
    pub(super) archive: Option<Archive>,
    pub(super) sftp: Option<Sftp>,
    pub(super) retention: Option<Policy>,
    pub(super) alarm: Option<Bounds>,
    pub(super) retry: Option<RetryPolicy>,
    pub(super) run: Option<Run>,
    pub(super) log: Option<Log>,
    pub(super) reports: Reports,
    pub(super) drill: Option<Drill>,
    pub(super) hooks: Option<Hooks>,
}

/// Reads the whole file, in the order of the documentation.
pub(super) fn read(top: &mut Section<'_, '_>) -> Parts {
    let schema = Kind::new(json!({"type": "string"}), |_, _| Ok(()));
    let description = "The schema of this file, for editors. The program does not read it.";
    top.optional(Label { name: "$schema", description }, schema.example(SCHEMA_FILE));
    keys! { top:
        /// The job's name in reports, metrics and --job; null for the file's name without .json.
        name = optional(job_name());
        /// A JSON file with the keys that several jobs share: this file is merged over it (RFC 7396). Relative paths in it start at its folder. It cannot have the keys name and extends.
        extends = optional(file("path to a JSON file", |_, _, _| Ok(())));
        /// Where the ZIP comes from, and which file in it is the dump.
        source = section(source::read);
        /// How the archive is made and named.
        archive = section(archive::read);
        /// The SFTP server that receives the archive.
        sftp = section(sftp::read);
        /// Which archives are kept on the server.
        retention = section(retention::read);
        /// Which sizes of an archive cause a warning; null for none. Such an archive is still sent, but the run removes nothing.
        alarm = optional_section(retention::read_alarm);
        /// How the command drill restores an archive into a throwaway database server. It works without this section.
        drill = section(drill::read);
        /// Programs that run before and after the job. A dry run runs none.
        hooks = section(hooks::read);
        /// How often transient errors, such as a lost connection, are retried.
        retry = section(run::read_retry);
        /// Limits of the whole run.
        run = section(run::read);
        /// The log file that each run appends to.
        log = section(log::read);
        /// The mail after a run; null for none.
        email = optional_section(report::read_email);
        /// The message in Mattermost after a run; null for none.
        mattermost = optional_section(report::read_mattermost);
        /// A service that raises an alarm when the job does not run, by the convention of healthchecks.io; null for none.
        monitor = optional_section(report::read_monitor);
        /// Metrics for Prometheus; null for none.
        metrics = optional_section(report::read_metrics);
    }
    // Already merged.
    let _: Option<PathBuf> = extends;
    let reports = Reports { email, mattermost, monitor, metrics };
    let drill = drill.map(|drill| Drill { is_configured: top.is_given("drill"), ..drill });
    if source.as_ref().zip(run.as_ref()).is_some_and(|(source, run)| source.wait >= run.deadline) {
        let problem = "is not shorter than run.deadline_minutes, which ends the run while it waits";
        top.refuse("source.wait_minutes", problem, "wait less, or raise run.deadline_minutes");
    }
    Parts { name, source, archive, sftp, retention, alarm, retry, run, log, reports, drill, hooks }
}
