//! The text of the test messages that `check --notify` sends.

/// The subject of a test mail from the machine `host`; reports begin with the same `prefix`.
pub(crate) fn subject(prefix: &str, host: &str) -> String {
    format!("{prefix}: TEST, reports from {host} will arrive here")
}

/// The text of a test message from the machine `host`.
pub(crate) fn text(host: &str) -> String {
    format!("TEST. This is not a report: scripting-system check on {host} tests that reports arrive here.")
}
