//! The log file and the output of `-v`.

pub mod log_file;
pub mod log_line;
pub mod verbose;
