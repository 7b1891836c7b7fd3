//! Reads owners and modes of a file and the folders above it, for [`rules::trust`](crate::rules::trust) to judge.

use std::cell::{OnceCell, RefCell};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::StatVfsMountFlags;
use rustix::process::{Gid, getegid, geteuid, getgroups};

use crate::rules::trust::{self, TrustProblem, Contents, Step, StepKind};

/// More symbolic links than this on one path are a loop (path_resolution(7)).
const MOST_LINKS: u32 = 40;

/// Judges files for the user of this process, and collects the reasons not to use them.
pub struct Trust {
    user: u32,
    groups: Vec<u32>,
    /// The folder of systemd's credentials: systemd itself decides who reads them.
    credentials: Option<PathBuf>,
    /// The texts of passwd(5) and group(5), read when a group can write.
    accounts: OnceCell<[String; 2]>,
    found: RefCell<Vec<TrustProblem>>,
}

impl Trust {
    /// Files in the folder `credentials` are never judged.
    pub fn new(credentials: Option<&Path>) -> Trust {
        Trust {
            user: geteuid().as_raw(),
            groups: getgroups().into_iter().flatten().chain([getegid()]).map(Gid::as_raw).collect(),
            credentials: credentials.map(PathBuf::from),
            accounts: OnceCell::new(),
            found: RefCell::default(),
        }
    }

    /// Judges the file `path`, which may be missing, and every folder and symbolic link on the way to it.
    pub fn judge(&self, path: &Path, holds: Contents) {
        let leaves = path.components().any(|component| component == Component::ParentDir);
        if self.credentials.as_ref().is_some_and(|folder| path.starts_with(folder)) && !leaves {
            return;
        }
        self.found.borrow_mut().extend(trust::distrust(&self.steps(path), path, holds, self.user));
    }

    /// Why the existing file `path` should hold no secret, and whether only its group can read it.
    pub fn readable_by_others(&self, path: &Path) -> Option<(TrustProblem, bool)> {
        trust::readable_by_others(self.steps(path).last()?, self.user)
    }

    /// The reasons found since the last call.
    pub fn take(&self) -> Vec<TrustProblem> {
        self.found.take()
    }

    /// The way to `path` as the kernel walks it: each folder, each symbolic link, and each folder on the way to its target.
    fn steps(&self, path: &Path) -> Vec<Step> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut pending = reversed(&absolute);
        let (mut place, mut links, mut steps) = (PathBuf::new(), 0, Vec::new());
        while let Some(part) = pending.pop() {
            let next = place.join(&part);
            if part == "." {
                continue;
            }
            if part == ".." {
                place.pop();
                continue;
            }
            let step = self.step(&place, next.clone());
            let kind = step.kind;
            steps.push(step);
            match kind {
                StepKind::Missing => break,
                StepKind::Folder | StepKind::File => place = next,
                StepKind::Link => {
                    links += 1;
                    let Some(target) = fs::read_link(&next).ok().filter(|_| links <= MOST_LINKS) else { break };
                    pending.extend(reversed(&target));
                }
            }
        }
        steps
    }

    /// What is at `path` in `folder`.
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
        // acl(5): with an access control list the group's bits are the most that any user named there may do.
        let has_list = rustix::fs::getxattr_query(&path, "system.posix_acl_access").is_ok();
        Step {
            kind,
            owner,
            is_group_private: !has_list && mode & 0o020 != 0 && self.is_private(group),
            is_group_own: !has_list && self.groups.contains(&group),
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

/// The components of `path`, the last one first.
fn reversed(path: &Path) -> Vec<OsString> {
    path.components().rev().map(|component| component.as_os_str().to_owned()).collect()
}
