//! A night that is killed anywhere, and nights on which anything may go wrong: short forms of `scripts/kill_sweep.sh` and
//! `scripts/soak.sh`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

#[path = "../examples/nights/mod.rs"]
mod nights;
#[path = "../examples/servers/mod.rs"]
mod servers;

use std::path::Path;

use chrono::{Days, NaiveDate};
use nights::dump::Dump;
use nights::folder::{Item, Listing};
use nights::model::{Ending, Model, Night, archive_name};
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

/// A name in the folder and what is there.
fn file(name: &str, content: &str) -> (String, Item) {
    (name.to_owned(), Item::File(content.as_bytes().to_vec()))
}

#[test]
fn the_model_finds_whatever_must_not_be_so() {
    let date = NaiveDate::from_ymd_opt(2026, 3, 31).unwrap();
    let of = |age: u64| archive_name(date - Days::new(age));
    let before: Listing =
        [1, 2, 3, 12].map(|age| file(&of(age), &age.to_string())).into_iter().chain([file("notes.txt", "x")]).collect();
    let stale = Night { date, dumps: Vec::new() };
    let wrong = |night: &Night, ending: Ending, change: &dyn Fn(&mut Listing)| {
        let mut after = before.clone();
        after.remove(&of(12));
        change(&mut after);
        Model::of(before.clone()).follow(night, ending, true, after)
    };
    let ended = Ending::Code(1);
    // Ages count from the newest archive, which is a day old: the one of 12 days is 11 days older.
    assert_eq!(wrong(&stale, ended, &|_| {}), [""; 0]);
    let changes: [&dyn Fn(&mut Listing); 8] = [
        &|after| drop(after.remove(&of(1))),
        &|after| drop(after.remove("notes.txt")),
        &|after| after.extend([file(&of(2), "other bytes")]),
        &|after| after.extend([file(&of(12), "12")]),
        &|after| after.extend([file(&format!(".{}.part", of(0)), "")]),
        &|after| after.extend([file(&format!(".{}.old", of(1)), "1")]),
        &|after| after.extend([file(&of(0), "from nowhere")]),
        &|after| after.extend([file("other.txt", "x")]),
    ];
    for change in changes {
        assert_eq!(wrong(&stale, ended, change).len(), 1);
    }
    assert_eq!(wrong(&stale, Ending::Code(4), &|_| {}).len(), 1, "a run that failed removes nothing");
    let fresh = Night { date, dumps: vec![Dump::draw(date, 100, &mut fastrand::Rng::with_seed(1))] };
    assert!(!wrong(&fresh, ended, &|_| {}).is_empty(), "what ended well has delivered");
}
