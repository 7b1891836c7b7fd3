//! Late dumps: the run waits for them up to `source.wait_minutes`, and each check costs kilobytes.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, FixedOffset, NaiveTime, TimeDelta, Utc};
use rustix::process::Signal;
use scripting_system::config::{self, Environment};
use scripting_system::destination::Accounts;
use scripting_system::pipeline::Job;
use scripting_system::record::journal::Journal;
use scripting_system::record::run_record::{RunRecord, State};
use scripting_system::record::task::Task;
use scripting_system::rules::redaction::Redaction;
use scripting_system::runtime::interrupt::Interrupt;
use scripting_system::runtime::progress::Progress;
use scripting_system::runtime::retry::Retry;
use serde_json::json;
use testkit::servers::https::Builder;
use testkit::servers::https_habits::Etag;
use testkit::servers::{Entry, Zip};
use testkit::setup::{DUMP, extract_dump};
use testkit::wait_until;

use super::bad_night::BadNight;
use super::interruptions::{signal_and_wait, start};

type Habit = fn(Builder) -> Builder;

/// A job whose dump of about 1 MB appears with the request `number`: until then it is stale, or its ZIP is missing.
fn late(number: u64, is_missing: bool, habit: Habit) -> BadNight {
    let mut bad = BadNight::new();
    bad.enlarge(1_000_000);
    let (published, fresh) = (bad.path("web/my_zip.zip"), bad.path("fresh.zip"));
    fs::rename(&published, &fresh).unwrap();
    if !is_missing {
        publish_stale(&bad, bad.modified - TimeDelta::days(3));
    }
    bad.serve(|web| habit(web).before_request(number, move || fs::rename(fresh, published).unwrap()));
    bad.set("source.wait_minutes", json!(5));
    bad
}

fn publish_stale(bad: &BadNight, modified: DateTime<Utc>) {
    bad.publish(&Zip::new().with(Entry::new(DUMP, bad.dump.clone()).extended_time(modified)));
}

/// Runs the job in this process, so that it can wait for a few seconds only. Returns how the request, and the comparison of
/// dates, ended.
pub(crate) fn run_waiting(bad: &BadNight, wait: Duration, dry_run: bool) -> [(State, String); 2] {
    run_with_clock(bad, wait, dry_run, || Utc::now().fixed_offset())
}

fn run_with_clock(
    bad: &BadNight,
    wait: Duration,
    dry_run: bool,
    clock: impl Fn() -> DateTime<FixedOffset> + Send + Sync + 'static,
) -> [(State, String); 2] {
    let environment = Environment::new(None, [("TZ", "UTC")]);
    let mut config = config::load(&bad.write_config(), &environment).unwrap();
    config.source.wait = wait;
    let started = Utc::now().fixed_offset();
    let record = RunRecord::new("r1".into(), "here".into(), bad.date, started, Redaction::new(&config.secrets()));
    let (journal, interrupt) = (Journal::new(record), Interrupt::new());
    let job = Job {
        retry: Retry::new(config.retry, interrupt.clone()),
        config,
        today: bad.date,
        dry_run,
        clock: Arc::new(clock),
        accounts: Accounts::default(),
        journal: journal.clone(),
        interrupt,
        progress: Progress::on_terminal(),
    };
    job.run();
    [Task::RequestZip, Task::CompareDates].map(|task| {
        let report = journal.read(|record| record.task(task).clone());
        (report.state, report.text)
    })
}

#[test]
fn a_late_dump_is_delivered_and_the_wait_is_reported() {
    let cases: [(&str, u64, bool, Habit); 5] = [
        ("stale", 5, false, |web| web),
        ("stale, nothing to compare", 7, false, Builder::without_validators),
        ("missing", 4, true, |web| web),
        ("stale, no ranges from the end", 7, false, |web| web.without_suffix_ranges(416)),
        ("missing, no ranges", 4, true, |web| web.without_ranges().bytes_per_second(1_000_000)),
    ];
    for (case, number, is_missing, habit) in cases {
        let bad = late(number, is_missing, habit);
        let outcome = bad.run();
        let reason = if is_missing { "the ZIP is missing" } else { "the dump is stale: it was last modified" };
        outcome.exited_with(0).logged(reason).logged("; waiting for the dump until ").logged(", waited ");
        assert_eq!(outcome.log.matches("waiting for the dump until").count(), 1, "{case}: one line when it begins");
        assert!(bad.last_mail().1.contains(" s for the dump"), "{case}: {}", bad.last_mail().1);
        assert!(extract_dump(&bad.archive()) == bad.dump, "{case}");
        let sent = bad.web.bytes_sent();
        assert!(sent < 1_300_000, "{case}: {sent} bytes");
    }
}

#[test]
fn a_server_without_ranges_sends_the_zip_again_only_after_a_change() {
    // On a slow line, a response that nobody reads fills small buffers only.
    let bad = late(6, false, |web| web.without_ranges().bytes_per_second(1_000_000));
    bad.run().exited_with(0).logged("downloading the whole ZIP").logged(", waited ");
    assert!(extract_dump(&bad.archive()) == bad.dump);
    let sent = bad.web.bytes_sent();
    assert!(sent < 2_600_000, "two downloads and four checks: {sent} bytes");
}

