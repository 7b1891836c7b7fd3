//! The jobs of a configuration: a file is one job, a folder has one in each of its files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use super::context::Context;
use super::environment::Environment;
use super::extends::{self, NAME};
use super::file::{self, folder_of};
use super::json::Value;
use super::mistakes::{LoadError, Mistake, Refusal, printable_path};
use super::sections::archive::DEFAULT_NAME;
use super::validated::default_name;
use super::values::job_name;
use crate::disk::trust::Trust;
use crate::rules::archive_name::ArchiveName;

/// A job of a configuration. It may still have mistakes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFile {
    pub name: String,
    pub file: PathBuf,
    /// Mistakes that only its folder shows: the name or the destination of another job.
    pub conflicts: Vec<Mistake>,
}

impl JobFile {
    /// # Errors
    /// If the job conflicts with others of its folder.
    pub fn without_conflicts(&self) -> Result<&Path, LoadError> {
        match self.conflicts.as_slice() {
            [] => Ok(&self.file),
            mistakes => Err(LoadError::Mistakes { file: self.file.clone(), mistakes: mistakes.to_vec() }),
        }
    }
}

/// Whether `path` is a folder of jobs.
pub fn is_folder(path: &Path) -> bool {
    path.is_dir()
}

/// The job in the file `path`, or the jobs in the folder `path`, in the order of their names: those in files `*.json` that do
/// not begin with `.` or `_`.
///
/// # Errors
/// If the folder cannot be read, or has no job.
pub fn jobs(path: &Path, environment: &Environment) -> Result<Vec<JobFile>, LoadError> {
    if !is_folder(path) {
        return Ok(vec![job(path.to_owned(), environment).0]);
    }
    let unreadable = |problem: String| LoadError::File { file: path.to_owned(), problem };
    let entries = fs::read_dir(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(format!("the folder of jobs cannot be read: {error}; check its permissions")))?;
    let files = entries.iter().map(fs::DirEntry::path).filter(|file| is_job(file));
    let mut jobs: Vec<(JobFile, Option<Destination>)> = files.map(|file| job(file, environment)).collect();
    if jobs.is_empty() {
        let problem = "the folder has no job; write a file NAME.json into it, or name a file with --config";
        return Err(unreadable(problem.to_owned()));
    }
    jobs.sort_by(|(a, _), (b, _)| (&a.name, &a.file).cmp(&(&b.name, &b.file)));
    let by_name = groups(jobs.iter().map(|(job, _)| Some(job.name.clone())));
    let by_destination = groups(jobs.iter().map(|(_, destination)| destination.clone()));
    let fix = "give one of them another archive.name or sftp.directory";
    let problems = [
        (by_name, NAME, "is also the name of", "write another name into one of them"),
        (by_destination, "sftp.directory", "receives archives with the same names from", fix),
    ];
    for (groups, key, problem, fix) in problems {
        for group in groups {
            for &index in &group {
                let others = group.iter().filter(|other| **other != index);
                let others: Vec<String> = others.map(|other| printable_path(&jobs[*other].0.file)).collect();
                let refusal = Refusal::new(format!("{problem} {}", others.join(", ")), fix);
                jobs[index].0.conflicts.push(refusal.for_key(key));
            }
        }
    }
    Ok(jobs.into_iter().map(|(job, _)| job).collect())
}

fn is_job(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".json") && !name.starts_with(['.', '_']) && !file.is_dir()
}

/// The indices of equal keys.
fn groups<K: Ord>(keys: impl Iterator<Item = Option<K>>) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<K, Vec<usize>> = BTreeMap::new();
    for (index, key) in keys.enumerate() {
        if let Some(key) = key {
            groups.entry(key).or_default().push(index);
        }
    }
    groups.into_values().filter(|group| group.len() > 1).collect()
}

/// Host, port, user and folder, in one spelling each, and the names of archives of some dates.
type Destination = (String, u16, String, String, Vec<String>);

/// The job in `file`, with its destination if that can be read.
fn job(file: PathBuf, environment: &Environment) -> (JobFile, Option<Destination>) {
    let (folder, trust) = (folder_of(&file), Trust::new(environment.credentials_directory()));
    let context = Context::new(&file, &folder, environment, &trust);
    let value = file::read(&file).ok();
    let merged = value.and_then(|own| extends::merged(own, context).ok()).map(|(value, _)| value);
    let name = merged.as_ref().and_then(|value| (job_name().read)(value.member(NAME)?, context).ok());
    let destination = merged.as_ref().and_then(destination);
    let name = name.unwrap_or_else(|| default_name(&file));
    (JobFile { name, file, conflicts: Vec::new() }, destination)
}

fn destination(value: &Value) -> Option<Destination> {
    let sftp = value.member("sftp")?;
    let text = |name| sftp.member(name).and_then(Value::text);
    let port = match sftp.member("port") {
        None | Some(Value::Null) => 22,
        Some(Value::Number(port)) => u16::try_from(port.as_u64()?).ok()?,
        Some(_) => return None,
    };
    let pattern = match value.member("archive").and_then(|archive| archive.member("name")) {
        None | Some(Value::Null) => DEFAULT_NAME,
        Some(name) => name.text()?,
    };
    let pattern = ArchiveName::new(pattern).ok()?;
    let dates = [(2026, 2, 1), (2027, 11, 23)].into_iter().filter_map(|(y, m, d)| NaiveDate::from_ymd_opt(y, m, d));
    Some((
        text("host")?.trim_matches(['[', ']']).trim_end_matches('.').to_lowercase(),
        port,
        text("username")?.to_owned(),
        canonical_folder(text("directory")?),
        dates.map(|date| pattern.file_name(date)).collect(),
    ))
}

/// Without repeated slashes, `.`, and `..` after a name.
fn canonical_folder(folder: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match part {
            ".." if parts.last().is_some_and(|last| *last != "..") => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    format!("{}{}", if folder.starts_with('/') { "/" } else { "" }, parts.join("/"))
}
