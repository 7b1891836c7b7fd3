//! The jobs of a folder: selection, shared settings, and one report.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod commands;
mod documents;
mod extends;
mod morning;
mod selection;
mod signals;
mod site;
