//! Ships a nightly database dump off site: web server → archive → SFTP server, and tells who cares.
//!
//! - [`commands`]: one file per subcommand; wires the rooms, reports, decides the exit code
//! - [`pipeline`]: the tasks of a run in their order, stated once
//! - [`rules`]: the decisions, pure: freshness, names, retention, what of a text may be told
//! - [`source`]: HTTPS, where the ZIP comes from
//! - [`archive`]: the ZIP read, the `.tgz` written
//! - [`destination`]: SFTP, where the archive goes: host keys, sending, verifying, removing
//! - [`report`]: the log file, the mail, the Mattermost message, and their words
//! - [`run_record`]: what happened, as plain data; [`journal`] tells it
//! - [`config`]: the JSON file, validated once

pub mod archive;
pub mod child;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod destination;
pub mod disk;
pub mod error_chain;
pub mod exit_code;
mod fault_point;
pub mod interrupt;
pub mod job_id;
pub mod journal;
pub mod lock;
pub mod pipeline;
pub mod progress;
pub mod report;
pub mod retry;
pub mod rules;
pub mod run_record;
pub mod source;
pub mod spool;
pub mod state_folder;
