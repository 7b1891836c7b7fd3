//! One file per subcommand: each wires the rooms together, reports, and decides the exit code.
//!
//! `foreground` is what those share that somebody waits for; `supervisor` watches over all work that may get stuck.

pub mod check;
pub mod completions;
mod foreground;
pub mod gen_config;
pub mod list;
pub mod man;
mod panics;
pub mod recovery;
pub mod restore;
pub mod run;
pub mod status;
pub mod verify;
