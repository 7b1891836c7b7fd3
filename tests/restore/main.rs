//! The bad day: archives read back from the server, proved, and the dump restored from them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod bad_archives;
mod choice;
mod databases;
mod day;
mod drill;
mod links;
mod loading;
mod packed;
mod places;
mod renamed;
mod signals;
mod unpack;
mod words;
