//! Ships a nightly database dump off site: downloads a ZIP over HTTPS, packs the dump as a dated `.tgz`, uploads and verifies
//! it over SFTP, removes expired archives, and reports by mail, Mattermost, log, metrics and a monitor.
//!
//! A module uses only modules further down this list; modules on the same line do not use each other.
//!
//! - [`commands`]: one file or folder per subcommand
//! - [`pipeline`]: the tasks of a run, in order
//! - [`source`]: the ZIP on the web server; [`archive`]: ZIP to `.tgz` and back; [`destination`]: the SFTP server;
//!   [`drill`]: loads a dump into a throwaway database; [`report`]: the reports of a run, by channel
//! - [`exit_code`]: the outcome as a number
//! - [`config`]: the validated configuration; [`record`]: the record of a run
//! - [`disk`]: local files; [`https`]: HTTP agents, PEM files, `Retry-After`
//! - [`rules`]: pure decisions; [`runtime`]: retries, interruption, supervision, child processes; [`cli`]: the command line

pub mod archive;
pub mod cli;
pub mod commands;
pub mod config;
pub mod destination;
pub mod disk;
pub mod drill;
pub mod exit_code;
pub mod https;
pub mod pipeline;
pub mod record;
pub mod report;
pub mod rules;
pub mod runtime;
pub mod source;
