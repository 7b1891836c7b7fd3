//! The log file and what `-v` shows.

pub mod log_file;
pub mod log_line;
pub mod verbose;
