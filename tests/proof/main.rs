//! The command `drill`: archives are restored into throwaway servers, and every channel reports it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod fixture;
mod history;
mod interruptions;
mod outcomes;
mod reports;
