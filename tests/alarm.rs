//! A dump of an unusual size is delivered with a warning, and the older archives are kept.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::process::Command;

use chrono::{Days, NaiveDate, NaiveTime};
use mail_parser::MessageParser;
use serde_json::{Value, json};
use testkit::servers::times;
use testkit::setup::archive_name;
use testkit::{Outcome, Setup};

const DATE: NaiveDate = NaiveDate::from_ymd_opt(2026, 3, 2).unwrap();

fn before(days: u64) -> String {
    archive_name(DATE - Days::new(days))
}

/// An archive that was replaced three days ago.
fn leftover() -> String {
    format!("{}.old", before(3))
}

fn run(setup: &Setup, arguments: &[&str]) -> Outcome {
    let date = DATE.to_string();
    setup.run_with(&[&["--date", &date], arguments].concat())
}

/// Puts the archives of the 14 nights before [`DATE`] on the server, 4 of them expired, each `times` as large as the one of
/// [`DATE`] will be. Returns the bytes of that one.
fn put_history(setup: &mut Setup, times: f64) -> Vec<u8> {
    setup.publish_dump_of(DATE.and_time(NaiveTime::from_hms_opt(22, 0, 0).unwrap()).and_utc());
    run(setup, &[]).exited_with(0);
    let archive = fs::read(setup.archive()).unwrap();
    fs::remove_file(setup.archive()).unwrap();
    fs::remove_file(setup.path("log.log")).unwrap();
    for days in 1..=14 {
        let file = File::create(setup.sshd.directory.join(before(days))).unwrap();
        file.set_len((archive.len() as f64 * times) as u64).unwrap();
    }
    fs::write(setup.sshd.directory.join(leftover()), "half an archive").unwrap();
    times::set_from_names(&setup.sshd.directory);
    archive
}

fn names(setup: &Setup) -> BTreeSet<String> {
    setup.sshd.names().into_iter().collect()
}

/// The files on the server after a run that removed nothing, or every expired one.
fn folder(has_removed: bool) -> BTreeSet<String> {
    let oldest = if has_removed { 10 } else { 14 };
    (0..=oldest).map(before).chain((!has_removed).then(leftover)).collect()
}

/// The subject and the text of the last mail.
fn mail(setup: &Setup) -> (String, String) {
    let mails = setup.mail.messages();
    let mail = MessageParser::default().parse(&mails.last().unwrap().raw).unwrap();
    (mail.subject().unwrap().to_owned(), mail.body_text(0).unwrap().replace("\r\n", "\n"))
}

/// Asserts on each server that a dump of an unusual size raises the alarm with the text `expected`.
fn assert_alarm(times: f64, alarm: &Value, expected: &str) {
    Setup::on_each_server(|setup| {
        let archive = put_history(setup, times);
        setup.config["alarm"] = alarm.clone();
        let outcome = run(setup, &[]);
        outcome.exited_with(1);
        assert_eq!(names(setup), folder(false), "{}", outcome.all());
        assert!(fs::read(setup.archive()).unwrap() == archive, "other bytes");
        let dump = Command::new("tar").arg("-xzOf").arg(setup.archive()).output().unwrap().stdout;
        assert!(dump == setup.dump, "tar finds another dump");

        outcome.logged("read back and published").logged("errors 0, warnings 1, files removed 0");
        let warning = "Remove expired: removal is held back: the new archive of ";
        let line =
            outcome.log.lines().find(|line| line.contains(warning)).unwrap_or_else(|| panic!("{}", outcome.all()));
        assert!(line.contains("WARNING") && line.contains(expected), "{line}");
        assert_eq!(outcome.stderr.matches(expected).count(), 1, "{}", outcome.all());
        outcome.logged(&format!("kept {}: expired, 14 days old; removal is held back\n", before(14)));
        outcome.logged(&format!(
            "kept {}: replaced, and archives of later dates have been delivered since; removal is held back\n",
            leftover()
        ));
        let (subject, text) = mail(setup);
        assert!(subject.contains("delivered, 1 warning"), "{subject}");
        assert!(text.contains(expected), "{text}");
        let post = setup.webhook.posts().last().unwrap().text.clone();
        assert!(post.contains("0 errors, 1 warning") && post.contains("removal is held back"), "{post}");

        // A second run finds the same bytes, which are still suspicious.
        run(setup, &[]).exited_with(1).logged("is already there, with the same bytes");
        assert_eq!(names(setup), folder(false));

        // With limits that allow the size, expired files are removed again.
        setup.config["alarm"] = json!({"smaller_than_percent": 10, "larger_than_percent": 1000});
        run(setup, &[]).exited_with(0).logged("errors 0, warnings 0, files removed 5");
        assert_eq!(names(setup), folder(true));
    });
}

