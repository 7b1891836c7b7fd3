//! Selects the jobs that a command is for.

use std::path::{Path, PathBuf};

use crate::cli;
use crate::commands::invocation::Invocation;
use crate::config::{self, JobFile, LoadError};
use crate::exit_code::ExitCode;
use crate::rules::redaction::printable;
use crate::rules::shard::is_in_shard;
use crate::rules::spelling::did_you_mean;

const VARIABLE: &str = "SCRIPTING_SYSTEM_CONFIG";
const DEFAULT_FOLDER: &str = "/etc/scripting-system/jobs";
const DEFAULT_FILE: &str = "/etc/scripting-system/config.json";

pub(super) enum Selected {
    /// The configuration is a single file.
    File(PathBuf),
    /// Jobs of a folder, in the order of their names. `is_whole`: all of them.
    Folder { jobs: Vec<JobFile>, is_whole: bool },
}

/// Why no job was selected.
pub(super) enum NotSelected {
    CommandLine(String),
    Configuration(LoadError),
}

impl NotSelected {
    pub(super) fn lines(&self) -> Vec<String> {
        match self {
            NotSelected::CommandLine(problem) => vec![problem.clone()],
            NotSelected::Configuration(error) => error.lines(),
        }
    }

    /// Prints the reason on stderr.
    pub(super) fn report(&self) -> ExitCode {
        self.lines().iter().for_each(|line| eprintln!("scripting-system: {line}"));
        match self {
            NotSelected::CommandLine(_) => ExitCode::CommandLine,
            NotSelected::Configuration(_) => ExitCode::Configuration,
        }
    }
}

/// The jobs that `arguments` select. A shard may have none.
pub(super) fn select(arguments: &cli::Jobs, invocation: &Invocation<'_>) -> Result<Selected, NotSelected> {
    let path = arguments.config.clone().unwrap_or_else(|| default_path(invocation));
    let is_folder = config::is_folder(&path);
    if !is_folder && arguments.job.is_empty() && arguments.shard.is_none() {
        return Ok(Selected::File(path));
    }
    let mut jobs = config::jobs(&path, invocation.environment).map_err(NotSelected::Configuration)?;
    let known: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
    if let Some(unknown) = arguments.job.iter().find(|name| !known.contains(&name.as_str())) {
        let known = did_you_mean(unknown, &known).unwrap_or_else(|| format!("its jobs: {}", known.join(", ")));
        let problem = format!("--job {unknown}: {} has no such job; {known}", path.display());
        return Err(NotSelected::CommandLine(printable(&problem)));
    }
    let all = jobs.len();
    jobs.retain(|job| {
        let is_named = arguments.job.is_empty() || arguments.job.contains(&job.name);
        is_named && arguments.shard.is_none_or(|shard| is_in_shard(&job.name, shard.index, shard.count))
    });
    match jobs.pop() {
        Some(job) if !is_folder => Ok(Selected::File(job.file)),
        last => {
            jobs.extend(last);
            Ok(Selected::Folder { is_whole: jobs.len() == all, jobs })
        }
    }
}

fn default_path(invocation: &Invocation<'_>) -> PathBuf {
    match invocation.environment.variable(VARIABLE).filter(|path| !path.is_empty()) {
        Some(path) => path.into(),
        None if Path::new(DEFAULT_FOLDER).is_dir() => DEFAULT_FOLDER.into(),
        None => DEFAULT_FILE.into(),
    }
}

/// The only job that `arguments` select, for a command that works on one.
pub(super) fn select_one(arguments: &cli::Jobs, invocation: &Invocation<'_>) -> Result<PathBuf, NotSelected> {
    let jobs = match select(arguments, invocation)? {
        Selected::File(file) => return Ok(file),
        Selected::Folder { jobs, .. } => jobs,
    };
    match jobs.as_slice() {
        [job] => match job.without_conflicts() {
            Ok(file) => Ok(file.to_owned()),
            Err(error) => Err(NotSelected::Configuration(error)),
        },
        [] => Err(NotSelected::CommandLine("no job of this shard; omit --shard".to_owned())),
        several => {
            let names: Vec<&str> = several.iter().map(|job| job.name.as_str()).collect();
            let problem = format!("this command is for one job; name it with --job: {}", names.join(", "));
            Err(NotSelected::CommandLine(printable(&problem)))
        }
    }
}
