//! One file per subcommand: each wires the rooms together, reports, and decides the exit code.

pub mod gen_config;
pub mod run;
