//! One file or folder per subcommand: each connects the modules, prints its output and sets the exit code.
//!
//! `foreground` is shared by the interactive commands, `recorded` by those that send reports.

pub mod check;
pub mod completions;
pub mod drill;
mod foreground;
pub mod gen_config;
pub mod invocation;
mod jobs;
mod json;
pub mod list;
pub mod man;
mod panics;
pub mod prune;
mod recorded;
mod recovery;
pub mod restore;
pub mod run;
pub mod status;
mod summary;
pub mod verify;
