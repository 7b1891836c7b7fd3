//! The scripts for operators: what `install_dependencies.sh` leaves on a machine, and takes back.
//!
//! The program and `crontab` are stand-ins, so that nothing of the machine that runs the tests is touched.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may end where its own preparation fails")]

mod crontab;
mod every_script;
mod folders_of_others;
mod installing;
mod machine;
mod previous_version;
mod rotation;
mod upgrading;

use machine::{Machine, OTHER_LINES, PROGRAM, mode, said, scripts};
