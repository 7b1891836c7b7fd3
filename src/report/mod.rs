//! Telling people: the log file, the mail, the Mattermost message, the ping of a monitor, the metrics, and what
//! they say.
//!
//! [`message`] makes the words out of a [`RunRecord`](crate::record::run_record::RunRecord); the others carry them.

pub mod log;
pub mod mail;
pub mod mattermost;
pub mod message;
pub mod metrics;
pub mod monitor;
pub mod post;
pub mod send;
pub mod watchers;
