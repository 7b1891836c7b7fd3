//! The sections of a configuration, each on its own: a command that needs only some of them is not stopped by the others.

use serde_json::json;

use super::kind::Kind;
use super::section::Section;
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
    top.optional("$schema", schema.example(SCHEMA_FILE), about);
    Parts {
        source: top.section("source", "Where the ZIP comes from, and which file in it is the dump.", source::read),
        archive: top.section("archive", "How the archive is made and named.", archive::read),
        sftp: top.section("sftp", "Where the archive goes.", sftp::read),
        retention: top.section("retention", "Which archives are kept on the server.", retention::read),
        alarm: top.optional_section(
            "alarm",
            "Which sizes of an archive cause a warning. Such an archive is sent all the same, but the run removes nothing.",
            retention::read_alarm,
        ),
        retry: top.section("retry", "How often transient errors, such as a lost connection, are retried.", run::read_retry),
        run: top.section("run", "Bounds of the whole run.", run::read),
        log: top.section("log", "Where the log goes.", log::read),
        email: top.optional_section("email", "The mail after a run; null for none.", report::read_email),
        mattermost: top.optional_section(
            "mattermost",
            "The message in Mattermost after a run; null for none.",
            report::read_mattermost,
        ),
        monitor: top.optional_section(
            "monitor",
            "A service that raises an alarm when the job does not run, by the convention of healthchecks.io; null for none.",
            report::read_monitor,
        ),
        metrics: top.optional_section("metrics", "Metrics for Prometheus; null for none.", report::read_metrics),
    }
}
