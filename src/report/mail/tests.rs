//! What a mail reader finds in the mail, and whom the sending tries.

use std::cell::Cell;
use std::net::TcpListener;

use mail_parser::{MessageParser, MimeHeaders as _};

use super::*;
use crate::config::SendOn;
use crate::report::message::samples;

fn email(to: &[&str]) -> Email {
    Email {
        send: SendOn::Always,
        server: Some(MailServer {
            host: "127.0.0.1".to_owned(),
            port: 1,
            security: MailSecurity::None,
            credentials: None,
            ca_file: None,
        }),
        from: "Backups <backup@example.org>".parse().unwrap(),
        to: to.iter().map(|address| address.parse().unwrap()).collect(),
        subject: "Mein täglicher Bericht".to_owned(),
        attach_log: true,
    }
}

fn date() -> DateTime<FixedOffset> {
    DateTime::parse_from_rfc3339("2026-11-23T23:00:05+01:00").unwrap()
}

fn refused(recipient: &str) -> MailError {
    MailError::Refused {
        server: "mx:25".to_owned(),
        recipient: recipient.to_owned(),
        reply: "550 no such user".to_owned(),
        transient: false,
    }
}

#[test]
fn a_mail_reader_finds_headers_both_texts_and_the_log() {
    let mut record = samples::clean_night();
    record.log_lines = vec!["line one é".to_owned(), "line two".to_owned()];
    let bytes = build(&email(&["Ops <ops@example.org>", "dba@example.org"]), &record, date()).unwrap().formatted();
    let mail = MessageParser::default().parse(&bytes).unwrap();

    assert_eq!(mail.subject(), Some("Mein täglicher Bericht: delivered, db1 (23 Nov 2026)"));
    assert_eq!(mail.message_id(), Some("20261123-230000-4711@db1"));
    assert_eq!(mail.date().unwrap().to_timestamp(), date().timestamp());
    assert_eq!(mail.header_raw("Auto-Submitted").map(str::trim), Some("auto-generated"));
    let to: Vec<_> = mail.to().unwrap().iter().filter_map(|address| address.address()).collect();
    assert_eq!(to, ["ops@example.org", "dba@example.org"]);

    let text = mail.body_text(0).unwrap();
    assert_eq!(text.replace("\r\n", "\n"), message::plain_text(&record));
    let page = mail.body_html(0).unwrap();
    assert_eq!(page.replace("\r\n", "\n"), message::html(&record));
    let log = mail.attachment(0).unwrap();
    assert_eq!(log.attachment_name(), Some("scripting-system-20261123-230000-4711.log"));
    assert_eq!(log.text_contents().unwrap().replace("\r\n", "\n"), "line one é\nline two\n");
    assert_eq!(mail.attachment_count(), 1);
}

#[test]
fn without_attach_log_nothing_is_attached() {
    let mut email = email(&["ops@example.org"]);
    email.attach_log = false;
    let bytes = build(&email, &samples::clean_night(), date()).unwrap().formatted();
    assert_eq!(MessageParser::default().parse(&bytes).unwrap().attachment_count(), 0);
}

#[test]
fn what_travels_is_ascii_in_short_lines() {
    let mut record = samples::failed_night();
    record.log_lines = vec!["é".repeat(5_000)];
    let bytes = build(&email(&["ops@example.org"]), &record, date()).unwrap().formatted();
    assert!(bytes.is_ascii());
    // RFC 5322, 2.1.1.
    assert!(bytes.split(|byte| *byte == b'\n').all(|line| line.len() <= 999));
}

#[test]
fn a_strange_host_name_still_makes_one_message_id() {
    let mut record = samples::clean_night();
    record.host = "a b>\r\nBcc: x@example.org".to_owned();
    let bytes = build(&email(&["ops@example.org"]), &record, date()).unwrap().formatted();
    let mail = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(mail.message_id(), Some("20261123-230000-4711@a-b---Bcc--x-example.org"));
    assert!(mail.bcc().is_none());
}

#[test]
fn one_refused_recipient_does_not_keep_the_others_from_it() {
    let email = email(&["a@example.org", "b@example.org", "c@example.org"]);
    let message = build(&email, &samples::clean_night(), date()).unwrap();
    let tries = Cell::new(0);
    let deliveries = send(&email, &message, |_| {
        tries.set(tries.get() + 1);
        if tries.get() == 2 { Err(refused("b@example.org")) } else { Ok(()) }
    });
    let delivered: Vec<bool> = deliveries.iter().map(|delivery| delivery.result.is_ok()).collect();
    assert_eq!(delivered, [true, false, true]);
}

#[test]
fn a_refused_login_is_not_repeated_for_each_recipient() {
    let email = email(&["a@example.org", "b@example.org", "c@example.org"]);
    let message = build(&email, &samples::clean_night(), date()).unwrap();
    let tries = Cell::new(0);
    let login = MailError::Authentication {
        server: "mx:465".to_owned(),
        username: "backup".to_owned(),
        reply: "535 no".to_owned(),
        transient: false,
    };
    let deliveries = send(&email, &message, |_| {
        tries.set(tries.get() + 1);
        Err(login.clone())
    });
    assert_eq!(tries.get(), 1);
    assert!(deliveries.iter().all(|delivery| delivery.result == Err(login.clone())));
}

#[test]
fn a_server_that_is_down_is_worth_another_try_and_names_the_keys() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut email = email(&["a@example.org"]);
    email.server.as_mut().unwrap().port = port;
    let message = build(&email, &samples::clean_night(), date()).unwrap();
    let error = send_to(&email, &message, &email.to[0]).unwrap_err();
    assert!(error.is_transient());
    let told = error.to_string();
    assert!(told.contains("Connection refused") && told.contains("email.server.host"), "{told}");
}

#[test]
fn a_missing_ca_file_is_told_by_its_key() {
    let mut email = email(&["a@example.org"]);
    let server = email.server.as_mut().unwrap();
    server.security = MailSecurity::Tls;
    server.ca_file = Some("/nonexistent/ca.pem".into());
    let message = build(&email, &samples::clean_night(), date()).unwrap();
    let told = send_to(&email, &message, &email.to[0]).unwrap_err().to_string();
    assert!(told.starts_with("email.server.ca_file: /nonexistent/ca.pem: No such file"), "{told}");
}

#[test]
fn what_may_have_arrived_is_not_sent_again() {
    let lost = |has_content| MailError::Lost {
        server: "mx:25".to_owned(),
        recipient: "a@example.org".to_owned(),
        reason: "no answer within 30 s".to_owned(),
        has_content,
    };
    assert!(!lost(true).is_transient());
    assert!(lost(true).to_string().contains("may have arrived"));
    assert!(lost(false).is_transient());
}
