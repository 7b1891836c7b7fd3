//! The sections of a configuration, each on its own: a command that needs only some of them is not stopped by the others.

use serde_json::json;

use super::kind::Kind;
use super::section::{Section, keys};
use super::sections::archive::{self, Archive};
use super::sections::log::{self, Log};
use super::sections::report::{self, Email, Mattermost, Metrics, Monitor};
use super::sections::retention;
use super::sections::run::{self, Retry, Run};
use super::sections::sftp::{self, Sftp};
use super::sections::source::{self, Source};
use crate::rules::alarm::Bounds;
use crate::rules::retention::Policy;

/// The name of the schema in a configuration's folder: the template refers to it.
pub const SCHEMA_FILE: &str = "config.schema.json";

/// `None` comes with at least one mistake, or is an optional section.
pub(super) struct Parts {
    pub(super) source: Option<Source>,
    pub(super) archive: Option<Archive>,
    pub(super) sftp: Option<Sftp>,
    pub(super) retention: Option<Policy>,
    pub(super) alarm: Option<Bounds>,
    pub(super) retry: Option<Retry>,
    pub(super) run: Option<Run>,
    pub(super) log: Option<Log>,
    pub(super) email: Option<Email>,
    pub(super) mattermost: Option<Mattermost>,
    pub(super) monitor: Option<Monitor>,
    pub(super) metrics: Option<Metrics>,
}

/// Reads the whole file, in the order of the documentation.
pub(super) fn read(top: &mut Section<'_, '_>) -> Parts {
    let schema = Kind::new(json!({"type": "string"}), "path or address", |_, _| Ok(()));
    let about = "Where an editor finds the schema of this file. The program does not read it.";
    top.optional("$schema", about, schema.example(SCHEMA_FILE));
    keys! { top:
        /// Where the ZIP comes from, and which file in it is the dump.
        source = section(source::read);
        /// How the archive is made and named.
        archive = section(archive::read);
        /// Where the archive goes.
        sftp = section(sftp::read);
        /// Which archives are kept on the server.
        retention = section(retention::read);
        /// Which sizes of an archive cause a warning. Such an archive is sent all the same, but the run removes nothing.
        alarm = optional_section(retention::read_alarm);
        /// How often transient errors, such as a lost connection, are retried.
        retry = section(run::read_retry);
        /// Bounds of the whole run.
        run = section(run::read);
        /// Where the log goes.
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
    Parts { source, archive, sftp, retention, alarm, retry, run, log, email, mattermost, monitor, metrics }
}
