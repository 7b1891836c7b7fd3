//! The scripts for operators, above all what `install_dependencies.sh` installs and removes.
//!
//! The program and `crontab` are stand-ins: the machine that runs the tests is not changed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends by panicking")]

mod crontab;
mod every_script;
mod folders_of_others;
mod installing;
mod machine;
mod previous_version;
mod rotation;
mod upgrading;

use machine::{Machine, OTHER_LINES, PROGRAM, mode, said, scripts};
