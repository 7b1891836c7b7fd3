//! Modification times protect archives on real servers: after changed patterns, copied folders and wrong clocks.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde_json::json;
use testkit::Setup;
use testkit::setup::archive_name;

use super::{archive, create_archives, removed_by, run, run_on, today};

/// The time at which a run on `date` writes.
fn evening(date: NaiveDate) -> DateTime<Utc> {
    date.and_hms_opt(22, 0, 0).unwrap().and_utc()
}

/// Creates an archive for each of the last `days` days, named by `pattern` and written on that day.
fn create_named(setup: &Setup, pattern: &str, days: u64) {
    for age in 1..=days {
        let date = today(setup) - Days::new(age);
        let path = setup.sshd.directory.join(format!("{}.tgz", date.format(pattern)));
        fs::write(&path, date.to_string()).unwrap();
        set_modified(&path, evening(date));
    }
}

fn set_modified(path: &std::path::Path, time: DateTime<Utc>) {
    File::options().append(true).open(path).unwrap().set_modified(SystemTime::from(time)).unwrap();
}

/// Sets the modification time of every file on the server.
fn set_all_modified(setup: &Setup, time: DateTime<Utc>) {
    for name in setup.sshd.names() {
        set_modified(&setup.sshd.directory.join(name), time);
    }
}

/// Asserts that a run after each change of the pattern removes nothing.
fn assert_nothing_is_removed(setup: &mut Setup, patterns: &[&str]) {
    let mut files = setup.sshd.names().len();
    for pattern in patterns {
        setup.set("archive.name", json!(pattern));
        let outcome = run(setup);
        assert_eq!(removed_by(&outcome).len(), 0, "{pattern}: {}", outcome.all());
        assert!(setup.sshd.names().len() >= files, "{pattern}: {}", outcome.all());
        files = setup.sshd.names().len();
    }
}

#[test]
fn changing_the_pattern_back_and_forth_removes_no_recent_archive() {
    for [old, new] in [["%Y-%d-%m", "%F"], ["%F", "%Y-%d-%m"], ["%Y%d%m", "%Y%m%d"], ["%Y%m%d", "%Y%d%m"]] {
        let mut setup = Setup::new();
        create_named(&setup, old, 10);
        assert_nothing_is_removed(&mut setup, &[new, old, new]);
    }
}

/// Calls `test` with an embedded server whose clock shows `date`.
fn on_date(date: NaiveDate, test: impl Fn(&mut Setup)) {
    let mut setup = Setup::new();
    let lead = (Utc::now() - evening(date)).num_seconds();
    // Only files that a run writes have this machine's time; those of a test already have the server's.
    let begun = u32::try_from(Utc::now().timestamp()).unwrap() - 60;
    let shown = move |time: u32| Some(if time < begun { time } else { (i64::from(time) - lead) as u32 });
    let _server = setup.serve_sftp(|server| server.mapping_times(shown));
    setup.publish_dump_of(evening(date));
    test(&mut setup);
}

#[test]
fn modification_times_protect_archives_whose_names_match_both_patterns() {
    // All are from 2 to 11 November: the new pattern reads them as the 11th of other months.
    let date = NaiveDate::from_ymd_opt(2025, 11, 12).unwrap();
    for [old, new] in [["%Y%d%m", "%Y%m%d"], ["%Y%m%d", "%Y%d%m"], ["%Y-%d-%m", "%F"], ["%F", "%Y-%d-%m"]] {
        on_date(date, |setup| {
            create_named(setup, old, 10);
            setup.set("archive.name", json!(new));
            let outcome = run(setup);
            outcome.exited_with(0).logged("Remove expired: 0 removed, 11 archives kept\n");
            // 2 November is read as 11 February.
            let name = format!("{}.tgz", (date - Days::new(10)).format(old));
            outcome.logged("warnings 0");
            outcome.logged(&format!("Remove expired: kept {name}: written 10 days ago, though its name says 274\n"));
            assert_nothing_is_removed(setup, &[old]);
        });
    }
}

