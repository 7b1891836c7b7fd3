//! The two forms of a log line.

use chrono::{DateTime, FixedOffset};
use scripting_system::config::{LogFormat, LogLevel};
use scripting_system::report::log::log_line::*;
use scripting_system::rules::redaction::Redaction;
use secrecy::SecretString;

fn line(message: &str) -> LogLine {
    LogLine {
        severity: Severity::Info,
        task: Some("Request zip".to_owned()),
        seconds: Some(2.34567),
        message: message.to_owned(),
        fields: vec![("bytes", 12.into()), ("server", "a b".into())],
    }
}

fn time() -> DateTime<FixedOffset> {
    DateTime::parse_from_rfc3339("2026-11-23T23:00:01.123+01:00").unwrap()
}

#[test]
fn a_text_line_has_time_level_run_task_and_message() {
    assert_eq!(
        format_line(&line("12 bytes"), time(), "r1", LogFormat::Text),
        "2026-11-23T23:00:01.123+01:00 INFO    [r1] Request zip: 12 bytes (2.3 s) bytes=12 server=a b"
    );
}

#[test]
fn a_json_line_has_the_same_values_as_fields() {
    assert_eq!(
        format_line(&line("say \"hi\""), time(), "r1", LogFormat::Json),
        concat!(
            r#"{"time":"2026-11-23T23:00:01.123+01:00","level":"INFO","run":"r1","task":"Request zip","#,
            r#""message":"say \"hi\"","seconds":2.346,"bytes":12,"server":"a b"}"#
        )
    );
}

#[test]
fn a_message_can_neither_forge_a_line_nor_contain_a_secret() {
    let redaction = Redaction::new(&[SecretString::from("hunter22")]);
    for format in [LogFormat::Text, LogFormat::Json] {
        let mut line = line("a\n2026-11-23 ERROR hunter22");
        line.fields.push(("reply", "hunter22\n".into()));
        let line = format_line(&line.cleaned(&redaction), time(), "r1", format);
        assert!(!line.contains('\n') && !line.contains("hunter22"), "{line}");
    }
}

#[test]
fn a_severity_is_compared_with_the_log_level() {
    assert!(Severity::Critical.is_at_least(LogLevel::Error));
    assert!(!Severity::Warning.is_at_least(LogLevel::Error));
    assert!(!Severity::Debug.is_at_least(LogLevel::Info));
    assert!(Severity::Debug.is_at_least(LogLevel::Debug));
}
