//! Loads a configuration file: all of it for a run, or only what is needed to read archives back.

use std::path::{Path, PathBuf};

use super::context::Context;
use super::environment::Environment;
use super::json::{self, Value};
use super::mistakes::{LoadError, Mistake, printable_path};
use super::read_back::ReadBack;
use super::section::{Reader, WHOLE_FILE};
use super::sections::log::{LogTarget, log_file};
use super::validated::{self, Config, Parts};
use crate::disk::bounded_read::{self, ReadError};
use crate::disk::trust::Trust;
use crate::rules::trust::{Contents, TrustProblem};

const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The key of mistakes about the job's time zone.
const VARIABLE_TZ: &str = "the variable TZ";

/// The log file in the folder of a broken configuration that names none.
const DEFAULT_LOG: &str = "log.log";

/// Reads and validates the configuration file `path`, and the files, variables and credentials that it names. Relative
/// paths start at its folder.
///
/// # Errors
/// If the file cannot be read, can be written by others, is not JSON, or contains mistakes; then with all of them, in the
/// order in which the keys are documented.
pub fn load(path: &Path, environment: &Environment) -> Result<Config, LoadError> {
    let (config, _, warnings) = read(path, environment, |_| true, |parts, _, context| Config::of(parts, context))?;
    Ok(Config { warnings, ..config })
}

/// Reads the sections `sftp` and `archive`, which suffice to read archives back. The others may be missing; mistakes in them
/// are warnings.
///
/// # Errors
/// As for [`load`], limited to those sections.
pub fn load_to_read_back(path: &Path, environment: &Environment) -> Result<ReadBack, LoadError> {
    load_partly(path, environment, is_needed_to_read_back)
}

/// As [`load_to_read_back`], and also requires that the sections `retention`, `alarm` and `log` have no mistakes.
///
/// # Errors
/// As for [`load`], limited to these sections.
pub fn load_to_prune(path: &Path, environment: &Environment) -> Result<ReadBack, LoadError> {
    load_partly(path, environment, |path| {
        let section = path.split('.').next().unwrap_or(path);
        is_needed_to_read_back(path) || matches!(section, "archive" | "retention" | "alarm" | "log")
    })
}

/// As [`load_to_read_back`], and reads the section `drill`, which may be missing.
pub fn load_to_drill(path: &Path, environment: &Environment) -> Result<ReadBack, LoadError> {
    load_partly(path, environment, |path| {
        is_needed_to_read_back(path) || path.starts_with("drill") || path == "archive.work_directory"
    })
}

fn load_partly(path: &Path, environment: &Environment, is_needed: fn(&str) -> bool) -> Result<ReadBack, LoadError> {
    let (config, ignored, mut warnings) = read(path, environment, is_needed, ReadBack::of)?;
    let ignored: Vec<String> = ignored.iter().map(Mistake::to_string).collect();
    let retention_mistakes =
        ignored.iter().filter(|it| it.starts_with("retention.") || it.starts_with("retention:")).cloned().collect();
    warnings.extend(ignored);
    Ok(ReadBack { retention_mistakes, warnings, ..config })
}

/// Whether a mistake about the key `path` prevents reading archives back.
fn is_needed_to_read_back(path: &str) -> bool {
    matches!(path, WHOLE_FILE | VARIABLE_TZ | "archive" | "archive.name" | "sftp") || path.starts_with("sftp.")
}

