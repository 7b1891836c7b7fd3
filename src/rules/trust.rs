//! Decides whether a file can be trusted, by the owners and modes of the file and of the folders above it.

use std::path::{Path, PathBuf};

use crate::rules::redaction::{shell_word, shown};

const ROOT: u32 = 0;
const STICKY: u32 = 0o1000;
const GROUP: u32 = 0o070;
const OTHERS: u32 = 0o007;
const READ: u32 = 0o044;
const WRITE: u32 = 0o022;

/// A step of a path's resolution: a folder above the file, a symbolic link, or the file itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Absolute, without symbolic links above its last component.
    pub path: PathBuf,
    pub kind: StepKind,
    /// A user id.
    pub owner: u32,
    /// Whether its group has no members but root and the job's user.
    pub has_private_group: bool,
    /// Whether the job's process is in its group.
    pub has_own_group: bool,
    /// Permission bits, including the sticky bit.
    pub mode: u32,
    /// Whether it is on a read-only mount, such as a Kubernetes secret: then owner and mode are irrelevant.
    pub is_read_only: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    Folder,
    /// A symbolic link, which has no meaningful mode.
    Link,
    /// A regular file or anything else.
    File,
    Missing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// Nothing secret, but it controls the job or decides who is trusted.
    Settings,
    /// A password or a private key.
    Secret,
}

/// A reason not to use a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustProblem {
    /// Includes the path of the file or folder.
    pub problem: String,
    /// A shell command.
    pub fix: String,
}

/// All reasons why the user with the id `user` should not use the file `path` at the end of `steps`.
///
/// Like OpenSSH's `StrictModes` (sshd_config(5)), but checks every folder up to the root and every symbolic link.
pub fn find_problems(steps: &[Step], path: &Path, contents: Contents, user: u32) -> Vec<TrustProblem> {
    let missing = steps.iter().find(|step| step.kind == StepKind::Missing);
    let checked = steps.iter().filter(|step| step.kind != StepKind::Missing && !step.is_read_only);
    let mut problems = Vec::new();
    for step in checked {
        let is_secret = step.kind == StepKind::File && contents == Contents::Secret;
        let problem = |text: String, fix: String| TrustProblem { problem: format!("{} {text}", step.label()), fix };
        if step.owner != ROOT && step.owner != user {
            let owner = if is_secret && user != ROOT { user.to_string() } else { "root".to_owned() };
            let text = format!("belongs to user {}, neither root nor the job's user", step.owner);
            let flag = if step.kind == StepKind::Link { "-h " } else { "" };
            problems.push(problem(text, format!("chown {flag}{owner} {}", shell_word(&shown(&step.path)))));
        }
        let missing_child = missing.filter(|missing| missing.path.parent() == Some(&step.path));
        let Some(writers) = step.other_writers(missing_child.is_some()) else {
            problems.extend(readable_by_others(step, user).filter(|_| is_secret).map(|(problem, _)| problem));
            continue;
        };
        let text = format!("can be written by {writers} (mode {:04o})", step.mode & 0o7777);
        problems.push(match missing_child {
            Some(missing) if step.mode & STICKY != 0 => {
                let text = format!("{text}, who could create {} there", shown(&missing.path));
                problem(text, format!("install -D -m 600 /dev/null {}", shell_word(&shown(path))))
            }
            _ if is_secret => problem(text, privacy_command(step, user)),
            _ => problem(text, format!("chmod go-w {}", shell_word(&shown(&step.path)))),
        });
    }
    problems
}

/// The problem if others than `user` can read the file at `step`, and whether only its group can. A file of root may be
/// readable for a group of the job's process.
pub fn readable_by_others(step: &Step, user: u32) -> Option<(TrustProblem, bool)> {
    let bits = step.mode & READ & !step.group_readers(user);
    let readers = class_names(bits)?;
    let problem = format!("{} can be read by {readers} (mode {:04o})", step.label(), step.mode & 0o7777);
    let is_group_alone = bits & OTHERS == 0;
    let command = privacy_command(step, user);
    let fix = match user == ROOT && step.owner == ROOT && is_group_alone {
        // It may be for a job that does not run as root.
        true => format!("run this as the job's user (sudo --user=NAME), or if that is root: {command}"),
        false => command,
    };
    (!step.is_read_only).then_some((TrustProblem { problem, fix }, is_group_alone))
}

impl Step {
    /// Who else can write it. In a sticky folder nobody can replace another user's file, but anybody can create a missing one.
    fn other_writers(&self, lacks_file: bool) -> Option<&'static str> {
        let is_harmless = match self.kind {
            StepKind::Folder => self.mode & STICKY != 0 && !lacks_file,
            StepKind::Link | StepKind::Missing => true,
            StepKind::File => false,
        };
        let trusted = if self.has_private_group { GROUP } else { 0 };
        class_names(self.mode & WRITE & !trusted).filter(|_| !is_harmless)
    }

    /// The mode bits of its group if that may read a secret. Root needs no group for that.
    fn group_readers(&self, user: u32) -> u32 {
        if self.owner == ROOT && user != ROOT && self.has_own_group { GROUP } else { 0 }
    }

    fn label(&self) -> String {
        let path = shown(&self.path);
        if self.kind == StepKind::Folder { format!("the folder {path}") } else { path }
    }
}

/// The command after which only `user`, or root and the job's group, can read the file at `step`.
fn privacy_command(step: &Step, user: u32) -> String {
    let path = shell_word(&shown(&step.path));
    match step.owner {
        owner if owner == user => format!("chmod 600 {path}"),
        _ if step.group_readers(user) != 0 => format!("chmod 640 {path}"),
        _ => format!("chown {user} {path} && chmod 600 {path}"),
    }
}

/// Whether `group` has no members but root and `user`. `passwd` and `groups` are the files of passwd(5) and group(5).
/// Debian creates such a group for each user, with a umask of 002.
pub fn is_private_group(passwd: &str, groups: &str, group: u32, user: u32) -> bool {
    let number = |text: Option<&&str>| text.and_then(|text| text.parse::<u32>().ok());
    let users: Vec<Vec<&str>> = passwd.lines().map(|line| line.split(':').collect()).collect();
    let is_trusted = |fields: &Vec<&str>| number(fields.get(2)).is_some_and(|id| id == ROOT || id == user);
    let is_trusted_name = |name: &str| users.iter().filter(|fields| fields[0] == name).any(is_trusted);
    let lines = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut entries = lines.filter(|fields| number(fields.get(2)) == Some(group)).peekable();
    entries.peek().is_some()
        && entries.all(|fields| {
            let members = fields.get(3).into_iter().flat_map(|members| members.split(','));
            members.filter(|member| !member.trim().is_empty()).all(|member| is_trusted_name(member.trim()))
        })
        && users.iter().filter(|fields| number(fields.get(3)) == Some(group)).all(is_trusted)
}

fn class_names(bits: u32) -> Option<&'static str> {
    match (bits & GROUP != 0, bits & OTHERS != 0) {
        (false, false) => None,
        (true, false) => Some("its group"),
        (false, true) => Some("others"),
        (true, true) => Some("its group and others"),
    }
}
