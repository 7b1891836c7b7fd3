//! The ping of a monitor, which raises the alarm where none comes: healthchecks.io's convention.
//!
//! `<address>/start` as the run begins, then `<address>` or `<address>/fail`, each a POST
//! (<https://healthchecks.io/docs/http_api/>). The address lets anyone ping: no error text holds it.

use std::time::Duration;

use crate::config;
use crate::record::run_record::RunRecord;
use crate::report::message::plain;
use crate::report::post::{Answer, Endpoint, Message, PostError, Service};

/// For the whole ping as the run begins, which is a courtesy: the monitor then knows how long a run takes.
pub const START_LIMIT: Duration = Duration::from_secs(5);

/// Longest body in bytes: healthchecks.io keeps so much of it, an installation of one's own often the first 10 kB.
pub const MAX_BODY: usize = 100_000;

/// With these, and status 200, healthchecks.io says that it made nothing of a ping.
const NOT_FOUND: &str = "OK (not found)";
const RATE_LIMITED: &str = "OK (rate limited)";

static MONITOR: Service = Service {
    name: "the monitoring service",
    address_key: "monitor.ping_url",
    ca_key: "monitor.ca_file",
    unanswered: "the ping may have arrived",
};

/// What a ping says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ping {
    /// The run has begun.
    Start,
    /// A verified archive of the run's date lies on the server.
    Success,
    /// None does: the run failed, was ended before its end, or found a stale dump.
    Failure,
}

impl Ping {
    /// What the run of `record` comes to, warnings or not.
    pub fn of(record: &RunRecord) -> Ping {
        if record.is_delivered() { Ping::Success } else { Ping::Failure }
    }

    fn suffix(self) -> &'static str {
        match self {
            Ping::Start => "/start",
            Ping::Success => "",
            Ping::Failure => "/fail",
        }
    }
}

/// Why a ping did not get through.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// The server did not get as far as an answer.
    #[error(transparent)]
    Post(#[from] PostError),
    /// The server answered something else than that it took the ping.
    #[error("the monitoring service did not take the ping: status {status}{reply}{}", advice(*status))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said, after a colon; empty where it said nothing.
        reply: String,
        /// Whether another try may go better.
        is_transient: bool,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
}

fn advice(status: u16) -> &'static str {
    match status {
        200..=499 if status != 429 => "; check monitor.ping_url",
        _ => "",
    }
}

impl MonitorError {
    /// Whether another try may go better. A ping that arrives twice does no harm, so a time-out is worth one too.
    pub fn is_transient(&self) -> bool {
        match self {
            MonitorError::Post(error) => {
                matches!(error, PostError::Unreachable { .. } | PostError::NoAnswer { .. })
            }
            MonitorError::Refused { is_transient, .. } => *is_transient,
        }
    }

    /// How long the service wants to be left alone before another try, where it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            MonitorError::Refused { retry_after, .. } => *retry_after,
            MonitorError::Post(_) => None,
        }
    }
}

/// The body that goes with the ping at the end of the run of `record`: the mail's plain text.
pub fn body(record: &RunRecord) -> String {
    let mut body = plain::plain_text(record);
    body.truncate(body.floor_char_boundary(MAX_BODY));
    body
}

/// Sends `ping` with `body`, once; the one at the start within [`START_LIMIT`].
///
/// # Errors
/// If the service did not say that it took it; [`is_transient`](MonitorError::is_transient) tells whether another try
/// makes sense.
pub fn send(monitor: &config::Monitor, ping: Ping, body: String) -> Result<(), MonitorError> {
    let endpoint = Endpoint::new(&MONITOR, &monitor.ping_url, monitor.ca_file.as_deref())?;
    let limit = (ping == Ping::Start).then_some(START_LIMIT);
    let answer = endpoint.post(ping.suffix(), Message { content_type: "text/plain; charset=utf-8", body, limit })?;
    judge(answer)
}

fn judge(answer: Answer) -> Result<(), MonitorError> {
    let is_success = (200..300).contains(&answer.status);
    let is_transient = matches!(answer.status, 429 | 500..=599) || answer.body == RATE_LIMITED;
    if is_success && ![NOT_FOUND, RATE_LIMITED].contains(&answer.body.as_str()) {
        return Ok(());
    }
    let Answer { status, told: reply, retry_after, .. } = answer;
    Err(MonitorError::Refused { status, reply, is_transient, retry_after })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::run_record::Level;
    use crate::record::task::Task;
    use crate::report::message::samples;
    use crate::runtime::interrupt::Interruption;

    #[test]
    fn a_delivery_is_success_and_everything_else_is_failure() {
        let mut cut_off = samples::clean_night();
        cut_off.interruption = Some(Interruption::Sigterm);
        for record in [samples::clean_night(), samples::held_back_removal(), cut_off] {
            assert_eq!(Ping::of(&record), Ping::Success);
        }
        let mut late = samples::begun();
        late.interruption = Some(Interruption::Deadline);
        for record in [samples::stale_night(), samples::failed_night(), late] {
            assert_eq!(Ping::of(&record), Ping::Failure);
        }
    }

    #[test]
    fn a_long_body_is_cut_between_two_characters_and_begins_with_what_matters() {
        let mut record = samples::failed_night();
        for _ in 0..100 {
            record.note(Level::Warning, Task::RemoveExpired, &"é".repeat(1_001));
        }
        let body = body(&record);
        assert!((MAX_BODY - 3..=MAX_BODY).contains(&body.len()), "{}", body.len());
        assert!(body.starts_with("FAILED at Find dump"), "{}", &body[..100]);
    }

    #[test]
    fn an_answer_of_200_can_still_say_that_nothing_came_of_the_ping() {
        let answer = |status, body: &str| {
            judge(Answer { status, body: body.to_owned(), told: format!(": {body}"), retry_after: None })
        };
        assert!(answer(200, "OK").is_ok() && answer(201, "").is_ok() && answer(204, "").is_ok());
        let unknown = answer(200, NOT_FOUND).unwrap_err();
        assert!(!unknown.is_transient());
        insta::assert_snapshot!(unknown, @"the monitoring service did not take the ping: status 200: OK (not found); check monitor.ping_url");
        assert!(answer(200, RATE_LIMITED).unwrap_err().is_transient());
        for (status, is_transient) in [(302, false), (404, false), (409, false), (429, true), (500, true), (503, true)]
        {
            assert_eq!(answer(status, "").unwrap_err().is_transient(), is_transient, "{status}");
        }
    }
}
