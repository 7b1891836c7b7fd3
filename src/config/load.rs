//! Loads a configuration file: all of it for a run, or only what is needed to read archives back.

use std::path::Path;

use super::context::Context;
use super::environment::Environment;
use super::extends::{self, EXTENDS, NAME};
use super::file::{self, folder_of};
use super::json::Value;
use super::mistakes::{LoadError, Mistake, printable_path};
use super::read_back::ReadBack;
use super::section::{Reader, WHOLE_FILE};
use super::sections::log::{LogTarget, log_file};
use super::validated::{self, Config, Parts, Reports};
use crate::disk::trust::Trust;
use crate::rules::trust::{Contents, TrustProblem};

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

/// Where to report that the configuration cannot be used: its reports without those whose section has a mistake, also if the
/// file that it extends cannot be used. `None` if that is unknown.
pub fn load_reports(path: &Path, environment: &Environment) -> Option<Reports> {
    let read = read(path, environment, |path| path == WHOLE_FILE, |parts, _, _| Some(parts.reports));
    read.ok().map(|(reports, ..)| reports)
}

/// Whether [`load_reports`] may run programs that print secrets; also if that is unknown.
pub fn runs_programs(path: &Path, environment: &Environment) -> bool {
    let (folder, trust) = (folder_of(path), Trust::new(environment.credentials_directory()));
    let context = Context::new(path, &folder, environment, &trust);
    let merged = file::read(path).ok().and_then(|own| extends::merged(own, context).ok());
    merged.is_none_or(|(value, _)| value.has_member("command"))
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
    matches!(path, WHOLE_FILE | VARIABLE_TZ | EXTENDS | NAME | "archive" | "archive.name" | "sftp")
        || path.starts_with("sftp.")
}

/// Reads the file `path`, and converts its parts with `choose`. Also returns the mistakes in keys that are not needed, and
/// warnings about the file, one sentence each.
fn read<C>(
    path: &Path,
    environment: &Environment,
    is_needed: fn(&str) -> bool,
    choose: impl FnOnce(Parts, &Value, Context<'_>) -> Option<C>,
) -> Result<(C, Vec<Mistake>, Vec<String>), LoadError> {
    let own = file::read(path).map_err(|error| error.of_configuration(path))?;
    let (folder, trust) = (folder_of(path), Trust::new(environment.credentials_directory()));
    let context = Context::new(path, &folder, environment, &trust);
    trust.check(path, Contents::Settings);
    let reasons: Vec<String> =
        trust.take_problems().into_iter().map(|it| format!("{}; {}", it.problem, it.fix)).collect();
    if !reasons.is_empty() && !context.is_lenient {
        return Err(LoadError::Permissions { file: path.to_owned(), reasons });
    }
    let mut reader = Reader::new(context);
    reader.warnings = reasons;
    let merged = reader.accept(EXTENDS, extends::merged(own.clone(), context));
    let (value, extended) = match merged.filter(|_| reader.mistakes.is_empty()) {
        Some(merged) => merged,
        None if !is_needed(EXTENDS) => (own, None),
        None => return Err(LoadError::Mistakes { file: path.to_owned(), mistakes: reader.mistakes }),
    };
    let context = context.extending(extended.as_ref());
    reader.context = context;
    reader.mistakes.extend(environment.zone_refusal().cloned().map(|refusal| refusal.for_key(VARIABLE_TZ)));
    let parts = reader.read(&value, validated::read);
    let config = parts.and_then(|parts| choose(parts, &value, context));
    let (mistakes, ignored) = reader.mistakes.into_iter().partition(|mistake| is_needed(&mistake.path));
    reader.mistakes = mistakes;

    let is_inherited = |key: &String| extended.as_ref().is_some_and(|extended| extended.defines(key));
    let (inherited, own): (Vec<String>, Vec<String>) =
        std::mem::take(&mut reader.plain_text_secrets).into_iter().partition(is_inherited);
    let base = extended.as_ref().map(|extended| (extended.file.as_path(), inherited));
    for (file, keys) in [(path, own)].into_iter().chain(base).filter(|(_, keys)| !keys.is_empty()) {
        let Some((TrustProblem { problem, fix }, is_group_alone)) = trust.readable_by_others(file) else { continue };
        let keys = keys.join(", ");
        if is_group_alone {
            let file = printable_path(file);
            let warning = format!("{file}: contains a secret in plain text ({keys}) that its group can read; {fix}");
            reader.warnings.push(warning);
        } else {
            reader.distrust(&keys, TrustProblem { problem: format!("is in plain text, and {problem}"), fix });
        }
    }
    for mistake in &mut reader.mistakes {
        if let Some(extended) = extended.as_ref().filter(|extended| extended.defines(&mistake.path)) {
            mistake.problem += &format!(" (written in {})", printable_path(&extended.file));
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
        let own = file::read(path).ok().filter(|_| is_trusted(path))?;
        let (value, extended) = extends::merged(own, context).ok().filter(|_| trust.take_problems().is_empty())?;
        let context = context.extending(extended.as_ref()).at("log.file");
        (log_file().read)(value.member("log")?.member("file")?, context).ok()
    };
    let log = named().or_else(|| is_trusted(&folder).then(|| LogTarget::File(folder.join(DEFAULT_LOG))));
    // Standard error reports them anyway.
    log.filter(|log| log.path().is_some())
}
