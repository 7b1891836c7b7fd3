//! Reports by channel: [`log`], [`mail`], [`mattermost`], [`monitor`] and [`metrics`]. [`message`] turns the record of a run
//! into text, [`document`] into JSON; [`send`] sends all reports at the end of a run.

pub mod document;
pub mod log;
pub mod mail;
pub mod mattermost;
pub mod message;
pub mod metrics;
pub mod monitor;
pub mod post;
pub mod send;
