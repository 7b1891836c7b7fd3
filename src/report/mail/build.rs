//! Builds the mail: headers, plain text, HTML, and the log lines as an attachment.

use chrono::{DateTime, FixedOffset};
use lettre::Message;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, MessageBuilder, MultiPart};

use crate::config::Email;
use crate::record::run_record::RunRecord;
use crate::report::mail::error::MailError;
use crate::report::mail::html;
use crate::report::message::{headline, overview, plain, trial};

/// Builds the mail about one or several jobs.
///
/// Fails if lettre rejects a part, which validation of the configuration should prevent.
pub(crate) fn build(email: &Email, records: &[RunRecord], date: DateTime<FixedOffset>) -> Result<Message, MailError> {
    let prefix = &email.subject;
    let (id, host) = records.first().map_or(("", ""), |record| (&record.run_id, &record.host));
    let (subject, plain, html) = match records {
        [record] => (headline::subject(record, prefix), plain::plain_text(record), html::html(record)),
        several => (overview::subject(several, prefix), plain::overview(several), html::overview::html(several)),
    };
    let mut parts = MultiPart::mixed().multipart(MultiPart::alternative_plain_html(plain, html));
    if email.attach_log {
        let name = format!("scripting-system-{}.log", name_part(id));
        let lines: String =
            records.iter().flat_map(|record| &record.log_lines).map(|line| format!("{line}\n")).collect();
        let plain = ContentType::parse("text/plain; charset=utf-8")
            .map_err(|error| MailError::Build { reason: error.to_string() })?;
        parts = parts.singlepart(Attachment::new(name).body(lines, plain));
    }
    headers(email, id, host, subject, date)
        .multipart(parts)
        .map_err(|error| MailError::Build { reason: error.to_string() })
}

/// Builds a test mail from the machine `host`; `id` distinguishes it from others of the same second.
pub(crate) fn build_trial(
    email: &Email,
    host: &str,
    date: DateTime<FixedOffset>,
    id: u32,
) -> Result<Message, MailError> {
    let id = format!("check-{}-{id}", date.format("%Y%m%dT%H%M%S"));
    headers(email, &id, host, trial::subject(&email.subject, host), date)
        .body(trial::text(host) + "\n")
        .map_err(|error| MailError::Build { reason: error.to_string() })
}

fn headers(email: &Email, id: &str, host: &str, subject: String, date: DateTime<FixedOffset>) -> MessageBuilder {
    // RFC 3834: prevents automatic replies.
    let auto_submitted =
        HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
    let builder = Message::builder()
        .from(email.from.clone())
        .subject(subject)
        .date(date.into())
        .message_id(Some(format!("<{}@{}>", name_part(id), name_part(host))))
        .raw_header(auto_submitted);
    email.to.iter().fold(builder, |builder, recipient| builder.to(recipient.clone()))
}

/// Replaces characters that are not allowed in a Message-ID (RFC 5322, 3.6.4) or a file name.
fn name_part(text: &str) -> String {
    let part: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '-' }).collect();
    match part.trim_matches('.').replace("..", ".") {
        part if part.is_empty() => "unknown".to_owned(),
        part => part,
    }
}