#[test]
fn a_change_to_a_composite_field_later_in_the_month_holds_removal_back() {
    on_date(NaiveDate::from_ymd_opt(2025, 11, 20).unwrap(), |setup| {
        create_named(setup, "%Y-%d-%m", 10);
        setup.set("archive.name", json!("%F"));
        run(setup)
            .exited_with(1)
            .logged("removal is held back: \"2025-1")
            .logged("fits archive.name only with day and month");
        assert_nothing_is_removed(setup, &["%Y-%d-%m"]);
    });
}

#[test]
fn a_copied_folder_keeps_its_archives_until_the_copy_is_old() {
    Setup::on_each_server(|setup| {
        create_archives(setup, [1, 2, 10, 11, 12, 40].map(|age| today(setup) - Days::new(age)));
        set_all_modified(setup, Utc::now() - Duration::from_secs(3 * 86_400));
        for listed in [setup.call("list", &[]).stdout, setup.call("list", &["--json"]).stdout] {
            assert!(listed.contains("written 3 days ago, though its name says 40"), "{listed}");
        }
        let outcome = run(setup);
        outcome.exited_with(0).logged("Remove expired: 0 removed, 7 archives kept\n").logged("warnings 0");
        let name = archive(setup, 40);
        outcome.logged(&format!("kept {name}: written 3 days ago, though its name says 40\n"));

        set_all_modified(setup, Utc::now() - Duration::from_secs(11 * 86_400));
        run(setup).exited_with(0).logged("Remove expired: 3 removed, 4 archives kept\n");
    });
}

#[test]
fn without_modification_times_the_names_decide() {
    for shown in [None, Some(0)] {
        let mut setup = Setup::new();
        let _server = setup.serve_sftp(|server| server.mapping_times(move |_| shown));
        create_archives(&setup, [1, 2, 10, 11, 40].map(|age| today(&setup) - Days::new(age)));
        set_all_modified(&setup, Utc::now());
        let listed = setup.call("list", &["--json"]);
        assert_eq!(listed.stdout.matches("\"modified\": null").count(), 5, "{}", listed.all());
        let outcome = run(&setup);
        outcome.exited_with(0);
        assert_eq!(removed_by(&outcome), [11, 40].map(|age| archive(&setup, age)).into(), "{}", outcome.all());
    }
}

#[test]
fn a_server_clock_that_is_years_off_changes_no_removal() {
    for (years, is_fresh) in [(-4, true), (-4, false), (4, true), (4, false)] {
        let mut setup = Setup::new();
        let off = years * 365 * 86_400;
        let _server = setup.serve_sftp(|sftp| sftp.mapping_times(move |time| Some((i64::from(time) + off) as u32)));
        let (date, ages) = (today(&setup), [1, 2, 10, 11, 12, 40]);
        create_archives(&setup, ages.map(|age| date - Days::new(age)));
        if !is_fresh {
            setup.publish_dump_of(setup.modified - Days::new(1));
        }
        let outcome = run_on(&setup, date, &[]);
        outcome.exited_with(i32::from(!is_fresh));
        // Ages count from the newest archive: yesterday's if the dump is stale.
        let expired = &ages[if is_fresh { 3 } else { 4 }..];
        let expired = expired.iter().map(|age| archive_name(date - Days::new(*age))).collect();
        assert_eq!(removed_by(&outcome), expired, "{years}: {}", outcome.all());
    }
}

#[test]
fn an_archive_delivered_late_is_kept_as_long_as_others() {
    let mut setup = Setup::new();
    let (today, missed) = (setup.modified, setup.modified - Days::new(20));
    setup.publish_dump_of(missed);
    run(&setup).exited_with(0);
    setup.publish_dump_of(today);
    create_named(&setup, "%Y%d%m", 10);
    let outcome = run(&setup);
    outcome.exited_with(0).logged("Remove expired: 0 removed, 12 archives kept\n");
    let name = archive_name(missed.date_naive());
    outcome.logged(&format!("kept {name}: written 0 days ago, though its name says 20\n"));
}
