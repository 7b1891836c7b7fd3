//! The Mattermost message: [`build`](build()) makes the payload, [`send`](send()) posts it to the incoming webhook.

mod attachment;
mod build;
mod markdown;
mod overview;
mod send;

pub(crate) use build::{build, build_trial};
pub(crate) use send::send;
