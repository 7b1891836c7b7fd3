//! Keeps memory low while many jobs run.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// glibc reads it when a program starts (mallopt(3)). With a fixed threshold, freed buffers return to the system; otherwise it
/// adapts to the largest one, and the memory of each thread keeps its buffers. 128 KiB is its first value.
const THRESHOLD: (&str, &str) = ("MALLOC_TRIM_THRESHOLD_", "131072");

/// Starts this program again with the same arguments, in the same process, if the variable is not set. If that fails, which
/// costs only memory, it continues.
pub fn restart_with_fixed_threshold() {
    let (name, value) = THRESHOLD;
    if env::var_os(name).is_none()
        && let Ok(program) = env::current_exe()
    {
        let _ = Command::new(program).args(env::args_os().skip(1)).env(name, value).exec();
    }
}
