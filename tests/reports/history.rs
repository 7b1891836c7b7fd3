//! The archives on the server in the reports of runs that deliver, and of runs that fail or find a stale dump.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use chrono::{Days, NaiveDate, Utc};
use serde_json::json;
use testkit::Setup;
use testkit::servers::listener::closed_address;
use testkit::servers::times;
use testkit::setup::{SFTP_PASSWORD, archive_name};

use crate::decoded_mail::DecodedMail;

/// Puts archives of these ages in days and sizes in bytes on the server of `night`. Returns their dates.
fn put_archives(setup: &Setup, archives: &[(u64, usize)]) -> Vec<NaiveDate> {
    let today = Utc::now().date_naive();
    let put = |(age, size): &(u64, usize)| {
        let date = today - Days::new(*age);
        fs::write(setup.sshd.directory.join(archive_name(date)), vec![7; *size]).unwrap();
        date
    };
    let dates = archives.iter().map(put).collect();
    times::set_from_names(&setup.sshd.directory);
    dates
}

/// Both parts of the only mail of `night`, and the attachment fields of its only post as one text.
#[track_caller]
fn reports(setup: &Setup) -> [String; 3] {
    let (mails, posts) = (setup.mail.messages(), setup.webhook.posts());
    assert_eq!((mails.len(), posts.len(), setup.webhook.refusals()), (1, 1, Vec::new()));
    let mail = DecodedMail::decode(&mails[0].raw);
    let [attachment] = posts[0].attachments.as_deref().expect("an attachment") else { panic!("{:?}", posts[0]) };
    let fields = attachment.fields.iter().map(|field| format!("{}: {}\n", field.title, field.value)).collect();
    [mail.text, mail.html, fields]
}

fn colour(setup: &Setup) -> String {
    setup.webhook.posts()[0].attachments.as_ref().unwrap()[0].color.clone().unwrap()
}

#[track_caller]
fn assert_each_contains(reports: &[String], sentences: &[&str]) {
    for part in reports {
        for sentence in sentences {
            assert!(part.contains(sentence), "no {sentence:?} in {part}");
        }
    }
}

#[test]
fn a_run_that_failed_before_connecting_reports_the_last_good_archive() {
    Setup::on_each_server(|setup| {
        setup.set("source.dump", json!("other.sql"));
        let dates = put_archives(setup, &[(5, 4_000), (3, 5_000)]);
        // Neither of these is a good archive.
        fs::write(setup.sshd.directory.join(archive_name(Utc::now().date_naive())), "").unwrap();
        fs::write(setup.sshd.directory.join(setup.part_of(&setup.archive_name())), "half").unwrap();
        let outcome = setup.run();
        outcome.exited_with(4).logged("errors 1, warnings 0, files removed 0, retries 0");
        let reports = reports(setup);
        let newest = dates[1];
        let sentence = format!("{}, dated {}", archive_name(newest), newest.format("%-d %b %Y"));
        assert_each_contains(&reports, &["The last good archive is ", " days old: ", &sentence, "Free on the server"]);
        assert!(
            reports[0].contains("Connect to SFTP    an earlier task failed"),
            "listing the folder was reported as a task: {}",
            reports[0]
        );
        assert_eq!(colour(setup), "#dd3336");
        assert_eq!(fs::read_dir(&setup.sshd.directory).unwrap().count(), 4, "a file was removed");
    });
}

#[test]
fn a_failed_run_with_an_unreachable_server_reports_the_last_good_archive_as_unknown() {
    let mut setup = Setup::around_midnight();
    setup
        .set("source.dump", json!("other.sql"))
        .set("sftp.port", json!(closed_address().port()))
        .set("retry.attempts", json!(3));
    let outcome = setup.run();
    // The folder is tried once, and its failure is no error.
    outcome.exited_with(4).logged("errors 1, warnings 0, files removed 0, retries 0");
    outcome.logged("the folder on the server could not be listed: no connection to 127.0.0.1:");
    let sentence = "The last good archive is unknown: the folder on the server could not be listed";
    let [text, html, fields] = reports(&setup);
    assert_each_contains(&[text, html], &[sentence, "no connection to 127.0.0.1:"]);
    assert!(fields.contains(sentence), "{fields}");
}

