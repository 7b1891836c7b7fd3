//! The configuration: a JSON file, validated once into [`Config`], which is all that the rest of the program sees.
//!
//! [`load`] walks the JSON value instead of deriving a deserializer, so that every mistake is named in one go.

mod environment;
mod error;
mod files;
mod job;
mod json;
mod place;
mod read_back;
mod redacted;
mod reports;
pub mod schema;
mod secret;
mod sections;
mod sftp;
mod source;
pub mod template;
mod trust;
mod values;
mod walk;
mod watchers;
mod zone;

use std::path::{Path, PathBuf};

use place::Place;
use trust::Trust;
use walk::{Fault, Section, Walk};

use crate::job_id::JobId;
use crate::rules::alarm::Bounds;
use crate::rules::retention::Policy;
use crate::rules::trust::Holds;

pub use environment::Environment;
pub use error::{LoadError, Mistake};
pub use read_back::ReadBack;
pub use sections::{
    Archive, ClientIdentity, Compression, Config, Credentials, Email, HostKeyPolicy, Log, LogFormat, LogLevel,
    MailSecurity, MailServer, Mattermost, Metrics, Monitor, Retry, Run, SendOn, Sftp, Source, is_loopback, public_url,
};
pub use sftp::SYSTEM_KNOWN_HOSTS;
pub use zone::JobZone;

/// Longest configuration file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What the mistakes about the job's zone are about.
const VARIABLE_TZ: &str = "the variable TZ";

/// Name of the log file that stands in where a broken configuration names none, beside the configuration.
const LOG_BESIDE: &str = "log.log";

/// Reads and validates the configuration file `path`. Files, variables and credentials that it names are read too;
/// relative paths start at the folder of `path`.
///
/// # Errors
/// Where the file cannot be read, could have been written by others, is not JSON, or holds mistakes; then with every one of
/// them, in the order in which the keys are documented.
pub fn load(path: &Path, environment: &Environment) -> Result<Config, LoadError> {
    let found = read(path, environment, |_| true, |_, parts, _| parts.whole())?;
    Ok(Config { warnings: found.warnings, ..found.config })
}

/// Reads what a command needs that only reads archives back: the sections `sftp` and `archive`. The rest may be missing;
/// mistakes in it are warnings.
///
/// # Errors
/// As [`load`], where what is needed is missing or wrong.
pub fn load_to_read_back(path: &Path, environment: &Environment) -> Result<ReadBack, LoadError> {
    let found = read(path, environment, matters_to_read_back, ReadBack::of)?;
    let about_retention = |mistake: &&Mistake| mistake.path.split('.').next() == Some("retention");
    let retention_mistakes = found.spared.iter().filter(about_retention).map(Mistake::to_string).collect();
    let warnings = found.warnings.into_iter().chain(found.spared.iter().map(Mistake::to_string)).collect();
    Ok(ReadBack { retention_mistakes, warnings, ..found.config })
}

/// Whether a mistake about the key `path` keeps archives from being read back.
fn matters_to_read_back(path: &str) -> bool {
    matches!(path, walk::WHOLE_FILE | VARIABLE_TZ | "archive" | "archive.name" | "sftp") || path.starts_with("sftp.")
}

/// A configuration as it was read.
struct Found<C> {
    config: C,
    /// The mistakes that do not matter.
    spared: Vec<Mistake>,
    /// What else is noteworthy about the file, one sentence each.
    warnings: Vec<String>,
}

