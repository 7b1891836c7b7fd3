//! Removal of expired files from real folders, and its prediction by dry runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

#[path = "retention/calendar.rs"]
mod calendar;
#[path = "retention/server_clock.rs"]
mod server_clock;
#[path = "retention/witness.rs"]
mod witness;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use chrono::{Days, NaiveDate, TimeDelta};
use scripting_system::disk::job_id::JobId;
use scripting_system::disk::lock::Lock;
use serde_json::json;
use testkit::servers::times;
use testkit::setup::archive_name;
use testkit::{Outcome, Setup};

/// The `--date` of all runs, so that a test can run across midnight.
fn today(setup: &Setup) -> NaiveDate {
    setup.modified.date_naive()
}

fn run(setup: &Setup) -> Outcome {
    run_on(setup, today(setup), &[])
}

fn dry_run(setup: &Setup) -> Outcome {
    run_on(setup, today(setup), &["--dry-run"])
}

fn run_on(setup: &Setup, date: NaiveDate, arguments: &[&str]) -> Outcome {
    let date = date.to_string();
    setup.run_with(&[&["--date", &date], arguments].concat())
}

/// The name of the archive of `days_ago` days before today.
fn archive(setup: &Setup, days_ago: i64) -> String {
    archive_name(today(setup) - TimeDelta::days(days_ago))
}

/// Creates an archive of each of `dates` on the server.
fn create_archives(setup: &Setup, dates: impl IntoIterator<Item = NaiveDate>) {
    for date in dates {
        let name = archive_name(date);
        fs::write(setup.sshd.directory.join(&name), format!("the archive {name}")).unwrap();
    }
    times::set_from_names(&setup.sshd.directory);
}

/// The type, content, mode and modification time of everything in `folder`, by name.
fn state_of(folder: &Path) -> BTreeMap<OsString, String> {
    let mut state = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_file() {
            format!("{:?}", fs::read(&path).unwrap())
        } else if metadata.is_dir() {
            format!("{:?}", state_of(&path))
        } else {
            format!("{:?}", fs::read_link(&path).ok())
        };
        let facts = (metadata.ino(), metadata.mode(), metadata.mtime(), metadata.mtime_nsec());
        state.insert(path.file_name().unwrap().to_owned(), format!("{facts:?} {content}"));
    }
    state
}

/// The expected result of a run for a file.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Kept,
    Removed,
}
use Fate::{Kept, Removed};

/// Fills the folder with files of every kind. Returns each name, as logged, with its fate and the reason.
fn create_every_kind_of_file(setup: &Setup) -> Vec<(String, Fate, &'static str)> {
    let folder = &setup.sshd.directory;
    let dated = |days_ago| archive(setup, days_ago);
    let foreign = "not one of this configuration's archives";
    let no_file = "named like an archive, but not a regular file";
    let unfinished = "an unfinished upload of an earlier run";
    let until = today(setup) + Days::new(2);
    let until = format!("set aside until the archive of {until} or a later one is delivered").leak();
    let files = [
        (dated(1), Kept, "1 day old"),
        (dated(2), Kept, "2 days old"),
        (dated(10), Kept, "10 days old"),
        (dated(11), Removed, "expired, 11 days old"),
        (dated(12), Removed, "expired, 12 days old"),
        (dated(50), Removed, "expired, 50 days old"),
        (dated(3_000), Removed, "expired, 3000 days old"),
        (dated(-1), Kept, "dated after today"),
        (dated(-400), Kept, "dated after today"),
        (setup.part_of(&dated(70)), Removed, unfinished),
        (setup.part_of(&dated(-70)), Removed, unfinished),
        (format!(".{}.part", dated(-70)), Kept, "an upload of another job or machine, maybe still under way"),
        (format!(".{}.old", dated(1)), Kept, until),
        (format!("{}.old", dated(50)), Removed, "replaced, and archives of later dates have been delivered since"),
        ("20263213.tgz".to_owned(), Kept, foreign),
        ("20263002.tgz".to_owned(), Kept, foreign),
        (".20263002.tgz.part".to_owned(), Kept, foreign),
        ("notes.txt".to_owned(), Kept, foreign),
        (".notes.part".to_owned(), Kept, foreign),
        (format!("other-{}", dated(100)), Kept, foreign),
        (format!("{}.part", dated(100)), Kept, foreign),
        (format!(".{}", dated(100)), Kept, foreign),
        (dated(100).replace(".tgz", ".TGZ"), Kept, foreign),
        (dated(100).replace(".tgz", ".zip"), Kept, foreign),
        (dated(100).replace(".tgz", ""), Kept, foreign),
    ];
    for (name, ..) in &files {
        fs::write(folder.join(name), format!("content of {name}")).unwrap();
    }
    fs::write(folder.join(dated(90)), "").unwrap();

    fs::create_dir(folder.join(dated(101))).unwrap();
    fs::write(folder.join(dated(101)).join(dated(101)), "inside a folder").unwrap();
    fs::create_dir(folder.join(format!(".{}.part", dated(102)))).unwrap();
    fs::write(setup.path("elsewhere"), "the target of a link").unwrap();
    symlink(setup.path("elsewhere"), folder.join(dated(103))).unwrap();
    symlink("nowhere", folder.join(dated(104))).unwrap();
    symlink("nowhere", folder.join(setup.part_of(&dated(105)))).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, folder.join(dated(106)), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();

    fs::write(folder.join(format!("{}\n", dated(107))), "ends with a newline").unwrap();
    fs::write(folder.join(format!("forged\n{}", dated(107))), "holds a newline").unwrap();
    fs::write(folder.join(OsStr::from_bytes(&[b"\xff", dated(108).as_bytes()].concat())), "not UTF-8").unwrap();
    times::set_from_names(folder);

    let others = [
        (dated(90), Kept, "empty"),
        (dated(101), Kept, no_file),
        (format!(".{}.part", dated(102)), Kept, no_file),
        (dated(103), Kept, no_file),
        (dated(104), Kept, no_file),
        (setup.part_of(&dated(105)), Kept, no_file),
        (dated(106), Kept, no_file),
        (format!("{}\\n", dated(107)), Kept, foreign),
        (format!("forged\\n{}", dated(107)), Kept, foreign),
        (format!("\u{fffd}{}", dated(108)), Kept, foreign),
    ];
    files.into_iter().chain(others).collect()
}

