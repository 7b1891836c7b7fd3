//! Stale dumps: nothing is sent, and no more archives expire.

use chrono::{DateTime, Days, FixedOffset, NaiveDate, NaiveTime, Utc};
use serde_json::json;
use testkit::servers::{Entry, Zip};
use testkit::setup::DUMP;

use super::bad_night::BadNight;

fn at(date: NaiveDate, hour: u32) -> DateTime<Utc> {
    date.and_time(NaiveTime::from_hms_opt(hour, 0, 0).unwrap()).and_utc()
}

/// A job with the dump returned by `entry`.
fn job_with(entry: impl FnOnce(&BadNight, Entry) -> Entry) -> BadNight {
    let bad = BadNight::new();
    let dump = Entry::new(DUMP, bad.dump.clone());
    bad.publish(&Zip::new().with(entry(&bad, dump)));
    bad
}

#[test]
fn yesterdays_dump_is_not_sent_and_is_reported_with_advice() {
    let bad = job_with(|bad, dump| dump.extended_time(at(bad.date - Days::new(1), 12)));
    let new = bad.archive_aged(0);
    bad.must_warn(&["stale", "1 day ago", "Check the program that dumps the database"]);
    let (subject, _) = bad.last_mail();
    assert!(subject.contains("the dump is stale"), "{subject}");
    assert!(bad.last_post().contains("stale"), "{}", bad.last_post());
    assert!(!bad.names().contains(&new));
}

#[test]
fn with_a_stale_dump_ages_are_counted_from_the_newest_archive() {
    let bad = job_with(|bad, dump| dump.extended_time(at(bad.date - Days::new(5), 12)));
    for name in bad.names() {
        std::fs::remove_file(bad.directory.join(name)).unwrap();
    }
    bad.plant(&[5, 6, 7, 14, 15, 16]);
    let expired = bad.archive_aged(16);
    let outcome = bad.must_warn(&["stale", "5 days ago"]);
    outcome.logged(&format!("removed {expired}: expired, 11 days old"));
    bad.assert_holds_exactly(&[5, 6, 7, 14, 15]);
    bad.must_warn(&["stale"]);
    // No more archives expire.
    bad.assert_holds_exactly(&[5, 6, 7, 14, 15]);
}

#[test]
fn a_dump_from_the_future_is_reported_as_stale() {
    let bad = job_with(|bad, dump| dump.extended_time(at(bad.date + Days::new(1), 12)));
    bad.must_warn(&["stale", "after the date of the run", "Check the clocks"]);
    assert!(!bad.is_delivered());
}

#[test]
fn a_dos_time_is_used_if_the_zip_has_no_other() {
    let fresh = job_with(|bad, dump| dump.dos_time(at(bad.date, 12).naive_utc()));
    fresh.run().exited_with(0).logged("fresh");
    let rounded_up = job_with(|bad, dump| dump.dos_time(at(bad.date + Days::new(1), 0).naive_utc()));
    rounded_up.run().exited_with(0).logged("fresh");
    let old = job_with(|bad, dump| dump.dos_time(at(bad.date - Days::new(1), 23).naive_utc()));
    old.must_warn(&["stale", "1 day ago"]);
}

#[test]
fn a_dos_time_is_read_in_source_timezone() {
    let mut bad = job_with(|bad, dump| dump.dos_time(at(bad.date + Days::new(1), 6).naive_utc()));
    bad.must_warn(&["stale", "after the date of the run", "in the job's zone (+00:00)", "source.timezone"]);
    bad.set("source.timezone", json!("Asia/Tokyo"));
    bad.run().exited_with(0).logged("fresh");
}

#[test]
fn source_timezone_applies_without_tz() {
    // 20:00 in this machine's time zone from /etc/localtime.
    let local = std::process::Command::new("date").arg("+%:z").env_remove("TZ").output().unwrap();
    let offset: FixedOffset = String::from_utf8(local.stdout).unwrap().trim().parse().unwrap();
    let mut bad = BadNight::new();
    let evening = bad.date.and_time(NaiveTime::from_hms_opt(20, 0, 0).unwrap()).and_local_timezone(offset).unwrap();
    // It may be another day in these zones: the ZIP's time is read in the zone, and compared with today's local date.
    for zone in ["Pacific/Kiritimati", "Pacific/Pago_Pago"] {
        let zoned = evening.with_timezone(&zone.parse::<chrono_tz::Tz>().unwrap()).naive_local();
        bad.publish(&Zip::new().with(Entry::new(DUMP, bad.dump.clone()).dos_time(zoned)));
        bad.set("source.timezone", json!(zone));
        let output = bad.command().env_remove("TZ").output().unwrap();
        bad.outcome(output).exited_with(0).logged(&format!("fresh: modified {} 20:00:00", bad.date));
    }
}

#[test]
fn the_extended_time_takes_precedence_over_the_dos_time() {
    let fresh =
        job_with(|bad, dump| dump.extended_time(at(bad.date, 1)).dos_time(at(bad.date - Days::new(1), 1).naive_utc()));
    fresh.run().exited_with(0);
    let old =
        job_with(|bad, dump| dump.extended_time(at(bad.date - Days::new(1), 1)).dos_time(at(bad.date, 1).naive_utc()));
    old.must_warn(&["stale", "1 day ago"]);
}

#[test]
fn a_dump_of_1980_is_stale() {
    job_with(|_, dump| dump).must_warn(&["stale", "1980-01-01", "days ago"]);
}

#[test]
fn a_dump_without_a_time_is_reported_as_stale() {
    let bad = BadNight::new();
    let mut zip = Zip::new().with(Entry::new(DUMP, bad.dump.clone())).bytes();
    // The DOS time and date are at offset 10 in the local header and at 12 in the directory's (APPNOTE 4.3.7, 4.3.12).
    for (signature, offset) in [(b"PK\x03\x04", 10), (b"PK\x01\x02", 12)] {
        let header = zip.windows(4).position(|window| window == signature).unwrap();
        zip[header + offset..header + offset + 4].fill(0);
    }
    bad.publish_bytes(&zip);
    bad.must_warn(&["the dump is stale: the ZIP gives no modification time"]);
    assert!(!bad.is_delivered());
}

#[test]
fn a_past_date_without_its_dump_cannot_be_repeated() {
    let mut bad = BadNight::new();
    let now = bad.date;
    bad.date = now - Days::new(3);
    bad.must_warn(&[
        &format!("The web server now has the dump of {now}: the one of {} can no longer be sent", bad.date),
        "A run without --date sends the current dump",
    ]);
}

#[test]
fn another_dump_in_the_zip_is_reported_without_a_warning() {
    let bad = BadNight::new();
    let dump = Entry::new(DUMP, bad.dump.clone()).extended_time(at(bad.date, 0));
    bad.publish(&Zip::new().with(Entry::new("old/Blog.SQL", "x")).with(dump).with(Entry::new("notes.txt", "x")));
    bad.run().exited_with(0).logged("; the ZIP also holds \"old/Blog.SQL\", not sent by this job");
    let (_, mail) = bad.last_mail();
    assert!(mail.contains("the ZIP also holds"), "{mail}");
}
