//! Pings a monitor, which raises an alarm if no ping arrives, as defined by healthchecks.io.
//!
//! `<url>/start` when the run starts, then `<url>` or `<url>/fail`, each as a POST
//! (<https://healthchecks.io/docs/http_api/>). Anyone who knows the URL can ping.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::config::Monitor;
use crate::record::run_record::RunRecord;
use crate::record::task::Task;
use crate::report::message::plain;
use crate::report::post::{Endpoint, Message, PostError, Response, Service};
use crate::runtime::error_chain::with_causes;
use crate::runtime::worker::inherit;

/// For the start ping, which only lets the monitor measure the duration.
const START_LIMIT: Duration = Duration::from_secs(5);

/// In bytes, as healthchecks.io allows. Self-hosted installations may keep only the first 10 kB.
const MAX_BODY: usize = 100_000;

/// healthchecks.io responds to an ignored ping with status 200 and one of these bodies.
const NOT_FOUND: &str = "OK (not found)";
const RATE_LIMITED: &str = "OK (rate limited)";

const MONITOR: Service = Service {
    name: "the monitoring service",
    address_key: "monitor.ping_url",
    ca_key: "monitor.ca_file",
    refused: "did not accept the ping",
    unanswered: "the ping may have arrived",
    is_repeatable: true,
};
/// For the two keys of an address: `monitor.ping_url`, `drill.ping_url`.
static SERVICES: [Service; 2] = [MONITOR, Service { address_key: "drill.ping_url", ..MONITOR }];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ping {
    Start,
    /// A verified archive of the run's date is on the server, or the drill passed.
    Success,
    /// There is none: the run failed, was interrupted, or found a stale dump. Or the drill did not pass.
    Failure,
}

impl Ping {
    pub(crate) fn for_runs(records: &[RunRecord]) -> Ping {
        if records.iter().all(RunRecord::has_succeeded) { Ping::Success } else { Ping::Failure }
    }

    fn suffix(self) -> &'static str {
        match self {
            Ping::Start => "/start",
            Ping::Success => "",
            Ping::Failure => "/fail",
        }
    }
}

/// The ping at the start of a run, sent while the job runs.
pub(crate) struct StartPing {
    ended: Mutex<Receiver<()>>,
}

impl StartPing {
    /// Sends the ping once, on its own thread, so that it can neither delay the job nor fail it.
    pub(crate) fn send(monitor: Monitor) -> StartPing {
        let (sender, ended) = mpsc::channel();
        let ping = move || {
            match send(&monitor, Ping::Start, String::new()) {
                Ok(()) => tracing::debug!(task = Task::Report.title(), "pinged the monitor: start"),
                Err(error) => tracing::info!(
                    task = Task::Report.title(),
                    "the monitor was not pinged at the start: {}",
                    with_causes(&error)
                ),
            }
            drop(sender);
        };
        if let Err(error) = thread::Builder::new().spawn(inherit(ping)) {
            tracing::info!(task = Task::Report.title(), "the monitor was not pinged at the start: {error}");
        }
        StartPing { ended: Mutex::new(ended) }
    }

    /// Waits for the ping, up to [`START_LIMIT`] plus one second: if it arrived after the final ping, the monitor would
    /// consider the run unfinished.
    pub(crate) fn wait(&self) {
        // The thread only closes the channel, so the result is always an error.
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = ended.recv_timeout(START_LIMIT + Duration::from_secs(1));
    }
}

/// The body of the final ping: the mail's plain text, truncated.
pub(crate) fn body(records: &[RunRecord]) -> String {
    let mut body = match records {
        [record] => plain::plain_text(record),
        several => plain::overview(several),
    };
    body.truncate(body.floor_char_boundary(MAX_BODY));
    body
}

/// Sends `ping` with `body` once; [`Ping::Start`] within [`START_LIMIT`]. Fails if the service did not confirm it.
pub(crate) fn send(monitor: &Monitor, ping: Ping, body: String) -> Result<(), PostError> {
    let service = &SERVICES[usize::from(monitor.is_for_drills)];
    let endpoint = Endpoint::new(service, &monitor.ping_url, monitor.ca_file.as_deref())?;
    let limit = (ping == Ping::Start).then_some(START_LIMIT);
    let message = Message { content_type: "text/plain; charset=utf-8", body, limit };
    check(service, endpoint.post(ping.suffix(), message)?)
}

fn check(service: &'static Service, response: Response) -> Result<(), PostError> {
    let is_success = (200..300).contains(&response.status);
    if is_success && ![NOT_FOUND, RATE_LIMITED].contains(&response.body.as_str()) {
        return Ok(());
    }
    let is_transient = matches!(response.status, 429 | 500..=599) || response.body == RATE_LIMITED;
    let may_be_wrong_url = response.status < 500 && response.status != 429;
    let advice = match service.address_key {
        _ if !may_be_wrong_url => "",
        "drill.ping_url" => "; check drill.ping_url",
        _ => "; check monitor.ping_url",
    };
    Err(PostError::refused(service, response, advice, is_transient))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::run_record::Level;
    use crate::record::task::Task;
    use crate::report::message::samples;
    use crate::runtime::interrupt::Interruption;
    use crate::runtime::retry::Retryable as _;

    #[test]
    fn only_a_delivery_is_a_success() {
        let mut interrupted = samples::delivered();
        interrupted.interruption = Some(Interruption::Sigterm);
        for record in [samples::delivered(), samples::held_back_removal(), interrupted] {
            assert_eq!(Ping::for_runs(&[record]), Ping::Success);
        }
        let mut timed_out = samples::started();
        timed_out.interruption = Some(Interruption::Deadline);
        for record in [samples::stale(), samples::hostile(), timed_out] {
            assert_eq!(Ping::for_runs(&[record]), Ping::Failure);
        }
    }

    #[test]
    fn a_long_body_is_truncated() {
        let mut record = samples::hostile();
        for _ in 0..100 {
            record.note(Level::Warning, Task::RemoveExpired, &"é".repeat(1_001));
        }
        let body = body(&[record]);
        assert!((MAX_BODY - 3..=MAX_BODY).contains(&body.len()), "{}", body.len());
        assert!(body.starts_with("FAILED at Find dump"), "{}", &body[..100]);
    }

    #[test]
    fn an_ignored_ping_is_an_error_despite_status_200() {
        let result = |status, body: &str| {
            check(
                &SERVICES[0],
                Response { status, body: body.to_owned(), reply: format!(": {body}"), retry_after: None },
            )
        };
        assert!(result(200, "OK").is_ok() && result(201, "").is_ok() && result(204, "").is_ok());
        let unknown = result(200, NOT_FOUND).unwrap_err();
        assert!(!unknown.is_transient());
        insta::assert_snapshot!(unknown, @"the monitoring service did not accept the ping: status 200: OK (not found); check monitor.ping_url");
        assert!(result(200, RATE_LIMITED).unwrap_err().is_transient());
        for (status, is_transient) in [(302, false), (404, false), (409, false), (429, true), (500, true), (503, true)]
        {
            assert_eq!(result(status, "").unwrap_err().is_transient(), is_transient, "{status}");
        }
    }
}
