//! One file or folder per subcommand: each connects the modules, prints its output and sets the exit code.
//!
//! `foreground` is shared by the interactive commands.

pub mod check;
pub mod completions;
mod foreground;
pub mod gen_config;
pub mod invocation;
pub mod list;
pub mod man;
mod panics;
pub mod prune;
mod recovery;
pub mod restore;
pub mod run;
pub mod status;
pub mod verify;
