//! The payload of the incoming webhook.

use serde_json::{Value, json};

use crate::config::Mattermost;
use crate::record::run_record::RunRecord;
use crate::report::mattermost::attachment::attachment;
use crate::report::mattermost::{markdown, overview};
use crate::report::message::overview::has_failed;
use crate::report::message::trial;

/// Up to this many failed jobs get an attachment of their own.
const MAX_ATTACHMENTS: usize = 5;

/// The payload that reports one or several jobs. `undelivered_mail` states how many recipients the mail did not reach, and why.
pub(crate) fn build(mattermost: &Mattermost, records: &[RunRecord], undelivered_mail: Option<&str>) -> Value {
    let (text, attachments) = match records {
        [record] => (markdown::text(record, undelivered_mail), vec![attachment(record, None)]),
        several => {
            let failed = several.iter().filter(|record| has_failed(record) && record.not_begun.is_none());
            let attachments = failed.map(|record| attachment(record, Some(&record.name))).take(MAX_ATTACHMENTS);
            (overview::text(several, undelivered_mail), attachments.collect())
        }
    };
    let mut payload = with_text(mattermost, &text);
    payload["attachments"] = json!(attachments);
    payload
}

/// The payload of a test message from the machine `host`.
pub(crate) fn build_trial(mattermost: &Mattermost, host: &str) -> Value {
    with_text(mattermost, &trial::text(host))
}

fn with_text(mattermost: &Mattermost, text: &str) -> Value {
    let mut payload = json!({ "text": text });
    for (key, value) in [("username", &mattermost.username), ("icon_url", &mattermost.icon_url)] {
        if let Some(value) = value {
            payload[key] = json!(value);
        }
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SendOn;
    use crate::report::message::samples;

    fn mattermost() -> Mattermost {
        let webhook_url = "https://chat.example.org/hooks/x".into();
        Mattermost { send: SendOn::Always, webhook_url, username: None, icon_url: None, ca_file: None }
    }

    #[test]
    fn each_kind_of_run_has_its_message() {
        for (name, record) in samples::all() {
            let payload = build(&mattermost(), &[record], None);
            let attachments = serde_json::to_string_pretty(&payload["attachments"]).unwrap();
            insta::assert_snapshot!(name, format!("{}\n{attachments}", payload["text"].as_str().unwrap()));
        }
    }

    #[test]
    fn username_and_icon_are_sent_only_if_configured() {
        let mut mattermost = mattermost();
        assert_eq!(with_text(&mattermost, "a"), json!({"text": "a"}));
        mattermost.username = Some("backup".to_owned());
        mattermost.icon_url = Some("https://example.org/i.png".to_owned());
        let expected = json!({"text": "a", "username": "backup", "icon_url": "https://example.org/i.png"});
        assert_eq!(with_text(&mattermost, "a"), expected);
    }
}
