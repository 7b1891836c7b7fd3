//! Selects the jobs that a command is for.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::cli;
use crate::commands::foreground::{self, CommandError};
use crate::commands::invocation::Invocation;
use crate::config::{self, JobFile, LoadError};
use crate::exit_code::ExitCode;
use crate::rules::redaction::printable;
use crate::rules::shard::is_in_shard;
use crate::rules::spelling::did_you_mean;
use crate::rules::units::count;

const VARIABLE: &str = "SCRIPTING_SYSTEM_CONFIG";
const DEFAULT_FOLDER: &str = "/etc/scripting-system/jobs";
const DEFAULT_FILE: &str = "/etc/scripting-system/config.json";

/// The jobs that a command is for, in the order of their names.
pub(super) struct Selected {
    pub(super) jobs: Vec<JobFile>,
    pub(super) is_folder: bool,
    /// Whether they are all jobs of the folder.
    pub(super) is_whole: bool,
}

/// Calls `work` for each selected job, one after the other, until a signal arrives. Prints its errors, and for the jobs of a folder
/// their names, if `has_headings`, with those that were not successful at the end. Returns the worst exit code.
pub(super) fn for_each(
    arguments: &cli::Jobs,
    invocation: &Invocation<'_>,
    has_headings: bool,
    work: impl FnMut(&JobFile) -> Result<ExitCode, CommandError>,
) -> ExitCode {
    match select(arguments, invocation) {
        Ok(selected) => work_through(&selected, has_headings, work),
        Err(error) => error.report(),
    }
}

/// As [`for_each`].
pub(super) fn work_through(
    Selected { jobs, is_folder, .. }: &Selected,
    has_headings: bool,
    mut work: impl FnMut(&JobFile) -> Result<ExitCode, CommandError>,
) -> ExitCode {
    let (mut codes, mut others) = (Vec::new(), Vec::new());
    for job in jobs {
        let name = printable(&job.name);
        if has_headings && *is_folder {
            print_line(&format!("{}== {name} ==", if codes.is_empty() { "" } else { "\n" }));
        }
        let prefix = if *is_folder { format!("{name}: ") } else { String::new() };
        let code = foreground::conclude_as(&prefix, work(job));
        codes.push(code);
        if code != ExitCode::Success {
            others.push(format!("{name} ({})", code as u8));
        }
        if matches!(code, ExitCode::Interrupted | ExitCode::Terminated) {
            break;
        }
    }
    if has_headings && codes.len() > 1 {
        let result = match others.as_slice() {
            [] => ", all successful".to_owned(),
            others => format!("; exit codes other than 0: {}", others.join(", ")),
        };
        print_line(&format!("\n{}{result}", count(codes.len(), "job")));
    }
    ExitCode::worst(codes)
}

fn print_line(line: &str) {
    // Without stdout, nobody reads it.
    let _ = writeln!(io::stdout(), "{line}");
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
    Ok(Selected { is_whole: jobs.len() == all, is_folder, jobs })
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
    match select(arguments, invocation)?.jobs.as_slice() {
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
