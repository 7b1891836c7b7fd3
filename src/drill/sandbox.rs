//! Confines the programs of a drill with Landlock: they read what programs need, write only the drill's folder, and open no
//! TCP connection.

use std::path::PathBuf;
use std::thread;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

use crate::drill::error::DrillError;
use crate::runtime::worker::propagate_panic;

/// Those that exist are readable.
const READABLE: [&str; 18] = [
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/bin",
    "/sbin",
    "/opt",
    "/proc",
    "/sys",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/passwd",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/localtime",
];
const DEVICES: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/urandom"];

#[derive(Debug)]
pub(super) struct Sandbox {
    /// The drill's.
    pub(super) folder: PathBuf,
    /// Of `drill.programs`.
    pub(super) programs: Vec<PathBuf>,
}

impl Sandbox {
    /// Checks that this kernel can confine a thread, and logs if it can only in part.
    pub(super) fn check(&self) -> Result<(), DrillError> {
        let status = propagate_panic(thread::scope(|scope| scope.spawn(|| self.restrict()).join()));
        match status.map_err(|error| DrillError::Sandbox(error.to_string()))? {
            RulesetStatus::NotEnforced => Err(DrillError::Sandbox("Landlock is not enabled".to_owned())),
            RulesetStatus::PartiallyEnforced => {
                tracing::info!(
                    "This kernel cannot deny the database's programs TCP connections and signals (Linux 6.12 can)"
                );
                Ok(())
            }
            RulesetStatus::FullyEnforced => Ok(()),
        }
    }

    /// Restricts the calling thread, and the programs that it starts from now on.
    pub(super) fn restrict(&self) -> Result<RulesetStatus, RulesetError> {
        // Linux 5.13 has the file rules, 6.10 all of them, 6.7 TCP, 6.12 the scopes.
        let all = AccessFs::from_all(ABI::V5);
        let ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(ABI::V1))?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(all)?
            .handle_access(AccessNet::from_all(ABI::V4))?
            .scope(Scope::from_all(ABI::V6))?;
        let readable = READABLE.iter().map(PathBuf::from).chain(self.programs.iter().cloned());
        let created = ruleset.create()?.add_rules(path_beneath_rules(readable, AccessFs::from_read(ABI::V5)))?;
        let writable = DEVICES.iter().map(PathBuf::from).chain([self.folder.clone()]);
        Ok(created.add_rules(path_beneath_rules(writable, all))?.restrict_self()?.ruleset)
    }
}
