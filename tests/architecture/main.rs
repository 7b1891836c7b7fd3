//! Enforces the architecture: imports between modules, the places where libraries and the clock may be used, and the form of
//! every file. Each rule is also tested with code that breaks it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]
#![allow(unreachable_pub, reason = "a test binary exports nothing")]

mod fault_matrix;
mod files;
mod floors;
mod places;
mod sources;

/// Fails with all breaches, one per line.
#[track_caller]
fn assert_none(breaches: &[String]) {
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}
