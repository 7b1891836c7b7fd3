//! Short forms of `scripts/dev/kill_sweep.sh` and `scripts/dev/soak.sh`, and tests of their model.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use chrono::{Days, NaiveDate};
use testkit::night::archive_name;
use testkit::nights::dump::Dump;
use testkit::nights::folder::{Item, Listing};
use testkit::nights::model::{Ending, Model, Night};
use testkit::nights::soak::{Options, soak};
use testkit::nights::sweep::Sweep;

#[test]
fn after_a_kill_at_any_point_the_next_run_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let result = Sweep::new(&folder.path().join("sweep")).run(22, |_| {});
    assert!(result.faults.is_empty(), "{}", result.faults.join("\n"));
    assert_eq!(result.kinds.iter().map(|(_, points, _)| points).sum::<usize>(), 22, "{:?}", result.kinds);
    assert_eq!(result.kinds[0], ("the two renames of a replacement", 4, 4));
    assert_eq!(result.kinds[1], ("removal and renames of a third replacement", 6, 6));
}

#[test]
fn after_each_of_many_nights_the_folder_matches_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { nights: 15, seed: 1, large_dumps: 0.0 };
    let summary = soak(&folder.path().join("soak"), &options, |_| {});
    assert!(summary.wrong.is_empty(), "{}", summary.wrong.join("\n"));
    assert_eq!(summary.fresh + summary.stale, 15);
    assert!(!summary.archives.is_empty());
}

fn file(name: &str, content: &str) -> (String, Item) {
    (name.to_owned(), Item::File(content.as_bytes().to_vec()))
}

const OWN_ID: &str = "0a1b2c3d";

/// Archives, leftovers and a foreign file before the run of `date`.
fn folder_before(date: NaiveDate) -> Listing {
    let of = |age: u64| archive_name(date - Days::new(age));
    let archives = [0, 1, 2, 3, 13].map(|age| file(&of(age), &age.to_string()));
    let others = [
        file(&format!("{}.old", of(0)), "first"),
        file(&format!("{}.last.old", of(0)), "latest"),
        file(&format!("{}.old", of(3)), "of three days ago"),
        file(&format!(".{}.0ff1ce00.part", of(0)), "of another machine"),
        file(&format!(".{}.part", of(1)), "of the former version"),
        file(&format!(".{}.{OWN_ID}.part", of(1)), "own"),
        file("notes.txt", "x"),
    ];
    archives.into_iter().chain(others).collect()
}

#[test]
fn the_model_finds_every_contradiction_after_a_delivery() {
    let date = NaiveDate::from_ymd_opt(2026, 3, 31).unwrap();
    let of = |age: u64| archive_name(date - Days::new(age));
    let dump = Dump::draw(date, 100, &mut fastrand::Rng::with_seed(1));
    let night = Night::new(date, vec![dump.clone()], "a.zip", OWN_ID);
    let delivered = Item::File(dump.archive());
    let wrong = |ending: Ending, change: &dyn Fn(&mut Listing)| {
        let mut after = folder_before(date);
        after.insert(of(0), delivered.clone());
        after.extend([file(&format!("{}.last.old", of(0)), "0")]);
        for gone in [of(13), format!("{}.old", of(3)), format!(".{}.part", of(1)), format!(".{}.{OWN_ID}.part", of(1))]
        {
            after.remove(&gone);
        }
        change(&mut after);
        Model::of(folder_before(date)).follow(&night, ending, true, after)
    };
    assert_eq!(wrong(Ending::Code(1), &|_| {}), [""; 0]);
    let changes: [&dyn Fn(&mut Listing); 13] = [
        &|after| drop(after.remove(&of(1))),
        &|after| drop(after.remove("notes.txt")),
        &|after| drop(after.remove(&format!("{}.old", of(0)))),
        &|after| drop(after.remove(&format!("{}.last.old", of(0)))),
        &|after| drop(after.remove(&format!(".{}.0ff1ce00.part", of(0)))),
        &|after| after.extend([file(&format!("{}.old", of(0)), "0")]),
        &|after| after.extend([file(&format!("{}.last.old", of(0)), "latest")]),
        &|after| after.extend([file(&format!("{}.old", of(3)), "of three days ago")]),
        &|after| after.extend([file(&of(2), "other bytes")]),
        &|after| after.extend([file(&of(13), "13")]),
        &|after| after.extend([file(&format!(".{}.part", of(1)), "of the former version")]),
        &|after| after.extend([file(&format!(".{}.{OWN_ID}.part", of(1)), "own")]),
        &|after| after.extend([file("other.txt", "x")]),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        assert_eq!(wrong(Ending::Code(1), change).len(), 1, "change {number}");
    }
    assert!(!wrong(Ending::Code(4), &|_| {}).is_empty(), "a run that failed changes no archive");
    let mut killed = folder_before(date);
    killed.remove(&of(0));
    killed.extend([file(&format!("{}.last.old", of(0)), "0")]);
    let mut model = Model::of(folder_before(date));
    assert_eq!(model.follow(&night, Ending::Killed, false, killed), [""; 0], "between the two renames");
}

#[test]
fn the_model_finds_every_contradiction_after_a_stale_night() {
    let date = NaiveDate::from_ymd_opt(2026, 3, 31).unwrap();
    let of = |age: u64| archive_name(date - Days::new(age));
    let stale = Night::new(date, Vec::new(), "a.zip", OWN_ID);
    let follow = |night: &Night, ending: Ending, change: &dyn Fn(&mut Listing)| {
        let mut after = folder_before(date);
        for gone in [of(13), format!(".{}.part", of(1)), format!(".{}.{OWN_ID}.part", of(1))] {
            after.remove(&gone);
        }
        change(&mut after);
        Model::of(folder_before(date)).follow(night, ending, true, after)
    };
    assert_eq!(follow(&stale, Ending::Code(1), &|_| {}), [""; 0]);
    let gone: &dyn Fn(&mut Listing) = &|after| drop(after.remove(&format!("{}.old", of(3))));
    assert_eq!(follow(&stale, Ending::Code(1), gone).len(), 1, "without a delivery, what was set aside is kept");
    let held_back = Night { is_held_back: true, ..stale.clone() };
    assert_eq!(follow(&held_back, Ending::Code(1), &|_| {}).len(), 2, "an archive and another job's upload");
    let copied = Night { is_copied: true, ..stale };
    assert_eq!(follow(&copied, Ending::Code(1), &|_| {}).len(), 2, "the same");
    let fresh = Night::new(date, vec![Dump::draw(date, 100, &mut fastrand::Rng::with_seed(1))], "a.zip", OWN_ID);
    assert!(!follow(&fresh, Ending::Code(0), &|_| {}).is_empty(), "a run that ended well has delivered");
}
