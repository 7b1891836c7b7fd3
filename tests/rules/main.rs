//! The pure decisions, and single mechanisms of a run: tests by tables of inputs and results, and by properties.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod alarm;
mod archive_name;
mod checksum;
mod connections;
mod drill;
mod dump;
mod dump_pattern;
mod error_chain;
mod freshness;
mod health;
mod history;
mod interrupt;
mod inventory;
mod job_id;
mod journal;
mod keeping;
mod listing;
mod log_file;
mod log_line;
mod origin;
mod recovery;
mod redaction;
mod redirects;
mod retention;
mod retry;
mod space;
mod spool;
mod units;
mod upload_method;

use std::sync::LazyLock;

use scripting_system::rules::archive_name::{ArchiveName, Naming};
use scripting_system::rules::retention::keeping::{Policy, Remover};

/// The minimum: keeps the newest archive, and that of the day before it.
const LEAST: Policy = Policy {
    keep_days: 1,
    keep_at_least: 1,
    keep_daily: 0,
    keep_weekly: 0,
    keep_monthly: 0,
    keep_yearly: 0,
    remover: Remover::Run,
};
const POLICY: Policy = Policy { keep_days: 10, keep_at_least: 3, ..LEAST };

static NAMING: LazyLock<Naming> = LazyLock::new(|| naming("%Y%d%m"));

/// For archives named by `pattern`. Slow, because it parses the pattern.
fn naming(pattern: &str) -> Naming {
    let archive = ArchiveName::new(pattern).unwrap();
    Naming { archive, temporary_prefix: ".".to_owned(), id: "0a1b2c3d".to_owned(), is_encrypted: false }
}
