//! Short forms of `scripts/dev/kill_sweep.sh` and `scripts/dev/soak.sh`, and tests of their model.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use chrono::{Days, NaiveDate};
use testkit::nights::dump::Dump;
use testkit::nights::folder::{Item, Listing};
use testkit::nights::model::{Exit, Model, Run};
use testkit::nights::soak::{Options, soak};
use testkit::nights::sweep::Sweep;
use testkit::setup::archive_name;

#[test]
fn after_a_kill_at_any_point_the_next_run_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let result = Sweep::new(&folder.path().join("sweep"), false).run(22, |_| {});
    assert!(result.errors.is_empty(), "{}", result.errors.join("\n"));
    assert_eq!(result.kinds.iter().map(|(_, points, _)| points).sum::<usize>(), 22, "{:?}", result.kinds);
    assert_eq!(result.kinds[0], ("the two renames of a replacement", 4, 4));
    assert_eq!(result.kinds[1], ("removal and renames of a third replacement", 6, 6));
}

#[test]
fn a_short_kill_sweep_with_encryption_finds_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let result = Sweep::new(&folder.path().join("sweep"), true).run(22, |_| {});
    assert!(result.errors.is_empty(), "{}", result.errors.join("\n"));
    assert_eq!(result.kinds[0], ("the two renames of a replacement", 4, 4));
}

#[test]
fn after_each_of_many_nights_the_folder_matches_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { nights: 15, seed: 1, large_dumps: 0.0 };
    let summary = soak(&folder.path().join("soak"), &options, |_| {});
    assert!(summary.errors.is_empty(), "{}", summary.errors.join("\n"));
    assert_eq!(summary.fresh + summary.stale, 15);
    assert!(!summary.archives.is_empty());
}

fn file(name: &str, content: &str) -> (String, Item) {
    (name.to_owned(), Item::File(content.as_bytes().to_vec()))
}

const OWN_ID: &str = "0a1b2c3d";

/// Archives, leftovers and a foreign file before the run of `date`.
fn folder_before(date: NaiveDate) -> Listing {
    let name = |age: u64| archive_name(date - Days::new(age));
    let archives = [0, 1, 2, 3, 13].map(|age| file(&name(age), &age.to_string()));
    let others = [
        file(&format!("{}.old", name(0)), "first"),
        file(&format!("{}.last.old", name(0)), "latest"),
        file(&format!("{}.old", name(3)), "of three days ago"),
        file(&format!(".{}.0ff1ce00.part", name(0)), "of another machine"),
        file(&format!(".{}.part", name(1)), "of the previous version"),
        file(&format!(".{}.{OWN_ID}.part", name(1)), "own"),
        file("notes.txt", "x"),
    ];
    archives.into_iter().chain(others).collect()
}

#[test]
fn the_model_reports_every_violation_after_a_delivery() {
    let date = NaiveDate::from_ymd_opt(2026, 3, 31).unwrap();
    let name = |age: u64| archive_name(date - Days::new(age));
    let dump = Dump::random(date, 100, &mut fastrand::Rng::with_seed(1));
    let run = Run::new(date, vec![dump.clone()], "a.zip", OWN_ID);
    let delivered = Item::File(dump.archive());
    let errors = |exit: Exit, change: &dyn Fn(&mut Listing)| {
        let mut after = folder_before(date);
        after.insert(name(0), delivered.clone());
        after.extend([file(&format!("{}.last.old", name(0)), "0")]);
        for gone in
            [name(13), format!("{}.old", name(3)), format!(".{}.part", name(1)), format!(".{}.{OWN_ID}.part", name(1))]
        {
            after.remove(&gone);
        }
        change(&mut after);
        Model::new(folder_before(date)).check_run(&run, exit, true, after)
    };
    assert_eq!(errors(Exit::Code(1), &|_| {}), [""; 0]);
    let changes: [&dyn Fn(&mut Listing); 13] = [
        &|after| drop(after.remove(&name(1))),
        &|after| drop(after.remove("notes.txt")),
        &|after| drop(after.remove(&format!("{}.old", name(0)))),
        &|after| drop(after.remove(&format!("{}.last.old", name(0)))),
        &|after| drop(after.remove(&format!(".{}.0ff1ce00.part", name(0)))),
        &|after| after.extend([file(&format!("{}.old", name(0)), "0")]),
        &|after| after.extend([file(&format!("{}.last.old", name(0)), "latest")]),
        &|after| after.extend([file(&format!("{}.old", name(3)), "of three days ago")]),
        &|after| after.extend([file(&name(2), "other bytes")]),
        &|after| after.extend([file(&name(13), "13")]),
        &|after| after.extend([file(&format!(".{}.part", name(1)), "of the previous version")]),
        &|after| after.extend([file(&format!(".{}.{OWN_ID}.part", name(1)), "own")]),
        &|after| after.extend([file("other.txt", "x")]),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        assert_eq!(errors(Exit::Code(1), change).len(), 1, "change {number}");
    }
    assert!(!errors(Exit::Code(4), &|_| {}).is_empty(), "a run that failed changes no archive");
    let mut killed = folder_before(date);
    killed.remove(&name(0));
    killed.extend([file(&format!("{}.last.old", name(0)), "0")]);
    let mut model = Model::new(folder_before(date));
    assert_eq!(model.check_run(&run, Exit::Killed, false, killed), [""; 0], "between the two renames");
}

#[test]
fn the_model_reports_every_violation_after_a_run_with_a_stale_dump() {
    let date = NaiveDate::from_ymd_opt(2026, 3, 31).unwrap();
    let name = |age: u64| archive_name(date - Days::new(age));
    let stale = Run::new(date, Vec::new(), "a.zip", OWN_ID);
    let errors = |run: &Run, exit: Exit, change: &dyn Fn(&mut Listing)| {
        let mut after = folder_before(date);
        for gone in [name(13), format!(".{}.part", name(1)), format!(".{}.{OWN_ID}.part", name(1))] {
            after.remove(&gone);
        }
        change(&mut after);
        Model::new(folder_before(date)).check_run(run, exit, true, after)
    };
    assert_eq!(errors(&stale, Exit::Code(1), &|_| {}), [""; 0]);
    let gone: &dyn Fn(&mut Listing) = &|after| drop(after.remove(&format!("{}.old", name(3))));
    assert_eq!(errors(&stale, Exit::Code(1), gone).len(), 1, "a replaced archive is kept without a delivery");
    let held = Run { holds_removal: true, ..stale.clone() };
    assert_eq!(errors(&held, Exit::Code(1), &|_| {}).len(), 2, "an archive and another job's upload");
    let copied = Run { is_copied: true, ..stale };
    assert_eq!(errors(&copied, Exit::Code(1), &|_| {}).len(), 2, "the same");
    let fresh = Run::new(date, vec![Dump::random(date, 100, &mut fastrand::Rng::with_seed(1))], "a.zip", OWN_ID);
    assert!(!errors(&fresh, Exit::Code(0), &|_| {}).is_empty(), "a successful run delivers an archive");
}