#[test]
fn a_run_that_could_not_connect_does_not_try_again_for_the_reports() {
    let mut setup = Setup::around_midnight();
    setup.set("sftp.port", json!(closed_address().port()));
    let outcome = setup.run();
    outcome.exited_with(4);
    assert!(!outcome.log.contains("the folder on the server"), "{}", outcome.all());
    let [text, html, _] = reports(&setup);
    assert_each_contains(&[text, html], &["could not be listed (no connection to 127.0.0.1:"]);
}

#[test]
fn a_refused_login_is_not_retried_for_the_reports() {
    let mut setup = Setup::around_midnight();
    let server = setup.serve_sftp(|builder| builder);
    setup.set("sftp.password", json!(format!("not {SFTP_PASSWORD}")));
    setup.run().exited_with(4).logged("refused the login");
    assert_eq!(server.connections(), 1);
    assert!(reports(&setup)[0].contains("The last good archive is unknown"));
}

#[test]
fn a_silent_server_delays_a_failed_run_by_at_most_one_timeout() {
    let mut setup = Setup::around_midnight();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    setup.set("source.dump", json!("other.sql")).set("sftp.port", json!(silent.local_addr().unwrap().port()));
    setup.set("sftp.timeout_seconds", json!(2)).set("retry.attempts", json!(3));
    let started = Instant::now();
    setup.run().exited_with(4).logged("the folder on the server could not be listed");
    assert!(started.elapsed() < Duration::from_secs(2 + 4), "{:?}", started.elapsed());
}

#[test]
fn a_delivery_is_reported_with_the_earlier_archives() {
    Setup::on_each_server(|setup| {
        setup.set("source.max_age_days", json!(1));
        let dates = put_archives(setup, &[(40, 4_000), (4, 4_000), (3, 5_000), (2, 9_000)]);
        setup.run().exited_with(0).logged("files removed 1, ");
        let reports = reports(setup);
        let removed = format!("{}: expired, ", archive_name(dates[0]));
        assert_each_contains(
            &reports,
            &["Sent", "Removed", "1 file", &removed, "Missing archives", "Free on the server", " of 5 nights"],
        );
        assert!(reports[0].contains("Last archives"), "{}", reports[0]);
        assert!(reports[1].contains("The last 4 archives: 3.91 KiB to "), "{}", reports[1]);
        assert!(reports[2].contains("Last archives: "), "{}", reports[2]);
        assert!(!reports[0].contains("The last good archive"), "{}", reports[0]);
        assert_eq!(colour(setup), "#298c48");
    });
}

#[test]
fn a_stale_dump_is_reported_with_the_age_of_the_last_good_archive() {
    let mut setup = Setup::around_midnight();
    setup.make_stale();
    let dates = put_archives(&setup, &[(2, 4_000)]);
    setup.run().exited_with(1);
    let sentence = format!(" old: {}, dated {}", archive_name(dates[0]), dates[0].format("%-d %b %Y"));
    assert_each_contains(&reports(&setup), &[&sentence]);
    assert_eq!(colour(&setup), "#b06900");
}

#[test]
fn a_new_host_key_is_reported_once() {
    let mut setup = Setup::around_midnight();
    let server = setup.serve_sftp(|builder| builder.stall_after(20_000));
    setup.set("sftp.timeout_seconds", json!(1)).set("retry.attempts", json!(1));
    let outcome = setup.run();
    outcome.exited_with(4);
    assert_eq!(outcome.log.matches("first contact: the host key ").count(), 1, "{}", outcome.all());
    assert!(server.connections() > 1, "the folder was listed over the same connection");
}
