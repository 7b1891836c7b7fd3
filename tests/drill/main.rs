//! The engine of `drill`: real dumps are loaded into throwaway servers, and nothing is left.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod failures;
mod fixture;
mod hostile;
mod kinds;
