//! Confines the programs of a drill with Landlock: they read what programs need, write only the drill's folder, and open no
//! TCP connection.

use std::path::{Path, PathBuf};
use std::thread;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

use crate::drill::error::DrillError;
use crate::runtime::worker::propagate_panic;

/// Those that exist are readable.
const READABLE: &str = "/usr /lib /lib32 /lib64 /libx32 /bin /sbin /opt /proc /sys /etc/ld.so.cache /etc/ld.so.conf \
     /etc/ld.so.conf.d /etc/ld.so.preload /etc/passwd /etc/group /etc/nsswitch.conf /etc/localtime";
const DEVICES: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/urandom"];

/// Checks that this kernel can confine a thread, and logs if it can only in part.
pub(super) fn check(folder: &Path) -> Result<(), DrillError> {
    let status = propagate_panic(thread::scope(|scope| scope.spawn(|| restrict(folder, None)).join()));
    match status.map_err(|error| DrillError::Sandbox(error.to_string()))? {
        RulesetStatus::NotEnforced => return Err(DrillError::Sandbox("Landlock is not enabled".to_owned())),
        RulesetStatus::PartiallyEnforced => {
            tracing::info!(
                "This kernel cannot deny the database's programs TCP connections and signals (Linux 6.12 can)"
            );
        }
        RulesetStatus::FullyEnforced => {}
    }
    Ok(())
}

/// Restricts the calling thread, and what it starts from now on, to writing in `folder`. `programs` is drill.programs.
pub(super) fn restrict(folder: &Path, programs: Option<&Path>) -> Result<RulesetStatus, RulesetError> {
    // Linux 5.13 has the file rules, 6.10 all of them, 6.7 TCP, 6.12 the scopes.
    let all = AccessFs::from_all(ABI::V5);
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .handle_access(AccessNet::from_all(ABI::V4))?
        .scope(Scope::from_all(ABI::V6))?;
    let near = |path: &Path| ["lib", "lib64", "share"].map(|name| path.with_file_name(name));
    let own = programs.into_iter().flat_map(|path| near(path).into_iter().chain([path.to_owned()]));
    let readable = READABLE.split(' ').map(PathBuf::from).chain(own);
    let writable = DEVICES.map(Path::new).into_iter().chain([folder]);
    let ruleset = ruleset.create()?.add_rules(path_beneath_rules(readable, AccessFs::from_read(ABI::V5)))?;
    Ok(ruleset.add_rules(path_beneath_rules(writable, all))?.restrict_self()?.ruleset)
}
