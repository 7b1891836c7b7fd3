//! The process's environment, read once at the edge: nothing else reads it.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use super::mistakes::Refusal;
use super::zone;
use crate::rules::job_zone::JobZone;

/// The home folder, the variables and the time zone of a process.
#[derive(Clone)]
pub struct Environment {
    home: Option<PathBuf>,
    zone: Result<JobZone, Refusal>,
    variables: HashMap<OsString, OsString>,
}

impl Environment {
    /// The environment of this process. Where `HOME` is unset, as it can be under cron, the home folder is the one
    /// in the passwd database.
    pub fn capture() -> Environment {
        Environment::new(std::env::home_dir(), std::env::vars_os())
    }

    /// An environment with this `home` (one that is not absolute counts as none) and these `variables`.
    pub fn new<Name: Into<OsString>, Text: Into<OsString>>(
        home: Option<PathBuf>,
        variables: impl IntoIterator<Item = (Name, Text)>,
    ) -> Environment {
        let variables: HashMap<OsString, OsString> =
            variables.into_iter().map(|(name, text)| (name.into(), text.into())).collect();
        let [tz, tzdir] = ["TZ", "TZDIR"].map(|name| variables.get(OsStr::new(name)).map(OsString::as_os_str));
        Environment { home: home.filter(|home| home.is_absolute()), zone: zone::of(tz, tzdir), variables }
    }

    /// The home folder, where there is one.
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// The job's time zone; UTC where `TZ` names no known one, which [`load`](super::load::load) then refuses.
    pub fn zone(&self) -> JobZone {
        self.zone.clone().unwrap_or(JobZone::BuiltIn(chrono_tz::Tz::UTC))
    }

    /// What is wrong with `TZ`.
    pub(super) fn zone_refusal(&self) -> Option<&Refusal> {
        self.zone.as_ref().err()
    }

    /// The variable `name`, where it is set.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// The ssh-agent's socket (`SSH_AUTH_SOCK`), where one is named.
    pub fn agent_socket(&self) -> Option<&Path> {
        self.path("SSH_AUTH_SOCK")
    }

    /// The folder in which systemd provides a service's credentials (`CREDENTIALS_DIRECTORY`).
    pub fn credentials_directory(&self) -> Option<&Path> {
        self.path("CREDENTIALS_DIRECTORY")
    }

    fn path(&self, name: &str) -> Option<&Path> {
        self.variable(name).filter(|value| !value.is_empty()).map(Path::new)
    }
}

impl fmt::Debug for Environment {
    /// Variables may hold secrets, so they are only counted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("home", &self.home).field("variables", &self.variables.len()).finish()
    }
}
