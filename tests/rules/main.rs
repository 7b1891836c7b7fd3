//! The decisions that need no server: tables of inputs and results.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod dump;
mod freshness;
mod health;
mod keeping;
mod redaction;
mod redirects;
mod retention;

use scripting_system::rules::archive_name::{ArchiveName, Naming};

/// The names of a job whose archives are named by `pattern`. Judging a pattern takes a while.
fn naming(pattern: &str) -> Naming {
    let archive = ArchiveName::new(pattern).unwrap();
    Naming { archive, temporary_prefix: ".".to_owned(), id: "0a1b2c3d".to_owned() }
}
