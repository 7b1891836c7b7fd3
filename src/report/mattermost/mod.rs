//! The Mattermost message: [`build`](build::build) makes the payload, [`send`](send::send) posts it to the incoming webhook.

mod attachment;
pub mod build;
mod markdown;
pub mod send;
