//! The text of the test messages that `check --notify` sends.

/// The subject of a test mail from the machine `host`, with the same `prefix` as reports.
pub(crate) fn subject(prefix: &str, host: &str) -> String {
    format!("{prefix}: TEST, reports from {host} will arrive here")
}

pub(crate) fn text(host: &str) -> String {
    format!("TEST: this is not a report. scripting-system check on {host} is testing whether reports arrive here.")
}