/// The names of the removed files in the log.
fn removed_by(outcome: &Outcome) -> BTreeSet<String> {
    let lines = outcome.log.lines().filter_map(|line| line.split_once("Remove expired: removed "));
    lines.map(|(_, rest)| rest.split_once(": ").unwrap().0.to_owned()).collect()
}

/// The lines (name and reason) under `heading` in a dry run's output.
fn listed<'a>(dry: &'a Outcome, heading: &str) -> BTreeSet<&'a str> {
    let mut lines = dry.stdout.lines().skip_while(|line| !line.starts_with(&format!("  {heading}: ")));
    assert!(lines.next().is_some(), "no {heading:?}: {}", dry.all());
    lines.map_while(|line| line.strip_prefix("      ")).collect()
}

fn names(decisions: BTreeSet<&str>) -> BTreeSet<String> {
    decisions.into_iter().map(|line| line.split_once(": ").unwrap().0.to_owned()).collect()
}

#[test]
fn only_expired_archives_and_leftovers_are_removed_and_every_reason_is_logged() {
    let setup = Setup::new();
    let expected = create_every_kind_of_file(&setup);
    let before = state_of(&setup.sshd.directory);
    assert_eq!(before.len(), expected.len());

    let outcome = run(&setup);
    outcome.exited_with(0);
    let removed = expected.iter().filter(|(_, fate, _)| *fate == Removed);
    let removed: BTreeSet<OsString> = removed.map(|(name, ..)| OsString::from(name)).collect();
    let mut after = state_of(&setup.sshd.directory);
    assert!(after.remove(OsStr::new(&setup.archive_name())).is_some(), "{}", outcome.all());
    let kept: BTreeMap<OsString, String> = before.into_iter().filter(|(name, _)| !removed.contains(name)).collect();
    assert!(
        after == kept,
        "a foreign file was changed, or an expired one was kept: {:?}\n{}",
        after.keys(),
        outcome.all()
    );
    assert_eq!(fs::read_to_string(setup.path("elsewhere")).unwrap(), "the target of a link");

    for (name, fate, reason) in &expected {
        let action = if *fate == Removed { "removed" } else { "kept" };
        outcome.logged(&format!("Remove expired: {action} {name}: {reason}\n"));
    }
    outcome.logged(&format!("Remove expired: kept {}: 0 days old\n", setup.archive_name()));
    outcome.logged(&format!("files removed {}", removed.len()));
}

