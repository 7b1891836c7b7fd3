//! `verify` and `restore`: archives read back from the server, and the dump restored from them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod bad_archives;
mod choice;
mod databases;
mod drill;
mod encryption;
mod fixture;
mod links;
mod loading;
mod packed;
mod places;
mod renamed;
mod signals;
mod unpack;
