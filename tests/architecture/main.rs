//! Holds the shape of the code: which module may know which, where each library and the clock are used, and what
//! every file looks like. Each rule is tried on a snippet that breaks it, too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]
#![allow(unreachable_pub, reason = "a test binary exports nothing")]

mod fault_matrix;
mod files;
mod floors;
mod places;
mod sources;

/// Fails with every breach, one per line.
#[track_caller]
fn assert_none(breaches: &[String]) {
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}
