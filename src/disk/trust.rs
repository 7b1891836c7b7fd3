//! Reads the owners and modes of a file and of the folders above it, and lets [`rules::trust`](crate::rules::trust) decide.

use std::cell::{OnceCell, RefCell};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::StatVfsMountFlags;
use rustix::process::{Gid, getegid, geteuid, getgroups};

use crate::rules::trust::{self, Contents, Step, StepKind, TrustProblem};

/// As in the kernel (path_resolution(7)).
const MAX_LINKS: u32 = 40;

/// Checks whether files can be trusted by this process's user, and collects the problems.
pub struct Trust {
    user: u32,
    groups: Vec<u32>,
    /// The folder of systemd's credentials: systemd controls who reads them.
    credentials: Option<PathBuf>,
    /// The files of passwd(5) and group(5), read on demand.
    accounts: OnceCell<[String; 2]>,
    problems: RefCell<Vec<TrustProblem>>,
}

impl Trust {
    /// Files in the folder `credentials` are always trusted.
    pub fn new(credentials: Option<&Path>) -> Trust {
        Trust {
            user: geteuid().as_raw(),
            groups: getgroups().into_iter().flatten().chain([getegid()]).map(Gid::as_raw).collect(),
            credentials: credentials.map(PathBuf::from),
            accounts: OnceCell::new(),
            problems: RefCell::default(),
        }
    }

    /// Checks the file `path`, which may be missing, and every folder and symbolic link on the way to it.
    pub fn check(&self, path: &Path, contents: Contents) {
        self.problems.borrow_mut().extend(self.find_problems(path, contents));
    }

    /// As [`check`](Trust::check), without collecting the problems.
    pub fn find_problems(&self, path: &Path, contents: Contents) -> Vec<TrustProblem> {
        let has_parent = path.components().any(|component| component == Component::ParentDir);
        if self.credentials.as_ref().is_some_and(|folder| path.starts_with(folder)) && !has_parent {
            return Vec::new();
        }
        trust::find_problems(&self.steps(path), path, contents, self.user)
    }

    /// The problem if others can read the existing file `path`, and whether only its group can.
    pub fn readable_by_others(&self, path: &Path) -> Option<(TrustProblem, bool)> {
        trust::readable_by_others(self.steps(path).last()?, self.user)
    }

    /// The problems since the last call.
    pub fn take_problems(&self) -> Vec<TrustProblem> {
        self.problems.take()
    }

    /// Resolves `path` as the kernel does: each folder, each symbolic link, and each folder on the way to its target.
    fn steps(&self, path: &Path) -> Vec<Step> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut pending = reversed(&absolute);
        let (mut folder, mut links, mut steps) = (PathBuf::new(), 0, Vec::new());
        while let Some(part) = pending.pop() {
            let next = folder.join(&part);
            if part == "." {
                continue;
            }
            if part == ".." {
                folder.pop();
                continue;
            }
            let step = self.step(&folder, next.clone());
            let kind = step.kind;
            steps.push(step);
            match kind {
                StepKind::Missing => break,
                StepKind::Folder | StepKind::File => folder = next,
                StepKind::Link => {
                    links += 1;
                    let Some(target) = fs::read_link(&next).ok().filter(|_| links <= MAX_LINKS) else { break };
                    pending.extend(reversed(&target));
                }
            }
        }
        steps
    }

    /// Examines `path`, which is in `folder`.
    fn step(&self, folder: &Path, path: PathBuf) -> Step {
        let metadata = path.symlink_metadata().ok();
        let kind = match metadata.as_ref().map(Metadata::file_type) {
            None => StepKind::Missing,
            Some(kind) if kind.is_dir() => StepKind::Folder,
            Some(kind) if kind.is_symlink() => StepKind::Link,
            Some(_) => StepKind::File,
        };
        let mount = rustix::fs::statvfs(if kind == StepKind::Link { folder } else { &path });
        let (owner, group, mode) = metadata.map(|it| (it.uid(), it.gid(), it.mode())).unwrap_or_default();
        // With an access control list, the group bits are the maximum for all users that it names (acl(5)).
        let has_acl = rustix::fs::getxattr_query(&path, "system.posix_acl_access").is_ok();
        Step {
            kind,
            owner,
            has_private_group: !has_acl && mode & 0o020 != 0 && self.is_private(group),
            has_own_group: !has_acl && self.groups.contains(&group),
            mode,
            is_read_only: mount.is_ok_and(|mount| mount.f_flag.contains(StatVfsMountFlags::RDONLY)),
            path,
        }
    }

    fn is_private(&self, group: u32) -> bool {
        let [passwd, groups] = self.accounts.get_or_init(|| {
            ["/etc/passwd", "/etc/group"]
                .map(|file| String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned())
        });
        trust::is_private_group(passwd, groups, group, self.user)
    }
}

/// The components of `path` in reverse order.
fn reversed(path: &Path) -> Vec<OsString> {
    path.components().rev().map(|component| component.as_os_str().to_owned()).collect()
}