/// Reads the file `path`, and converts its parts with `choose`. Also returns the mistakes in keys that are not needed, and
/// warnings about the file, one sentence each.
fn read<C>(
    path: &Path,
    environment: &Environment,
    is_needed: fn(&str) -> bool,
    choose: impl FnOnce(Parts, &Value, Context<'_>) -> Option<C>,
) -> Result<(C, Vec<Mistake>, Vec<String>), LoadError> {
    let text = read_text(path)?;
    let (folder, trust) = (folder_of(path), Trust::new(environment.credentials_directory()));
    let context = Context::new(path, &folder, environment, &trust);
    trust.check(path, Contents::Settings);
    let reasons: Vec<String> =
        trust.take_problems().into_iter().map(|it| format!("{}; {}", it.problem, it.fix)).collect();
    if !reasons.is_empty() && !context.is_lenient {
        return Err(LoadError::Permissions { file: path.to_owned(), reasons });
    }
    let value = parse(path, &text)?;
    let mut reader = Reader::new(context);
    reader.warnings = reasons;
    reader.mistakes.extend(environment.zone_refusal().cloned().map(|refusal| refusal.for_key(VARIABLE_TZ)));
    let parts = reader.read(&value, validated::read);
    let config = parts.and_then(|parts| choose(parts, &value, context));
    let (mistakes, ignored) = reader.mistakes.into_iter().partition(|mistake| is_needed(&mistake.path));
    reader.mistakes = mistakes;

    let exposed = trust.readable_by_others(path).filter(|_| !reader.plain_text_secrets.is_empty());
    if let Some((TrustProblem { problem, fix }, is_group_alone)) = exposed {
        let keys = reader.plain_text_secrets.join(", ");
        if is_group_alone {
            let file = printable_path(path);
            let warning = format!("{file}: contains a secret in plain text ({keys}) that its group can read; {fix}");
            reader.warnings.push(warning);
        } else {
            reader.distrust(&keys, TrustProblem { problem: format!("is in plain text, and {problem}"), fix });
        }
    }
    match config {
        Some(config) if reader.mistakes.is_empty() => Ok((config, ignored, reader.warnings)),
        _ => Err(LoadError::Mistakes { file: path.to_owned(), mistakes: reader.mistakes }),
    }
}

/// The log file for the errors of [`load`]: the one that the configuration `path` names, if that is readable and nobody else
/// can write it, otherwise `log.log` in its folder. `None` if others can write that folder: they could have put a symbolic
/// link there.
pub fn log_file_of_broken(path: &Path, environment: &Environment) -> Option<LogTarget> {
    let (folder, trust) = (folder_of(path), Trust::new(environment.credentials_directory()));
    let context = Context::new(path, &folder, environment, &trust);
    let is_trusted = |path: &Path| {
        trust.check(path, Contents::Settings);
        trust.take_problems().is_empty() || context.is_lenient
    };
    let named = || {
        let value = parse(path, &read_text(path).ok().filter(|_| is_trusted(path))?).ok()?;
        (log_file().read)(value.member("log")?.member("file")?, context).ok()
    };
    named().or_else(|| is_trusted(&folder).then(|| LogTarget::File(folder.join(DEFAULT_LOG))))
}

/// The file's text without a byte order mark. JSON is UTF-8 (RFC 8259, section 8.1).
fn read_text(path: &Path) -> Result<String, LoadError> {
    let bytes = bounded_read::read(path, MAX_FILE_BYTES).map_err(|error| match error {
        ReadError::NotAFile => "the configuration is not a regular file; name a JSON file".to_owned(),
        ReadError::TooLarge(_) => {
            format!("the configuration file is larger than {MAX_FILE_BYTES} bytes; name a JSON file")
        }
        ReadError::Io(error) => {
            format!("the configuration file cannot be read: {error}; check the path and its permissions")
        }
    });
    let not_utf8 = |_| "the configuration file is not UTF-8; save it as UTF-8".to_owned();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).map_err(not_utf8));
    let text = text.map_err(|problem| LoadError::File { file: path.to_owned(), problem })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn parse(path: &Path, text: &str) -> Result<Value, LoadError> {
    json::parse(text).map_err(|json::SyntaxError { line, column, problem }| LoadError::Syntax {
        file: path.to_owned(),
        line,
        column,
        problem,
    })
}

/// The folder where relative paths start; without symbolic links if it exists.
fn folder_of(path: &Path) -> PathBuf {
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    parent.canonicalize().or_else(|_| std::path::absolute(parent)).unwrap_or_else(|_| parent.to_owned())
}
