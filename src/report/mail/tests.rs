//! The mail as a mail reader decodes it, and its delivery over SMTP.

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

#[test]
fn a_mail_has_headers_plain_text_html_and_the_log() {
    let mut record = samples::delivered();
    record.log_lines = vec!["line one é".to_owned(), "line two".to_owned()];
    let bytes = build(&email(&["Ops <ops@example.org>", "dba@example.org"]), std::slice::from_ref(&record), date())
        .unwrap()
        .formatted();
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
fn a_mail_is_ascii_in_short_lines() {
    let mut record = samples::hostile();
    record.log_lines = vec!["é".repeat(5_000)];
    let bytes = build(&email(&["ops@example.org"]), &[record], date()).unwrap().formatted();
    assert!(bytes.is_ascii());
    // RFC 5322, 2.1.1.
    assert!(bytes.split(|byte| *byte == b'\n').all(|line| line.len() <= 999));
}

#[test]
fn an_unusual_host_name_makes_a_valid_message_id() {
    let mut record = samples::delivered();
    record.host = "a b>\r\nBcc: x@example.org".to_owned();
    let bytes = build(&email(&["ops@example.org"]), &[record], date()).unwrap().formatted();
    let mail = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(mail.message_id(), Some("20261123-230000-4711@a-b---Bcc--x-example.org"));
    assert!(mail.bcc().is_none());
}

#[test]
fn an_error_that_affects_all_recipients_ends_the_attempts_and_is_reported_once() {
    let email = email(&["a@example.org", "b@example.org", "c@example.org"]);
    let message = build(&email, &[samples::delivered()], date()).unwrap();
    let (server, reply) = ("mx:465".to_owned(), "no".to_owned());
    let refused = MailError::Refused {
        server: server.clone(),
        recipient: "b@example.org".to_owned(),
        reply: reply.clone(),
        is_transient: false,
    };
    let login = MailError::Authentication { server, username: "backup".to_owned(), reply, is_transient: false };
    let send_failing = |failing_attempt: u32, error: MailError| {
        let attempts = Cell::new(0);
        let deliveries = send(&email, &message, |_| {
            attempts.set(attempts.get() + 1);
            if attempts.get() == failing_attempt { Err(error.clone()) } else { Ok(()) }
        });
        (attempts.get(), undelivered(&deliveries))
    };
    let (attempts, sentence) = send_failing(2, refused.clone());
    assert_eq!((attempts, sentence), (3, Some(format!("the mail did not reach 1 of 3 recipients: {refused}"))));
    let (attempts, sentence) = send_failing(1, login.clone());
    assert_eq!((attempts, sentence), (1, Some(format!("the mail did not reach 3 of 3 recipients: {login}"))));
    assert_eq!(send_failing(4, login), (3, None));
}

#[test]
fn a_missing_ca_file_is_reported_with_its_key() {
    let mut email = email(&["a@example.org"]);
    let server = email.server.as_mut().unwrap();
    server.security = MailSecurity::Tls;
    server.ca_file = Some("/nonexistent/ca.pem".into());
    let message = build(&email, &[samples::delivered()], date()).unwrap();
    let error = send_to(&email, &message, &email.to[0]).unwrap_err().to_string();
    assert!(error.starts_with("email.server.ca_file: /nonexistent/ca.pem: No such file"), "{error}");
}

/// Sends a mail to a server that looks up its reply by the beginning of each command; `None` closes the connection. Returns
/// the result and the lines that the server received.
fn send_to_server_with(
    security: MailSecurity,
    replies: &'static [(&'static str, Option<&'static str>)],
) -> (Result<(), MailError>, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"220 mx ready\r\n").unwrap();
        let mut received: Vec<String> = Vec::new();
        let mut is_content = false;
        for line in BufReader::new(stream.try_clone().unwrap()).split(b'\n') {
            let Ok(line) = line else { break };
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            // A line of the mail is not a command.
            let is_command = |command: &str| if is_content { line == command } else { line.starts_with(command) };
            let reply = replies.iter().find(|(command, _)| is_command(command)).map(|(_, reply)| *reply);
            is_content = if is_content { line != "." } else { line == "DATA" };
            received.push(line);
            match reply {
                Some(Some(reply)) => stream.write_all(reply.as_bytes()).unwrap(),
                Some(None) => break,
                None => {}
            }
        }
        received
    });
    let mut email = email(&["ops@example.org", "dba@example.org"]);
    let mail_server = email.server.as_mut().unwrap();
    mail_server.port = port;
    mail_server.security = security;
    mail_server.credentials = Some(Credentials { username: "backup".to_owned(), password: "hunter22".into() });
    let message = build(&email, &[samples::delivered()], date()).unwrap();
    let result = send_to(&email, &message, &email.to[1]);
    (result, server.join().unwrap())
}

const HELLO: (&str, Option<&str>) = ("EHLO", Some("250-mx\r\n250 AUTH PLAIN LOGIN\r\n"));
const AUTH: (&str, Option<&str>) = ("AUTH", Some("235 welcome\r\n"));
const MAIL: (&str, Option<&str>) = ("MAIL", Some("250 ok\r\n"));
const RCPT: (&str, Option<&str>) = ("RCPT", Some("250 ok\r\n"));
const DATA: (&str, Option<&str>) = ("DATA", Some("354 send the mail\r\n"));

#[test]
fn the_envelope_has_one_recipient_and_a_failed_quit_is_ignored() {
    let (result, received) = send_to_server_with(
        MailSecurity::None,
        &[HELLO, AUTH, MAIL, RCPT, DATA, (".", Some("250 accepted\r\n")), ("QUIT", None)],
    );
    assert_eq!(result, Ok(()));
    let recipients: Vec<_> = received.iter().filter(|line| line.starts_with("RCPT")).collect();
    assert_eq!(recipients, ["RCPT TO:<dba@example.org>"]);
}

#[test]
fn a_broken_connection_is_retried_only_before_the_content() {
    let (result, _) = send_to_server_with(MailSecurity::None, &[HELLO, AUTH, MAIL, RCPT, ("DATA", None)]);
    let error = result.unwrap_err();
    assert!(matches!(error, MailError::Lost { has_content: false, .. }) && error.is_transient(), "{error}");
    let (result, _) = send_to_server_with(MailSecurity::None, &[HELLO, AUTH, MAIL, RCPT, DATA, (".", None)]);
    let error = result.unwrap_err();
    assert!(matches!(error, MailError::Lost { has_content: true, .. }) && !error.is_transient(), "{error}");
}

#[test]
fn the_error_of_a_refused_login_names_the_keys_but_not_the_password() {
    let (result, _) =
        send_to_server_with(MailSecurity::None, &[HELLO, ("AUTH", Some("535 wrong\r\n")), ("QUIT", None)]);
    let error = result.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("login of backup: 535 wrong; check email.server.username"), "{shown}");
    assert!(!shown.contains("hunter22") && !error.is_transient(), "{shown}");
}

#[test]
fn a_server_without_tls_causes_a_tls_error() {
    let (result, _) = send_to_server_with(MailSecurity::Tls, &[]);
    let error = result.unwrap_err();
    assert!(matches!(error, MailError::Tls { .. }) && !error.is_transient(), "{error}");
}
