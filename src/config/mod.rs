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

use permissions::{Holds, Verdict};
use place::Place;
use walk::{Section, Walk};

pub use environment::Environment;
pub use error::{LoadError, Mistake};
pub use sections::{
    Archive, ClientIdentity, Compression, Config, Credentials, Email, HostKeyPolicy, Log, LogFormat, LogLevel,
    MailSecurity, MailServer, Mattermost, Metrics, Monitor, Retry, Run, SendOn, Sftp, Source, is_loopback, public_url,
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
    read(path, environment, |_| true)
}

/// As [`load`], for a command that only reads archives back: on the day that one is needed, another machine may have no
/// more than the configuration and a way in to the server. Mistakes about what such a command does not use are among the
/// configuration's warnings.
///
/// # Errors
/// As [`load`], and where the required keys of the other sections are missing.
pub fn load_to_read_back(path: &Path, environment: &Environment) -> Result<Config, LoadError> {
    read(path, environment, matters_to_read_back)
}

/// Whether a mistake about the key `path` keeps archives from being read back.
fn matters_to_read_back(path: &str) -> bool {
    const OF_NO_USE: [&str; 6] = ["alarm", "log", "email", "mattermost", "monitor", "metrics"];
    match path.split_once('.') {
        Some(("source", key)) => key == "dump",
        Some(("archive", key)) => key == "name",
        Some((section, _)) => !OF_NO_USE.contains(&section),
        None => true,
    }
}

/// Reads the file `path`; of the mistakes about keys that do not matter, warnings are made where that is possible.
fn read(path: &Path, environment: &Environment, matters: fn(&str) -> bool) -> Result<Config, LoadError> {
    let (text, mode) = read_text(path)?;
    if let Verdict::Refused(problem) = permissions::judge(mode, Holds::Settings) {
        return Err(LoadError::Permissions { file: path.to_owned(), problem });
    }
    let value = parse(path, &text)?;
    let folder = folder_of(path);
    let mut walk = Walk::new(Place::new(&folder, environment));
    let mut config = read_sections(&value, path, &mut walk);
    if let Some(config) = &mut config {
        let (mistakes, spared) = walk.mistakes.into_iter().partition(|mistake| matters(&mistake.path));
        walk.mistakes = mistakes;
        config.warnings.extend(spared.iter().map(Mistake::to_string));
    }

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
            Verdict::WorthALook => {
                if let Some(config) = &mut config {
                    config.warnings.push(format!(
                        "{}: holds a secret in clear ({keys}) that its group can read; {}",
                        error::shown(path),
                        permissions::fix(path)
                    ));
                }
            }
            Verdict::Fine => {}
        }
    }
    match config {
        Some(config) if walk.mistakes.is_empty() => Ok(config),
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

/// The whole walk, in the order of the documentation. `None` comes with at least one mistake.
fn read_sections(value: &json::Value, file: &Path, walk: &mut Walk<'_>) -> Option<Config> {
    let mut top = Section::top(walk, value)?;
    top.ignore("$schema");
    let source = source::read(&mut top, walk);
    let archive = job::archive(&mut top, walk);
    let sftp = sftp::read(&mut top, walk);
    let retention = job::retention(&mut top, walk);
    let alarm = job::alarm(&mut top, walk);
    let retry = job::retry(&mut top, walk);
    let run = job::run(&mut top, walk);
    let log = job::log(&mut top, walk, file);
    let email = reports::email(&mut top, walk);
    let mattermost = reports::mattermost(&mut top, walk);
    let monitor = watchers::monitor(&mut top, walk);
    let metrics = watchers::metrics(&mut top, walk);
    top.finish(walk);
    Some(Config {
        source: source?,
        archive: archive?,
        sftp: sftp?,
        retention: retention?,
        alarm,
        retry: retry?,
        run: run?,
        log: log?,
        email,
        mattermost,
        monitor,
        metrics,
        warnings: Vec::new(),
    })
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
