//! The decisions that need no server: tables of inputs and results.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod dump;
mod freshness;
mod health;
mod keeping;
mod redaction;
mod redirects;
mod retention;
