//! A night that is killed anywhere, and nights on which anything may go wrong: short forms of `scripts/kill_sweep.sh` and
//! `scripts/soak.sh`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

#[path = "../examples/nights/mod.rs"]
mod nights;
#[path = "../examples/servers/mod.rs"]
mod servers;

use std::path::Path;

use nights::soak::{Options, soak};
use nights::sweep::Sweep;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_scripting-system"))
}

#[test]
fn after_a_kill_at_any_point_the_next_run_puts_all_right() {
    let folder = tempfile::tempdir().unwrap();
    let result = Sweep::new(program(), &folder.path().join("sweep")).run(16, |_| {});
    assert!(result.faults.is_empty(), "{}", result.faults.join("\n"));
    assert_eq!(result.kinds.iter().map(|(_, points, _)| points).sum::<usize>(), 16, "{:?}", result.kinds);
    let (kind, points, good) = result.kinds[0];
    assert_eq!((kind, points, good), ("the two renames of a replacement", 4, 4));
}

#[test]
fn after_each_night_of_many_the_folder_holds_exactly_what_it_must() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { nights: 15, seed: 1, large_dumps: 0.0 };
    let summary = soak(program(), &folder.path().join("soak"), &options, |_| {});
    assert!(summary.wrong.is_empty(), "{}", summary.wrong.join("\n"));
    assert_eq!(summary.fresh + summary.stale, 15);
    assert!(!summary.archives.is_empty());
}
