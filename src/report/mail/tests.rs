//! The mail as a mail reader decodes it, and which recipients are tried.

use std::cell::Cell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::thread;

use chrono::{DateTime, FixedOffset};
use mail_parser::{MessageParser, MimeHeaders as _};

use crate::config::{Credentials, Email, MailSecurity, MailServer, SendOn};
use crate::report::mail::build::build;
use crate::report::mail::error::MailError;
use crate::report::mail::html;
use crate::report::mail::send::{send, send_to, undelivered};
use crate::report::message::{plain, samples};
use crate::runtime::retry::Retryable as _;

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
    assert_eq!(text.replace("\r\n", "\n"), plain::plain_text(&record));
    let page = mail.body_html(0).unwrap();
    assert_eq!(page.replace("\r\n", "\n"), html::html(&record));
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
    assert_eq!(
        undelivered(&deliveries).unwrap(),
        "the mail did not reach 1 of 3 recipients: the mail server mx:25 refused the mail to b@example.org: 550 no such \
         user"
    );
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
    let told = undelivered(&deliveries).unwrap();
    assert!(told.starts_with("the mail did not reach 3 of 3 recipients: "), "{told}");
    assert_eq!(told.matches("535 no").count(), 1);
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

/// Sends a mail to a server that greets and then answers each command that begins as in `replies` with the reply beside
/// it; `None` hangs up. Gives the result and what the server was sent.
fn sent_to_server_with(
    security: MailSecurity,
    replies: &'static [(&'static str, Option<&'static str>)],
) -> (Result<(), MailError>, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"220 mx ready\r\n").unwrap();
        let mut heard: Vec<String> = Vec::new();
        let mut is_content = false;
        for line in BufReader::new(stream.try_clone().unwrap()).split(b'\n') {
            let Ok(line) = line else { break };
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            // A line of the mail is no command, whatever it begins with.
            let is_told = |command: &str| if is_content { line == command } else { line.starts_with(command) };
            let reply = replies.iter().find(|(command, _)| is_told(command)).map(|(_, reply)| *reply);
            is_content = if is_content { line != "." } else { line == "DATA" };
            heard.push(line);
            match reply {
                Some(Some(reply)) => stream.write_all(reply.as_bytes()).unwrap(),
                Some(None) => break,
                None => {}
            }
        }
        heard
    });
    let mut email = email(&["ops@example.org", "dba@example.org"]);
    let mail_server = email.server.as_mut().unwrap();
    mail_server.port = port;
    mail_server.security = security;
    mail_server.credentials = Some(Credentials { username: "backup".to_owned(), password: "hunter22".into() });
    let message = build(&email, &samples::clean_night(), date()).unwrap();
    let result = send_to(&email, &message, &email.to[1]);
    (result, server.join().unwrap())
}

const HELLO: (&str, Option<&str>) = ("EHLO", Some("250-mx\r\n250 AUTH PLAIN LOGIN\r\n"));
const AUTH: (&str, Option<&str>) = ("AUTH", Some("235 welcome\r\n"));
const MAIL: (&str, Option<&str>) = ("MAIL", Some("250 ok\r\n"));
const RCPT: (&str, Option<&str>) = ("RCPT", Some("250 ok\r\n"));
const DATA: (&str, Option<&str>) = ("DATA", Some("354 go on\r\n"));

#[test]
fn the_envelope_names_one_recipient_and_a_rude_goodbye_does_not_matter() {
    let (result, heard) = sent_to_server_with(
        MailSecurity::None,
        &[HELLO, AUTH, MAIL, RCPT, DATA, (".", Some("250 taken\r\n")), ("QUIT", None)],
    );
    assert_eq!(result, Ok(()));
    let recipients: Vec<_> = heard.iter().filter(|line| line.starts_with("RCPT")).collect();
    assert_eq!(recipients, ["RCPT TO:<dba@example.org>"]);
}

#[test]
fn a_refusal_is_told_with_the_servers_words_and_tried_again_only_if_passing() {
    let (result, _) = sent_to_server_with(
        MailSecurity::None,
        &[HELLO, AUTH, MAIL, ("RCPT", Some("550 no such user\r\n")), ("QUIT", None)],
    );
    let error = result.unwrap_err();
    assert!(error.to_string().ends_with("refused the mail to dba@example.org: 550 no such user"), "{error}");
    assert!(!error.is_transient() && !error.is_about_server());
    let (result, _) = sent_to_server_with(
        MailSecurity::None,
        &[HELLO, AUTH, MAIL, RCPT, DATA, (".", Some("451 later\r\n")), ("QUIT", None)],
    );
    assert!(result.unwrap_err().is_transient());
}

#[test]
fn a_connection_that_breaks_is_met_again_only_before_the_content() {
    let (result, _) = sent_to_server_with(MailSecurity::None, &[HELLO, AUTH, MAIL, RCPT, ("DATA", None)]);
    let error = result.unwrap_err();
    assert!(matches!(error, MailError::Lost { has_content: false, .. }) && error.is_transient(), "{error}");
    let (result, _) = sent_to_server_with(MailSecurity::None, &[HELLO, AUTH, MAIL, RCPT, DATA, (".", None)]);
    let error = result.unwrap_err();
    assert!(matches!(error, MailError::Lost { has_content: true, .. }) && !error.is_transient(), "{error}");
}

#[test]
fn a_refused_login_names_the_keys_and_not_the_password() {
    let (result, _) =
        sent_to_server_with(MailSecurity::None, &[HELLO, ("AUTH", Some("535 wrong\r\n")), ("QUIT", None)]);
    let error = result.unwrap_err();
    let told = format!("{error} {error:?}");
    assert!(told.contains("login of backup: 535 wrong; check email.server.username"), "{told}");
    assert!(!told.contains("hunter22") && !error.is_transient(), "{told}");
}

#[test]
fn without_starttls_neither_login_nor_mail_is_sent() {
    let (result, heard) = sent_to_server_with(MailSecurity::Starttls, &[HELLO, AUTH, MAIL]);
    assert!(matches!(result, Err(MailError::NoStarttls { .. })), "{result:?}");
    assert!(heard.iter().all(|line| line.starts_with("EHLO")), "{heard:?}");
}

#[test]
fn a_server_without_tls_is_told_as_a_tls_fault() {
    let (result, _) = sent_to_server_with(MailSecurity::Tls, &[]);
    let error = result.unwrap_err();
    assert!(matches!(error, MailError::Tls { .. }) && !error.is_transient(), "{error}");
}