#[test]
fn a_much_smaller_dump_is_delivered_with_a_warning_and_nothing_is_removed() {
    let comparison = "has 20 % of the median size of the last 7 (";
    assert_alarm(5.0, &json!({}), comparison);
    let advice = "look at the dump, and if it is as it should be, lower alarm.smaller_than_percent (now 30)";
    assert_alarm(5.0, &json!({"smaller_than_percent": 30}), advice);
}

#[test]
fn a_much_larger_dump_is_delivered_with_a_warning_and_nothing_is_removed() {
    let advice = "look at the dump, and if it is as it should be, raise alarm.larger_than_percent (now 300)";
    assert_alarm(0.2, &json!({}), advice);
}

#[test]
fn the_right_dump_of_the_same_night_replaces_the_wrong_one_and_ends_the_alarm() {
    Setup::on_each_server(|setup| {
        let archive = put_history(setup, 1.0);
        setup.config["alarm"] = json!({});
        let whole = setup.dump.clone();
        setup.dump.truncate(whole.len() / 10);
        setup.publish_dump_of(setup.modified);
        run(setup, &[]).exited_with(1);
        assert_eq!(names(setup), folder(false));

        setup.dump = whole;
        setup.publish_dump_of(setup.modified);
        run(setup, &[]).exited_with(1).logged("it replaced an archive with different bytes");
        assert!(fs::read(setup.archive()).unwrap() == archive, "other bytes");
        assert_eq!(names(setup), folder(true).into_iter().chain([format!("{}.old", setup.archive_name())]).collect());
    });
}

#[test]
fn a_good_archive_is_kept_when_a_suspicious_one_of_the_same_night_replaces_it() {
    Setup::on_each_server(|setup| {
        let good = put_history(setup, 1.0);
        setup.config["alarm"] = json!({});
        run(setup, &[]).exited_with(0);
        let (whole, replaced) = (setup.dump.clone(), format!("{}.old", setup.archive_name()));
        for share in [10, 20] {
            setup.dump = whole[..whole.len() / share].to_vec();
            setup.publish_dump_of(setup.modified);
            let outcome = run(setup, &[]);
            outcome.exited_with(1).logged("it replaced an archive with different bytes");
            outcome.logged(&format!("kept {replaced}: set aside until "));
            assert!(fs::read(setup.sshd.directory.join(&replaced)).unwrap() == good, "{}", outcome.all());
        }
        setup.dump = whole;
        setup.publish_dump_of(setup.modified);
        run(setup, &[]).exited_with(1).logged(&format!("kept {replaced}: set aside until "));
        assert!(fs::read(setup.archive()).unwrap() == good, "other bytes");
        let last = format!("{}.last.old", setup.archive_name());
        assert_eq!(names(setup), folder(true).into_iter().chain([replaced, last]).collect());
    });
}

#[test]
fn without_the_section_no_size_is_unusual() {
    for times in [5.0, 0.2] {
        let mut setup = Setup::new();
        put_history(&mut setup, times);
        let outcome = run(&setup, &[]);
        outcome.exited_with(0).logged("files removed 5");
        assert_eq!((names(&setup), outcome.stderr.as_str()), (folder(true), ""));
    }
}

#[test]
fn a_usual_size_and_a_first_archive_raise_no_alarm() {
    let mut setup = Setup::new();
    setup.config["alarm"] = json!({"smaller_than_percent": 99, "larger_than_percent": 101});
    // First without archives to compare with, then with archives of the same size.
    put_history(&mut setup, 1.0);
    run(&setup, &[]).exited_with(0);
    assert_eq!(names(&setup), folder(true));
}

#[test]
fn a_stale_dump_raises_no_size_alarm() {
    let mut setup = Setup::new();
    put_history(&mut setup, 5.0);
    setup.config["alarm"] = json!({});
    setup.publish_dump_of(setup.modified - Days::new(3));
    let outcome = run(&setup, &[]);
    outcome.exited_with(1).logged("the dump is stale").logged("warnings 1,");
    assert!(!outcome.log.contains("held back"), "{}", outcome.all());
}

#[test]
fn a_dry_run_announces_the_alarm() {
    Setup::on_each_server(|setup| {
        put_history(setup, 5.0);
        setup.config["alarm"] = json!({});
        let before = names(setup);
        let dry = run(setup, &["--dry-run"]);
        dry.exited_with(1);
        assert!(dry.stdout.contains("warning: Remove expired: removal is held back: the new "), "{}", dry.all());
        assert!(dry.stdout.contains("would be removed: 0 files"), "{}", dry.all());
        assert_eq!(names(setup), before);

        // The size of an archive that has to be compressed again is not known before.
        setup.config["archive"]["compression"] = json!(6);
        let dry = run(setup, &["--dry-run"]);
        dry.exited_with(0);
        assert!(dry.stdout.contains("would be removed: 5 files"), "{}", dry.all());
    });
}