#[test]
fn a_dump_that_stays_late_is_reported_after_the_wait() {
    let bad = BadNight::new();
    publish_stale(&bad, bad.modified - TimeDelta::days(3));
    let begin = Instant::now();
    let [(request, waited), (comparison, stale)] = run_waiting(&bad, Duration::from_millis(2_500), false);
    assert!(begin.elapsed() >= Duration::from_millis(2_500));
    assert_eq!((request, comparison), (State::Done, State::Warned), "{waited}; {stale}");
    assert!(
        waited.contains(", waited 2.") && stale.contains("the dump is stale after a wait of 2."),
        "{waited}; {stale}"
    );
    assert!(!bad.is_delivered());
    let requests = bad.web.requests();
    assert!((5..=6).contains(&requests), "two, then one each second and at the end: {requests}");
    assert!(bad.web.bytes_sent() < 100_000, "{} bytes", bad.web.bytes_sent());

    fs::remove_file(bad.path("web/my_zip.zip")).unwrap();
    let [(request, missing), _] = run_waiting(&bad, Duration::from_millis(1_500), false);
    assert_eq!(request, State::Failed);
    assert!(missing.contains("answered 404") && missing.contains("; waited 1."), "{missing}");
}

#[test]
fn neither_a_dry_run_nor_a_dump_of_the_future_is_waited_for() {
    let bad = BadNight::new();
    let begin = Instant::now();
    publish_stale(&bad, bad.modified - TimeDelta::days(3));
    let [_, (dry, _)] = run_waiting(&bad, Duration::from_secs(60), true);
    publish_stale(&bad, bad.modified + TimeDelta::days(3));
    let [(_, request), (future, _)] = run_waiting(&bad, Duration::from_secs(60), false);
    assert_eq!((dry, future), (State::Warned, State::Warned));
    assert!(!request.contains("waited") && begin.elapsed() < Duration::from_secs(30), "{request}");
}

#[test]
fn without_an_etag_and_a_date_the_last_check_downloads_the_zip() {
    // Nothing but its length could show that it was replaced, and that is the same.
    let bad = late(4, false, |web| web.without_ranges().without_validators());
    let [(request, _), (comparison, _)] = run_waiting(&bad, Duration::from_millis(2_500), false);
    assert_eq!((request, comparison), (State::Done, State::Done));
    assert!(bad.is_delivered());
}

#[test]
fn midnight_ends_the_wait() {
    let bad = BadNight::new();
    publish_stale(&bad, bad.modified - TimeDelta::days(3));
    let begin = Instant::now();
    let midnight = (bad.date + TimeDelta::days(1)).and_time(NaiveTime::MIN).and_utc();
    let until_midnight = midnight - TimeDelta::milliseconds(1_500) - Utc::now();
    let clock = move || (Utc::now() + until_midnight).fixed_offset();
    let [(request, waited), (comparison, _)] = run_with_clock(&bad, Duration::from_secs(600), false, clock);
    assert_eq!((request, comparison), (State::Done, State::Warned));
    assert!(waited.contains(", waited 1.") && begin.elapsed() < Duration::from_secs(60), "{waited}");
}

#[test]
fn a_check_that_downloads_the_zip_is_repeated_after_ever_longer_pauses() {
    let bad = late(1_000, false, |web| web.without_ranges().etag(Etag::Changing));
    let [_, (comparison, _)] = run_waiting(&bad, Duration::from_millis(7_500), false);
    assert_eq!(comparison, State::Warned);
    let requests = bad.web.requests();
    assert_eq!(requests, 1 + 4 * 2, "one, and two each after 1, 3, 7 and 7.5 s");
}

#[test]
fn a_signal_ends_the_wait() {
    let bad = late(1_000, false, |web| web);
    let run = start(&bad);
    wait_until("the first check", || bad.web.requests() >= 4);
    let outcome = signal_and_wait(&bad, run, Signal::TERM);
    outcome.exited_with(143).logged("waiting for the dump until ").logged("interrupted (SIGTERM)");
    bad.assert_no_temporary_file();
}

#[test]
fn a_zip_that_is_being_written_during_the_wait_does_not_end_it() {
    let mut bad = late(1_000, false, |web| web);
    let (truncated, published) =
        (fs::read(bad.path("fresh.zip")).unwrap()[..500_000].to_vec(), bad.path("web/my_zip.zip"));
    let fresh = bad.path("fresh.zip");
    let writing = published.clone();
    bad.serve(|web| {
        web.before_request(4, move || fs::write(writing, truncated).unwrap())
            .before_request(10, move || fs::rename(fresh, published).unwrap())
    });
    bad.run().exited_with(0).logged(", waited ");
    assert!(extract_dump(&bad.archive()) == bad.dump);
}
