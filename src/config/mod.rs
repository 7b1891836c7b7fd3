//! The configuration: a JSON file, validated once into [`Config`], which is all that the rest of the program sees.
//!
//! [`load`] walks the JSON value instead of deriving a deserializer, so that every mistake is named in one go.

mod environment;
mod error;
mod files;
mod job;
mod json;
pub mod original;
mod permissions;
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
mod values;
mod walk;
mod watchers;

use std::path::{Path, PathBuf};

use crate::rules::alarm::Bounds;
use crate::rules::retention::Policy;
use permissions::{Holds, Verdict};
use place::Place;
use walk::{Section, Walk};

pub use environment::Environment;
pub use error::{LoadError, Mistake};
pub use read_back::ReadBack;
pub use sections::{
    Archive, ClientIdentity, Compression, Config, Credentials, Email, HostKeyPolicy, Log, LogFormat, LogLevel,
    MailSecurity, MailServer, Mattermost, Metrics, Monitor, Retry, Run, SendOn, Sftp, Source, is_loopback,
};

/// Longest configuration file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Name of the log file that stands in where a broken configuration names none, beside the configuration.
const LOG_BESIDE: &str = "log.log";

/// Reads and validates the configuration file `path`. Files, variables and credentials that it names are read too;
/// relative paths start at the folder of `path`.
///
/// # Errors
/// Where the file cannot be read, is writable by others than its owner, is not JSON, or holds mistakes; then with
/// every one of them, in the order in which the keys are documented.
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
    matches!(path, walk::WHOLE_FILE | "archive" | "archive.name" | "sftp") || path.starts_with("sftp.")
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
    let (text, mode) = read_text(path)?;
    if let Verdict::Refused(problem) = permissions::judge(mode, Holds::Settings) {
        return Err(LoadError::Permissions { file: path.to_owned(), problem });
    }
    let value = parse(path, &text)?;
    let folder = folder_of(path);
    let mut walk = Walk::new(Place::new(&folder, environment));
    let config = read_sections(&value, path, &mut walk).and_then(|parts| choose(&value, parts, &mut walk));
    let (mistakes, spared) = walk.mistakes.into_iter().partition(|mistake| matters(&mistake.path));
    walk.mistakes = mistakes;
    let mut warnings = Vec::new();

    if !walk.clear.is_empty() {
        let keys = walk.clear.join(", ");
        match permissions::judge(mode, Holds::SettingsAndSecrets) {
            Verdict::Refused(problem) => {
                walk.mistakes.push(Mistake {
                    path: keys,
                    problem: format!("stands in clear in a file that {problem}"),
                    fix: permissions::fix(path),
                });
            }
            Verdict::WorthALook => warnings.push(format!(
                "{}: holds a secret in clear ({keys}) that its group can read; {}",
                error::shown(path),
                permissions::fix(path)
            )),
            Verdict::Fine => {}
        }
    }
    match config {
        Some(config) if walk.mistakes.is_empty() => Ok(Found { config, spared, warnings }),
        _ => Err(LoadError::Mistakes { file: path.to_owned(), mistakes: walk.mistakes }),
    }
}

/// The log file that the configuration file `path`, which [`load`] refused, names; as far as that can be made out.
/// Else `log.log` beside it, as for a file that others can write: it is not to choose what is written to.
pub fn log_of_broken(path: &Path, environment: &Environment) -> PathBuf {
    let folder = folder_of(path);
    let named = || {
        let (text, mode) = read_text(path).ok()?;
        if permissions::judge(mode, Holds::Settings) != Verdict::Fine {
            return None;
        }
        let value = parse(path, &text).ok()?;
        let file = value.member("log")?.member("file")?.as_text()?;
        job::log_path(Place::new(&folder, environment), file, path).ok()
    };
    named().unwrap_or_else(|| folder.join(LOG_BESIDE))
}

/// The sections as they were read; `None` comes with at least one mistake, or is a section that may be missing.
struct Parts {
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

/// The file's text without a byte order mark, and its mode.
fn read_text(path: &Path) -> Result<(String, u32), LoadError> {
    let file = || path.to_owned();
    let contents = files::read(path, MAX_FILE_BYTES).map_err(|fault| match fault {
        files::FileFault::Unreadable(source) => LoadError::Unreadable { file: file(), source },
        files::FileFault::NotAFile => LoadError::NotAFile { file: file() },
        files::FileFault::TooLarge => LoadError::TooLarge { file: file() },
    })?;
    let text = String::from_utf8(contents.bytes).map_err(|_| LoadError::NotUtf8 { file: file() })?;
    Ok((text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text), contents.mode))
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
