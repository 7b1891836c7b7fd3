//! Ships a nightly database dump off site: web server → archive → SFTP server, and reports.

pub mod archive;
pub mod cli;
pub mod commands;
pub mod config;
pub mod destination;
pub mod disk;
pub mod exit_code;
pub mod https;
pub mod pipeline;
pub mod record;
pub mod report;
pub mod rules;
pub mod runtime;
pub mod source;
