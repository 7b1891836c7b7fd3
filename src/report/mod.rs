//! Reports by channel: [`log`], [`mail`], [`mattermost`], [`monitor`] and [`metrics`]. [`message`] is what they say about a
//! run; [`send`] sends them when it ends.

pub mod log;
pub mod mail;
pub mod mattermost;
pub mod message;
pub mod metrics;
pub mod monitor;
pub mod post;
pub mod send;
