//! The configuration as an operator meets it: what loads, what is refused, and in which words.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod bad_values;
mod files;
mod fixture;
mod generated;
mod judgement;
mod mistakes;
mod reference;
mod schema;
mod secrets;
mod service_user;
#[path = "../support/small_disk.rs"]
#[allow(unreachable_pub, reason = "shared with other test binaries")]
mod small_disk;
mod trust;
mod values;
mod words;
mod zones;
