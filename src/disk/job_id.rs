//! The id of a job: the same for every run with one configuration, different for every other job and machine.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use rustix::process::geteuid;
use rustix::system::uname;
use sha2::{Digest as _, Sha256};

/// Eight hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobId(String);

impl JobId {
    /// The id of the job with the configuration at `config_path`, for this process's user and machine.
    pub fn new(config_path: &Path) -> JobId {
        JobId::derive(&machine(), geteuid().as_raw(), &resolved(config_path))
    }

    /// The id of this job's drills, which have their own lock.
    pub fn of_drills(&self) -> JobId {
        JobId(format!("{self}.drill"))
    }

    fn derive(machine: &str, uid: u32, config: &Path) -> JobId {
        let mut hash = Sha256::new();
        hash.update(format!("{machine}\0{uid}\0"));
        hash.update(config.as_os_str().as_bytes());
        JobId(hash.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The machine-id (machine-id(5)), or the host name if that is missing, empty or uninitialized.
fn machine() -> String {
    let id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    match id.trim() {
        "" | "uninitialized" => uname().nodename().to_string_lossy().into_owned(),
        id => id.to_owned(),
    }
}

/// The absolute path of the configuration, with links in its folder resolved. A link at the end is not resolved, so that
/// the id stays the same when that link changes.
fn resolved(config: &Path) -> PathBuf {
    let absolute = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
    match (absolute.parent(), absolute.file_name()) {
        (Some(folder), Some(name)) => {
            let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
            without_generation(&folder).join(name)
        }
        _ => absolute,
    }
}

/// Replaces a folder such as `..2026_11_23_02_00_00.123` in `path` by `..data`, the link to it: Kubernetes creates a new one
/// with every update of a ConfigMap or Secret (kubernetes/pkg/volume/util/atomic_writer.go).
fn without_generation(path: &Path) -> PathBuf {
    let is_generation = |name: &[u8]| name.starts_with(b"..") && name.get(2).is_some_and(u8::is_ascii_digit);
    let parts = path.iter().map(|part| if is_generation(part.as_bytes()) { "..data".as_ref() } else { part });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_depends_on_machine_user_and_path() {
        let derive = |machine, uid, path| JobId::derive(machine, uid, Path::new(path)).to_string();
        // printf 'm\0000\000/etc/job.json' | sha256sum
        assert_eq!(derive("m", 0, "/etc/job.json"), "80018dbc");
        for other in [derive("n", 0, "/etc/job.json"), derive("m", 1, "/etc/job.json"), derive("m", 0, "/etc/j.json")] {
            assert_ne!(other, derive("m", 0, "/etc/job.json"));
        }
    }
}