#[test]
fn a_dry_run_predicts_the_run() {
    let setup = Setup::new();
    let mut expected = create_every_kind_of_file(&setup);
    // A killed run has set two archives aside; one of them has expired.
    for days_ago in [5, 60] {
        let old = format!(".{}.old", archive(&setup, days_ago));
        fs::write(setup.sshd.directory.join(&old), format!("content of {old}")).unwrap();
    }
    times::set_from_names(&setup.sshd.directory);
    expected.push((archive(&setup, 5), Kept, "5 days old"));
    expected.push((archive(&setup, 60), Removed, "expired, 60 days old"));
    expected.push((setup.archive_name(), Kept, "0 days old"));

    let dry = dry_run(&setup);
    dry.exited_with(0);
    let line = |(name, _, reason): &(String, Fate, &str)| format!("{name}: {reason}");
    for (heading, fate) in [("would be removed", Removed), ("would be kept", Kept)] {
        let lines: BTreeSet<String> = listed(&dry, heading).into_iter().map(str::to_owned).collect();
        let expected: BTreeSet<String> = expected.iter().filter(|(_, it, _)| *it == fate).map(line).collect();
        assert_eq!(lines, expected, "{heading}");
    }
    for days_ago in [5, 60] {
        let name = archive(&setup, days_ago);
        assert!(dry.stdout.contains(&format!("  leftover .{name}.old would be put back as {name}\n")), "{}", dry.all());
    }

    let before: BTreeSet<String> = setup.sshd.names().into_iter().collect();
    let outcome = run(&setup);
    outcome.exited_with(0);
    assert_eq!(names(listed(&dry, "would be removed")), removed_by(&outcome));
    let after: BTreeSet<String> = setup.sshd.names().into_iter().collect();
    assert_eq!(
        before.difference(&after).count(),
        removed_by(&outcome).len() + 1,
        "the archive of 60 days ago disappears under both names"
    );
}

