//! Who watches the job from outside: the monitor that is pinged as the run begins and ends, and the metrics.

use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, FixedOffset};

use crate::config::{Metrics, Monitor};
use crate::exit_code::ExitCode;
use crate::record::journal::Journal;
use crate::record::task::Task;
use crate::report::metrics::text::{self, Ending};
use crate::report::metrics::textfile;
use crate::report::monitor::{self, MonitorError, Ping};
use crate::runtime::error_chain::with_causes;
use crate::runtime::retry::{Retry, Retryable};

impl Retryable for MonitorError {
    fn is_transient(&self) -> bool {
        MonitorError::is_transient(self)
    }

    fn retry_after(&self) -> Option<Duration> {
        MonitorError::retry_after(self)
    }
}

/// The ping that tells the monitor that a run has begun, while it is under way beside the job.
pub(crate) struct StartPing {
    ended: Receiver<()>,
}

impl StartPing {
    /// Sends it, once, on a thread of its own: neither a fault of it nor the time that it takes is the job's.
    pub(crate) fn send(monitor: Monitor) -> StartPing {
        let (sender, ended) = mpsc::channel();
        let ping = move || {
            match monitor::send(&monitor, Ping::Start, String::new()) {
                Ok(()) => tracing::debug!(task = Task::Report.title(), "the monitor knows that the run has begun"),
                Err(error) => tracing::info!(
                    task = Task::Report.title(),
                    "the monitor does not know that the run has begun: {}",
                    with_causes(&error)
                ),
            }
            drop(sender);
        };
        if let Err(error) = thread::Builder::new().spawn(ping) {
            tracing::info!(task = Task::Report.title(), "the monitor is not told that the run has begun: {error}");
        }
        StartPing { ended }
    }

    /// Waits until it has ended: up to [`monitor::START_LIMIT`], and a moment more for it to say so. Were it overtaken by
    /// the ping at the end, the monitor would think that the run goes on.
    fn wait(&self) {
        // It ends by closing the channel, so that every answer is an error.
        let _ = self.ended.recv_timeout(monitor::START_LIMIT + Duration::from_secs(1));
    }
}

/// Tells the monitor how the run of `journal` went, once it can have no doubt that it began.
pub(crate) fn ping(monitor: &Monitor, start: &StartPing, retry: &Retry, journal: &Journal) {
    start.wait();
    let (ping, body) = journal.read(|record| (Ping::of(record), monitor::body(record)));
    match retry.run("pinging the monitor", || monitor::send(monitor, ping, body.clone())) {
        Ok(()) => tracing::info!("pinged the monitor: {}", if ping == Ping::Success { "success" } else { "failure" }),
        Err(error) => journal.warn(Task::Report, &format!("the monitor was not pinged: {}", with_causes(&error))),
    }
}

/// Writes the metrics of the run of `journal`, which ends at `now`, over those of the run before.
pub(crate) fn write_metrics(metrics: &Metrics, journal: &Journal, now: DateTime<FixedOffset>) {
    let path = &metrics.textfile;
    let previous = textfile::read(path);
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let text = journal.read(|record| {
        let exit_code = ExitCode::from(record.outcome()) as u8;
        let ending = Ending { name: &name, at: now, exit_code, previous: previous.as_deref() };
        text::metrics(record, ending)
    });
    let written = text.map_err(|error| error.to_string());
    let written = written.and_then(|text| textfile::write(path, &text).map_err(|error| with_causes(&error)));
    match written {
        Ok(()) => tracing::info!(task = Task::Report.title(), "wrote the metrics to {}", path.display()),
        Err(why) => journal.warn(Task::Report, &format!("no new metrics: {why}")),
    }
}
