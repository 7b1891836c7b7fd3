//! The process's environment, which is read once, at the start.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use super::mistakes::Refusal;
use super::zone;
use crate::rules::job_zone::JobZone;

#[derive(Clone)]
pub struct Environment {
    home: Option<PathBuf>,
    zone: Result<JobZone, Refusal>,
    variables: HashMap<OsString, OsString>,
}

impl Environment {
    /// Reads the environment of the process. If `HOME` is unset, as it may be under cron, takes the home folder from the passwd database.
    pub fn capture() -> Environment {
        Environment::new(std::env::home_dir(), std::env::vars_os())
    }

    /// A relative `home` is ignored.
    pub fn new<Name: Into<OsString>, Text: Into<OsString>>(
        home: Option<PathBuf>,
        variables: impl IntoIterator<Item = (Name, Text)>,
    ) -> Environment {
        let variables: HashMap<OsString, OsString> =
            variables.into_iter().map(|(name, text)| (name.into(), text.into())).collect();
        let [tz, tzdir] = ["TZ", "TZDIR"].map(|name| variables.get(OsStr::new(name)).map(OsString::as_os_str));
        Environment { home: home.filter(|home| home.is_absolute()), zone: zone::resolve(tz, tzdir), variables }
    }

    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// The job's time zone; UTC if `TZ` is invalid, which [`load`](super::load::load) then reports.
    pub fn zone(&self) -> JobZone {
        self.zone.clone().unwrap_or(JobZone::BuiltIn(chrono_tz::Tz::UTC))
    }

    /// The problem if `TZ` is invalid.
    pub(super) fn zone_refusal(&self) -> Option<&Refusal> {
        self.zone.as_ref().err()
    }

    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// The ssh-agent's socket (`SSH_AUTH_SOCK`).
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
    /// Only counts the variables, which may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("home", &self.home).field("variables", &self.variables.len()).finish()
    }
}
