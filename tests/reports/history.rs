//! What the reports say of the archives on the server: after a delivery, and after a failure that came before it.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use chrono::{Days, NaiveDate, Utc};
use serde_json::json;

use crate::letter::Letter;
use crate::{make_stale, night};
use testkit::Night;
use testkit::night::{SFTP_PASSWORD, archive_name};
use testkit::servers::times;

/// Puts archives of so many days and bytes on the server of `night`, and gives their dates.
fn put_archives(night: &Night, archives: &[(u64, usize)]) -> Vec<NaiveDate> {
    let today = Utc::now().date_naive();
    let put = |(age, size): &(u64, usize)| {
        let date = today - Days::new(*age);
        fs::write(night.sshd.directory.join(archive_name(date)), vec![7; *size]).unwrap();
        date
    };
    let dates = archives.iter().map(put).collect();
    times::set_as_named(&night.sshd.directory);
    dates
}

/// The two parts of the only mail of `night`, and the attachment of its only post in one text.
#[track_caller]
fn told(night: &Night) -> [String; 3] {
    let (mails, posts) = (night.mail.messages(), night.webhook.posts());
    assert_eq!((mails.len(), posts.len(), night.webhook.refusals()), (1, 1, Vec::new()));
    let letter = Letter::decode(&mails[0].raw);
    let [attachment] = posts[0].attachments.as_deref().expect("an attachment") else { panic!("{:?}", posts[0]) };
    let fields = attachment.fields.iter().map(|field| format!("{}: {}\n", field.title, field.value)).collect();
    [letter.text, letter.html, fields]
}

/// The colour of the attachment of the only post of `night`.
fn colour(night: &Night) -> String {
    night.webhook.posts()[0].attachments.as_ref().unwrap()[0].color.clone().unwrap()
}

#[track_caller]
fn assert_told(told: &[String], sentences: &[&str]) {
    for part in told {
        for sentence in sentences {
            assert!(part.contains(sentence), "no {sentence:?} in {part}");
        }
    }
}

#[test]
fn a_night_that_failed_before_the_server_was_reached_names_the_last_good_archive() {
    Night::on_each_server(|night| {
        night.set("source.dump", json!("other.sql"));
        let dates = put_archives(night, &[(5, 4_000), (3, 5_000)]);
        // Neither is a good archive.
        fs::write(night.sshd.directory.join(archive_name(Utc::now().date_naive())), "").unwrap();
        fs::write(night.sshd.directory.join(night.part_of(&night.archive_name())), "half").unwrap();
        let outcome = night.run();
        outcome.exited_with(4).logged("errors 1, warnings 0, files removed 0, retries 0");
        let told = told(night);
        let last = dates[1];
        let sentence = format!("{} of {}", archive_name(last), last.format("%-d %b %Y"));
        assert_told(&told, &["The last good archive is ", " days old: ", &sentence, "Free on the server"]);
        assert!(
            told[0].contains("Connect to SFTP    because of what happened before"),
            "no task of its own: {}",
            told[0]
        );
        assert_eq!(colour(night), "#dd3336");
        assert_eq!(fs::read_dir(&night.sshd.directory).unwrap().count(), 4, "nothing was touched");
    });
}

#[test]
fn a_failed_night_whose_server_is_down_says_that_the_last_good_archive_is_not_known() {
    let mut night = night();
    night.set("source.dump", json!("other.sql")).set("sftp.port", json!(free_port())).set("retry.attempts", json!(3));
    let outcome = night.run();
    // One attempt, and no fault of its own.
    outcome.exited_with(4).logged("errors 1, warnings 0, files removed 0, retries 0");
    outcome.logged("the folder on the server could not be looked at: no connection to 127.0.0.1:");
    let sentence = "The last good archive is not known: the folder on the server could not be looked at";
    let [text, html, fields] = told(&night);
    assert_told(&[text, html], &[sentence, "no connection to 127.0.0.1:"]);
    assert!(fields.contains(sentence), "{fields}");
}

#[test]
fn a_night_that_could_not_connect_does_not_try_again_for_the_reports() {
    let mut night = night();
    night.set("sftp.port", json!(free_port()));
    let outcome = night.run();
    outcome.exited_with(4);
    assert!(!outcome.log.contains("the folder on the server"), "{}", outcome.all());
    let [text, html, _] = told(&night);
    assert_told(&[text, html], &["could not be looked at (no connection to 127.0.0.1:"]);
}

#[test]
fn a_refused_login_is_not_repeated_for_the_reports() {
    let mut night = night();
    let server = night.serve_sftp(|builder| builder);
    night.set("sftp.password", json!(format!("not {SFTP_PASSWORD}")));
    night.run().exited_with(4).logged("refused the login");
    assert_eq!(server.connections(), 1);
    assert!(told(&night)[0].contains("The last good archive is not known"));
}

#[test]
fn a_server_that_is_silent_keeps_a_failed_night_no_longer_than_one_answer_may() {
    let mut night = night();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    night.set("source.dump", json!("other.sql")).set("sftp.port", json!(silent.local_addr().unwrap().port()));
    night.set("sftp.timeout_seconds", json!(2)).set("retry.attempts", json!(3));
    let begun = Instant::now();
    night.run().exited_with(4).logged("the folder on the server could not be looked at");
    assert!(begun.elapsed() < Duration::from_secs(2 + 4), "{:?}", begun.elapsed());
}

#[test]
fn a_delivered_night_shows_what_was_sent_and_the_history_that_it_joins() {
    Night::on_each_server(|night| {
        night.set("source.max_age_days", json!(1));
        let dates = put_archives(night, &[(40, 4_000), (4, 4_000), (3, 5_000), (2, 9_000)]);
        night.run().exited_with(0).logged("files removed 1, ");
        let told = told(night);
        let removed = format!("{}: expired, ", archive_name(dates[0]));
        assert_told(&told, &["Sent", "Removed", "1 file", &removed, "Nights without", "Free on the server", " of 5"]);
        assert!(told[0].contains("Last archives"), "{}", told[0]);
        assert!(told[1].contains("The last 4 archives: 3.91 KiB to "), "{}", told[1]);
        assert!(told[2].contains("Sizes of the last archives: "), "{}", told[2]);
        assert!(!told[0].contains("The last good archive"), "{}", told[0]);
        assert_eq!(colour(night), "#298c48");
    });
}

#[test]
fn a_stale_night_says_how_old_the_last_good_archive_is() {
    let mut night = night();
    make_stale(&mut night);
    let dates = put_archives(&night, &[(2, 4_000)]);
    night.run().exited_with(1);
    let sentence = format!(" old: {} of {}", archive_name(dates[0]), dates[0].format("%-d %b %Y"));
    assert_told(&told(&night), &[&sentence]);
    assert_eq!(colour(&night), "#b06900");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_first_host_key_is_told_once_whatever_else_is_looked_at() {
    let mut night = night();
    let server = night.serve_sftp(|builder| builder.stall_after(20_000));
    night.set("sftp.timeout_seconds", json!(1)).set("retry.attempts", json!(1));
    let outcome = night.run();
    outcome.exited_with(4);
    assert_eq!(outcome.log.matches("first contact: the host key ").count(), 1, "{}", outcome.all());
    assert!(server.connections() > 1, "the folder was looked at over a connection of its own");
}