#[test]
fn a_dry_run_prints_its_plan_and_leaves_no_trace() {
    let setup = Setup::new();
    create_every_kind_of_file(&setup);
    let config = setup.write_config();
    let before = state_of(&setup.sshd.directory);
    // Another run holds the lock, which a dry run does not need.
    let _lock = Lock::acquire(&config, &JobId::new(&config), &setup.path("work")).unwrap();
    run(&setup).exited_with(5);
    fs::remove_file(setup.path("log.log")).unwrap();

    let dry = dry_run(&setup);
    dry.exited_with(0);
    assert_eq!(dry.stderr, "");
    let (archive, directory) = (setup.archive_name(), setup.sshd.directory.display());
    let sending = format!("  archive  {archive} would be sent to {directory}, where nothing has that name yet\n");
    assert!(dry.stdout.contains(&sending), "{}", dry.all());
    assert!(dry.stdout.contains(&setup.sshd.fingerprint("ed25519")), "{}", dry.all());
    assert!(state_of(&setup.sshd.directory) == before, "a dry run changed something on the server");
    assert_eq!((setup.mail.connections(), setup.webhook.requests()), (0, 0));
    assert!(setup.work_directory_is_empty());
    let mut left: Vec<_> = fs::read_dir(setup.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert!(!left.contains(&OsString::from("log.log")) && !left.contains(&OsString::from("known_hosts")), "{left:?}");
}

#[test]
fn a_dry_run_reports_an_existing_entry_with_the_archives_name() {
    let setup = Setup::new();
    run(&setup).exited_with(0);
    let sending = format!("{} would be sent to", setup.archive_name());
    let dry = dry_run(&setup);
    dry.exited_with(0);
    assert!(dry.stdout.contains(&sending) && dry.stdout.contains("already has that name"), "{}", dry.all());

    // The dry run fails as a real run does.
    fs::remove_file(setup.archive()).unwrap();
    fs::create_dir(setup.archive()).unwrap();
    let dry = dry_run(&setup);
    dry.exited_with(4);
    let outcome = run(&setup);
    outcome.exited_with(4);
    let error =
        |text: &str| text.lines().rev().find_map(|line| line.split_once("Send archive: ")).unwrap().1.to_owned();
    assert_eq!(error(&dry.stdout), error(&outcome.log));
}

#[test]
fn a_dry_run_is_right_about_an_empty_archive_of_the_same_date() {
    let setup = Setup::new();
    create_archives(&setup, [11, 12, 13, 14].map(|days| today(&setup) - Days::new(days)));
    fs::write(setup.archive(), "").unwrap();
    let dry = dry_run(&setup);
    let outcome = run(&setup);
    outcome.exited_with(1);
    let expected = names(listed(&dry, "would be removed"));
    assert_eq!(expected.len(), 2, "{}", dry.all());
    assert_eq!(removed_by(&outcome), expected);
    let todays = listed(&dry, "would be kept").into_iter().filter(|line| line.starts_with(&setup.archive_name()));
    assert_eq!(todays.collect::<Vec<_>>(), [format!("{}: 0 days old", setup.archive_name())]);
}

#[test]
fn a_dry_run_with_a_stale_dump_reports_what_would_be_removed() {
    let setup = Setup::new();
    let past = today(&setup) - Days::new(20);
    create_archives(&setup, [1, 2, 3, 11, 12].map(|days| past - Days::new(days)));
    let dry = run_on(&setup, past, &["--dry-run"]);
    dry.exited_with(1);
    assert!(dry.stdout.contains("  archive  nothing would be sent: the dump is stale\n"), "{}", dry.all());
    let expired = archive_name(past - Days::new(12));
    assert_eq!(listed(&dry, "would be removed"), [format!("{expired}: expired, 11 days old").as_str()].into());
    let outcome = run_on(&setup, past, &[]);
    outcome.exited_with(1);
    assert_eq!(removed_by(&outcome), [expired].into());
}

#[test]
fn a_dry_run_with_a_broken_configuration_writes_no_log() {
    let mut setup = Setup::new();
    setup.set("retention", json!({"keep_days": 0}));
    let dry = dry_run(&setup);
    dry.exited_with(3);
    assert!(dry.stderr.contains("retention.keep_days"), "{}", dry.all());
    assert!(!setup.path("log.log").exists());
}

#[test]
fn weeks_of_stale_dumps_do_not_shrink_the_history() {
    let setup = Setup::new();
    let last_fresh = today(&setup) - Days::new(60);
    create_archives(&setup, (0..15).map(|days| last_fresh - Days::new(days)));
    let mut lengths = Vec::new();
    for nights in [1, 2, 3, 7, 14, 28] {
        run_on(&setup, last_fresh + Days::new(nights), &[]).exited_with(1).logged("stale");
        lengths.push(setup.sshd.names().len());
    }
    assert_eq!(lengths, [11; 6], "the last delivery and the ten days before it");
    let kept: BTreeSet<String> = (0..11).map(|days| archive_name(last_fresh - Days::new(days))).collect();
    assert_eq!(setup.sshd.names().into_iter().collect::<BTreeSet<_>>(), kept);
}

#[test]
fn a_refused_removal_after_a_delivery_is_a_warning() {
    let mut setup = Setup::new();
    let _server = setup.serve_sftp(|server| server.without_removal());
    // A replaced archive is set aside and kept.
    fs::write(setup.archive(), "an older attempt").unwrap();
    create_archives(&setup, [1, 2, 11, 12].map(|days| today(&setup) - Days::new(days)));
    let outcome = run(&setup);
    outcome.exited_with(1);
    for days in [11, 12] {
        let name = archive(&setup, days);
        outcome.logged(&format!("{name} (expired, {days} days old) could not be removed: "));
        assert!(setup.sshd.directory.join(name).exists());
    }
    let old = format!("{}.old", setup.archive_name());
    outcome
        .logged(&format!("with different content already had the name {}: it is kept as {old}", setup.archive_name()));
    outcome.logged("warnings 3, files removed 0");
    assert_eq!(fs::read_to_string(setup.sshd.directory.join(old)).unwrap(), "an older attempt");
    assert!(fs::metadata(setup.archive()).unwrap().len() > 1_000);
}

#[test]
fn ten_thousand_foreign_files_neither_fill_the_log_nor_slow_down_the_run() {
    let setup = Setup::new();
    for number in 0..10_000 {
        fs::write(setup.sshd.directory.join(format!("report-{number:05}.pdf")), "").unwrap();
    }
    // A name with a newline is not an archive's name.
    for forged in ["\n", "x\n"] {
        fs::write(setup.sshd.directory.join(format!("{forged}{}", archive(&setup, 100))), "").unwrap();
    }
    let begun = std::time::Instant::now();
    let outcome = run(&setup);
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    outcome.exited_with(0).logged("kept 9902 more files that this program did not create");
    assert_eq!(outcome.log.matches("not one of this configuration's archives").count(), 100);
    assert_eq!(setup.sshd.names().len(), 10_003);
}
