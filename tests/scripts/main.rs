//! The scripts for operators, above all the installer, `install_dependencies.sh`.
//!
//! The program and `crontab` are stand-ins, so the tests do not change this machine.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends by panicking")]

mod crontab;
mod debian;
mod every_script;
mod folders_of_others;
mod installing;
mod kubernetes;
mod machine;
mod previous_version;
mod rotation;
mod systemd;
mod upgrading;

use machine::{Machine, OTHER_LINES, PROGRAM, mode, output_text, scripts};
