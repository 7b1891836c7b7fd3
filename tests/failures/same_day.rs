//! Several dumps of one day: the first and the latest replaced archives are kept until archives of later days exist.

use std::fs;
use std::sync::{Arc, Mutex};

use chrono::{Days, TimeDelta};
use testkit::servers::sftp_faults::RequestFault;
use testkit::servers::sftp_watch::{Moment, Operation};
use testkit::servers::times;
use testkit::servers::zips::sql_dump;
use testkit::wait_until;

use super::bad_night::BadNight;
use super::interruptions::{kill, start};

/// Empties the folder on the server.
fn with_empty_folder(bad: BadNight) -> BadNight {
    for name in bad.names() {
        fs::remove_file(bad.directory.join(name)).unwrap();
    }
    bad
}

/// Moves the date of the run and of the dump by this many days.
fn change_date(bad: &mut BadNight, days: i64) {
    let modified = bad.modified + TimeDelta::days(days);
    bad.date = modified.date_naive();
    bad.publish_dump_of(modified);
}

/// Publishes another dump of the same date.
fn publish_another_dump(bad: &mut BadNight, dump: &[u8]) {
    bad.dump = dump.to_vec();
    change_date(bad, 0);
}

fn archive(bad: &BadNight) -> Vec<u8> {
    fs::read(bad.archive()).unwrap()
}

/// The content of the date's first and latest replaced archives.
fn set_aside(bad: &BadNight) -> [Option<Vec<u8>>; 2] {
    ["old", "last.old"].map(|ending| fs::read(bad.directory.join(format!("{}.{ending}", bad.archive_aged(0)))).ok())
}

#[test]
fn a_tiny_second_dump_of_a_day_keeps_the_first_archive_for_three_days() {
    for mut bad in [BadNight::new(), BadNight::with_sftp(|sftp| sftp)].map(with_empty_folder) {
        change_date(&mut bad, -4);
        bad.run().exited_with(0);
        let (first, old) = (archive(&bad), bad.old_name());
        let whole = bad.dump.clone();
        publish_another_dump(&mut bad, b"abc");
        let outcome =
            bad.must_warn(&["with different content already had the name", &old, "restore --replaced --date"]);
        outcome.logged("it replaced an archive with different bytes");
        assert!(archive(&bad).len() < first.len() / 10);
        assert!(bad.listing()[&old].as_deref() == Some(&first));

        bad.dump = whole;
        for days_later in [1, 2] {
            change_date(&mut bad, 1);
            let outcome = bad.run();
            outcome.exited_with(0).logged(&format!("kept {old}: set aside until the archive of "));
            assert!(bad.listing()[&old].as_deref() == Some(&first), "{days_later} days later");
        }
        // A run with a stale dump delivers nothing.
        let modified = bad.modified;
        bad.date = bad.date + Days::new(1);
        bad.must_warn(&["stale"]);
        assert!(bad.listing().contains_key(&old));
        bad.publish_dump_of(modified + TimeDelta::days(1));
        // The replacement is only minutes old, as if a past run was repeated.
        bad.run().exited_with(0).logged(&format!("kept {old}: set aside less than two days ago"));
        assert!(bad.listing()[&old].as_deref() == Some(&first));
        times::set_from_names(&bad.directory);
        bad.run().exited_with(0).logged(&format!("removed {old}: replaced"));
        assert!(!bad.listing().contains_key(&old));
    }
}

#[test]
fn repeating_an_earlier_date_does_not_expire_a_replaced_archive() {
    let mut bad = with_empty_folder(BadNight::new());
    change_date(&mut bad, -1);
    bad.run().exited_with(0);
    publish_another_dump(&mut bad, b"abc");
    bad.run().exited_with(1);
    let old = bad.old_name();
    for days in [-6, 7] {
        change_date(&mut bad, days);
        bad.run().exited_with(0);
        assert!(bad.listing().contains_key(&old), "{}", bad.date);
    }
}

/// The request after which a run is killed: contains the first text and ends with the second.
type Target = Arc<Mutex<Option<(String, String)>>>;

/// A job with an SFTP server that executes the target request and never replies to it.
fn job_with_target() -> (BadNight, Target) {
    let target = Target::default();
    let watched = Arc::clone(&target);
    let bad = BadNight::with_sftp(|sftp| {
        sftp.on_operation(move |operation: Operation<'_>| {
            let mut target = watched.lock().unwrap();
            let matches = |(part, end): &(String, String)| {
                operation.moment == Moment::After && operation.what.contains(part) && operation.what.ends_with(end)
            };
            if target.as_ref().is_some_and(matches) {
                *target = None;
                return RequestFault::NoReply;
            }
            RequestFault::None
        })
    });
    (bad, target)
}

/// Kills a run right after the request that contains `part` and ends with `end`.
fn kill_after(bad: &BadNight, target: &Target, part: &str, end: &str) {
    *target.lock().unwrap() = Some((part.to_owned(), end.to_owned()));
    let run = start(bad);
    wait_until(&format!("{part} … {end}"), || target.lock().unwrap().is_none());
    kill(run);
}

#[test]
fn the_first_and_the_latest_of_three_replacements_survive_kills_at_any_step() {
    let (mut bad, target) = job_with_target();
    bad.run().exited_with(0);
    let (first, name) = (archive(&bad), bad.archive_aged(0));
    let [old, last_old] = ["old", "last.old"].map(|ending| format!("{name}.{ending}"));
    let dumps = [b"bad".to_vec(), sql_dump(190_000), b"bad again".to_vec()];
    let mut before = first.clone();
    for (number, dump) in dumps.iter().enumerate() {
        publish_another_dump(&mut bad, dump);
        let new_name = if number == 0 { &old } else { &last_old };
        // Set aside, put back by the next run, set aside again, delivered.
        let mut kills =
            vec![("rename", new_name.as_str()), (".old ", name.as_str()), ("rename", new_name), (".part ", &name)];
        if number > 1 {
            kills.insert(0, ("remove", last_old.as_str()));
        }
        for (part, end) in kills {
            kill_after(&bad, &target, part, end);
            let is_on_server =
                |archive: &[u8]| bad.listing().values().any(|content| content.as_deref() == Some(archive));
            assert!(is_on_server(&first) && is_on_server(&before), "{number}, {part} {end}: {:?}", bad.names());
        }
        // The archive already had its final name when the last run was killed.
        bad.run().exited_with(0).logged("is already there, with the same bytes");
        let [first_replaced, last_replaced] = set_aside(&bad);
        assert!(first_replaced.as_ref() == Some(&first), "{number}: {:?}", bad.names());
        assert!(last_replaced == (number > 0).then_some(before), "{number}: {:?}", bad.names());
        before = archive(&bad);
    }
    let expected = [1, 2, 3].map(|age| bad.archive_aged(age)).into_iter().chain([name, old, last_old]);
    let mut expected: Vec<String> = expected.collect();
    expected.sort();
    assert_eq!(bad.names(), expected);
}

#[test]
fn a_run_with_the_same_bytes_sets_nothing_aside() {
    let mut bad = BadNight::new();
    bad.run().exited_with(0);
    publish_another_dump(&mut bad, b"abc");
    bad.run().exited_with(1);
    let before = bad.listing();
    bad.run().exited_with(0).logged("is already there, with the same bytes");
    assert!(bad.listing() == before, "{:?}", bad.names());
}
