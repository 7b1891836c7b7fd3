//! Which configurations load, which are refused, and with which messages.

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
mod trust;
mod values;
mod words;
mod zones;
