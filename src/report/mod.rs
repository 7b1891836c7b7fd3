//! Telling people: the log file, the mail, the Mattermost message, the ping of a monitor, the metrics, and what
//! they say.
//!
//! [`message`] makes the words out of a [`RunRecord`](crate::run_record::RunRecord); the others carry them.

pub mod https;
pub mod log_file;
pub mod log_line;
pub mod mail;
pub mod mattermost;
pub mod message;
pub mod monitor;
mod sendmail;
pub mod textfile;
pub mod verbose;