/// Reads the file `path` and takes from its sections what `choose` wants; mistakes about keys that do not matter are
/// spared.
fn read<C>(
    path: &Path,
    environment: &Environment,
    matters: fn(&str) -> bool,
    choose: fn(&json::Value, Parts, &mut Walk<'_>) -> Option<C>,
) -> Result<Found<C>, LoadError> {
    let text = read_text(path)?;
    let trust = Trust::new(environment);
    trust.judge(path, Holds::Settings);
    let reasons: Vec<String> = trust.take().into_iter().map(|it| format!("{}; {}", it.problem, it.fix)).collect();
    if !reasons.is_empty() && !trust.is_lenient {
        return Err(LoadError::Permissions { file: path.to_owned(), reasons });
    }
    let value = parse(path, &text)?;
    let folder = folder_of(path);
    let mut walk = Walk::new(Place::new(&folder, environment, &trust));
    walk.warnings = reasons;
    if let Some(fault) = environment.zone_fault() {
        walk.mistake(VARIABLE_TZ, fault.clone());
    }
    let config = read_sections(&value, path, &mut walk).and_then(|parts| choose(&value, parts, &mut walk));
    let (mistakes, spared) = walk.mistakes.into_iter().partition(|mistake| matters(&mistake.path));
    walk.mistakes = mistakes;

    if !walk.clear.is_empty()
        && let Some((reason, is_group_alone)) = trust.read_by_others(path)
    {
        let keys = walk.clear.join(", ");
        if is_group_alone {
            walk.warnings.push(format!(
                "{}: holds a secret in clear ({keys}) that its group can read; {}",
                error::shown(path),
                reason.fix
            ));
        } else {
            walk.distrust(&keys, Fault::new(format!("is in clear, and {}", reason.problem), reason.fix));
        }
    }
    match config {
        Some(config) if walk.mistakes.is_empty() => Ok(Found { config, spared, warnings: walk.warnings }),
        _ => Err(LoadError::Mistakes { file: path.to_owned(), mistakes: walk.mistakes }),
    }
}

/// The log file that the configuration file `path`, which [`load`] refused, names, where the file is readable and nobody
/// else could have written it; otherwise `log.log` in the same folder. `None` where others can write that folder: they could
/// have put a symbolic link there.
pub fn log_of_broken(path: &Path, environment: &Environment) -> Option<PathBuf> {
    let folder = folder_of(path);
    let trust = Trust::new(environment);
    let is_trusted = |path: &Path| {
        trust.judge(path, Holds::Settings);
        trust.take().is_empty() || trust.is_lenient
    };
    let named = || {
        let value = parse(path, &read_text(path).ok().filter(|_| is_trusted(path))?).ok()?;
        let file = value.member("log")?.member("file")?.as_text()?;
        job::log_path(Place::new(&folder, environment, &trust), file, path).ok()
    };
    named().or_else(|| is_trusted(&folder).then(|| folder.join(LOG_BESIDE)))
}

/// The sections as they were read; `None` comes with at least one mistake, or is a section that may be missing.
struct Parts {
    id: JobId,
    zone: JobZone,
    source: Option<Source>,
    archive: Option<Archive>,
    sftp: Option<Sftp>,
    retention: Option<Policy>,
    alarm: Option<Bounds>,
    retry: Option<Retry>,
    run: Option<Run>,
    log: Option<Log>,
    email: Option<Email>,
    mattermost: Option<Mattermost>,
    monitor: Option<Monitor>,
    metrics: Option<Metrics>,
}

impl Parts {
    /// All that a run needs.
    fn whole(self) -> Option<Config> {
        Some(Config {
            id: self.id,
            zone: self.zone,
            source: self.source?,
            archive: self.archive?,
            sftp: self.sftp?,
            retention: self.retention?,
            alarm: self.alarm,
            retry: self.retry?,
            run: self.run?,
            log: self.log?,
            email: self.email,
            mattermost: self.mattermost,
            monitor: self.monitor,
            metrics: self.metrics,
            warnings: Vec::new(),
        })
    }
}

/// The whole walk, in the order of the documentation. `None` comes with at least one mistake.
fn read_sections(value: &json::Value, file: &Path, walk: &mut Walk<'_>) -> Option<Parts> {
    let mut top = Section::top(walk, value)?;
    top.ignore("$schema");
    let parts = Parts {
        id: JobId::of(file),
        zone: walk.place.environment.zone(),
        source: source::read(&mut top, walk),
        archive: job::archive(&mut top, walk),
        sftp: sftp::read(&mut top, walk),
        retention: job::retention(&mut top, walk),
        alarm: job::alarm(&mut top, walk),
        retry: job::retry(&mut top, walk),
        run: job::run(&mut top, walk),
        log: job::log(&mut top, walk, file),
        email: reports::email(&mut top, walk),
        mattermost: reports::mattermost(&mut top, walk),
        monitor: watchers::monitor(&mut top, walk),
        metrics: watchers::metrics(&mut top, walk),
    };
    top.finish(walk);
    Some(parts)
}

/// The file's text without a byte order mark.
fn read_text(path: &Path) -> Result<String, LoadError> {
    let file = || path.to_owned();
    let bytes = files::read(path, MAX_FILE_BYTES).map_err(|fault| match fault {
        files::FileFault::Unreadable(source) => LoadError::Unreadable { file: file(), source },
        files::FileFault::NotAFile => LoadError::NotAFile { file: file() },
        files::FileFault::TooLarge => LoadError::TooLarge { file: file() },
    })?;
    let text = String::from_utf8(bytes).map_err(|_| LoadError::NotUtf8 { file: file() })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn parse(path: &Path, text: &str) -> Result<json::Value, LoadError> {
    json::parse(text).map_err(|fault| LoadError::Syntax {
        file: path.to_owned(),
        line: fault.line,
        column: fault.column,
        problem: fault.problem,
    })
}

/// The folder where relative paths start, without symbolic links where it exists.
fn folder_of(path: &Path) -> PathBuf {
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    parent.canonicalize().or_else(|_| std::path::absolute(parent)).unwrap_or_else(|_| parent.to_owned())
}
