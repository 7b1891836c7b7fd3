//! Decides whether a file can be trusted: by owner, mode and the folders above, which decide who can write, replace or read it.

use std::path::{Path, PathBuf};

use crate::rules::redaction::{shell_word, shown};

const ROOT: u32 = 0;
const STICKY: u32 = 0o1000;
const GROUP: u32 = 0o070;
const OTHERS: u32 = 0o007;
const READ: u32 = 0o044;
const WRITE: u32 = 0o022;

/// One step on the way to a file: a folder above it, a symbolic link, or the file itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Absolute, without symbolic links above its last component.
    pub path: PathBuf,
    pub kind: StepKind,
    /// A user id.
    pub owner: u32,
    /// Only root and the job's user are in its group.
    pub is_group_private: bool,
    /// The job's process is in its group.
    pub is_group_own: bool,
    /// Permission bits, with the sticky bit.
    pub mode: u32,
    /// On a read-only mount, such as a Kubernetes secret: neither owner nor mode matters.
    pub is_read_only: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    Folder,
    /// A symbolic link: its mode means nothing.
    Link,
    /// The file, or anything else at the end of the path.
    File,
    /// Anybody who can write the folder can create it.
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
    /// The file or folder, and who can do what with it.
    pub problem: String,
    /// The command that corrects it.
    pub fix: String,
}

/// Every reason why the user with the id `user`, root or another, should not use the file `path` at the end of `steps`.
///
/// As OpenSSH's `StrictModes` (sshd_config(5)), but for each folder up to the root and each symbolic link on the way.
pub fn distrust(steps: &[Step], path: &Path, holds: Contents, user: u32) -> Vec<TrustProblem> {
    let missing = steps.iter().find(|step| step.kind == StepKind::Missing);
    let judged = steps.iter().filter(|step| step.kind != StepKind::Missing && !step.is_read_only);
    let mut reasons = Vec::new();
    for step in judged {
        let is_secret = step.kind == StepKind::File && holds == Contents::Secret;
        let reason = |what: String, fix: String| TrustProblem { problem: format!("{} {what}", step.named()), fix };
        if step.owner != ROOT && step.owner != user {
            let owner = if is_secret && user != ROOT { user.to_string() } else { "root".to_owned() };
            let what = format!("belongs to user {}, neither root nor the job's user", step.owner);
            let flag = if step.kind == StepKind::Link { "-h " } else { "" };
            reasons.push(reason(what, format!("chown {flag}{owner} {}", shell_word(&shown(&step.path)))));
        }
        let lacks = missing.filter(|missing| missing.path.parent() == Some(&step.path));
        let Some(writers) = step.writers(lacks.is_some()) else {
            reasons.extend(readable_by_others(step, user).filter(|_| is_secret).map(|(reason, _)| reason));
            continue;
        };
        let what = format!("can be written by {writers} (mode {:04o})", step.mode & 0o7777);
        reasons.push(match lacks {
            Some(missing) if step.mode & STICKY != 0 => {
                let what = format!("{what}, who could create {} there", shown(&missing.path));
                reason(what, format!("install -D -m 600 /dev/null {}", shell_word(&shown(path))))
            }
            _ if is_secret => reason(what, keep_private(step, user)),
            _ => reason(what, format!("chmod go-w {}", shell_word(&shown(&step.path)))),
        });
    }
    reasons
}

/// Why the file at `step` should hold no secret, and whether only its group can read it. A file of root may be readable for
/// a group of the job's process.
pub fn readable_by_others(step: &Step, user: u32) -> Option<(TrustProblem, bool)> {
    let bits = step.mode & READ & !step.group_readers(user);
    let readers = who(bits)?;
    let problem = format!("{} can be read by {readers} (mode {:04o})", step.named(), step.mode & 0o7777);
    (!step.is_read_only).then(|| (TrustProblem { problem, fix: keep_private(step, user) }, bits & OTHERS == 0))
}

impl Step {
    /// Who else can write it. In a sticky folder nobody can replace a file of another user, but anybody can create the file
    /// that it `lacks`.
    fn writers(&self, lacks: bool) -> Option<&'static str> {
        let is_harmless = match self.kind {
            StepKind::Folder => self.mode & STICKY != 0 && !lacks,
            StepKind::Link | StepKind::Missing => true,
            StepKind::File => false,
        };
        let trusted = if self.is_group_private { GROUP } else { 0 };
        who(self.mode & WRITE & !trusted).filter(|_| !is_harmless)
    }

    /// The mode bits of a group that may read a secret. Root needs no group for that.
    fn group_readers(&self, user: u32) -> u32 {
        if self.owner == ROOT && user != ROOT && self.is_group_own { GROUP } else { 0 }
    }

    fn named(&self) -> String {
        let path = shown(&self.path);
        if self.kind == StepKind::Folder { format!("the folder {path}") } else { path }
    }
}

/// The command that makes the file at `step` readable for the job's `user` alone, or for root and the job's group.
fn keep_private(step: &Step, user: u32) -> String {
    let path = shell_word(&shown(&step.path));
    match step.owner {
        owner if owner == user => format!("chmod 600 {path}"),
        _ if step.group_readers(user) != 0 => format!("chmod 640 {path}"),
        _ => format!("chown {user} {path} && chmod 600 {path}"),
    }
}

/// Whether `group` has no other member than root and `user`, given the texts of passwd(5) and group(5). Debian gives each
/// user such a group, with a umask of 002.
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

fn who(bits: u32) -> Option<&'static str> {
    match (bits & GROUP != 0, bits & OTHERS != 0) {
        (false, false) => None,
        (true, false) => Some("its group"),
        (false, true) => Some("others"),
        (true, true) => Some("its group and others"),
    }
}
