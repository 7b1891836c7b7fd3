//! The task Report of a run or a drill: ping, mail, Mattermost message, metrics and the log's last line, in this order. If one
//! fails, the others are still sent. The only file that knows all channels.

use std::time::Duration;

use chrono::{DateTime, FixedOffset};

use crate::config::{Email, Mattermost, Metrics, Monitor, Reports};
use crate::exit_code::ExitCode;
use crate::record::journal::Journal;
use crate::record::task::Task;
use crate::report::log::log_file::LogFile;
use crate::report::metrics::text::{self, Ending};
use crate::report::metrics::textfile;
use crate::report::monitor::{Ping, StartPing};
use crate::report::{mail, mattermost, message, monitor};
use crate::runtime::clock::Clock;
use crate::runtime::error_chain::with_causes;
use crate::runtime::failpoint::failpoint;
use crate::runtime::interrupt::Interrupt;
use crate::runtime::retry::{Retry, RetryPolicy};
use crate::runtime::supervisor::{Supervisor, WorkOutcome};

/// For all reports together; `run.deadline_minutes` limits only the job.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// Reports the run of `journal` to every channel. `start` is the ping sent when the run started.
pub(crate) fn send(
    supervisor: &mut Supervisor,
    (reports, retry): (Reports, RetryPolicy),
    start: Option<StartPing>,
    journal: &Journal,
    log: Option<&LogFile>,
    clock: &Clock,
) {
    warn_of_missing_lines(journal, log);
    let interrupt = Interrupt::new();
    let metrics = reports.metrics.clone();
    let sender = Sender {
        retry: Retry::new(retry, interrupt.clone()),
        reports,
        start,
        journal: journal.clone(),
        clock: clock.clone(),
    };
    match supervisor.run(move || sender.send(), LIMIT, &interrupt) {
        WorkOutcome::Returned => {}
        WorkOutcome::Panicked(text) => journal.warn(Task::Report, &format!("internal error, please report it: {text}")),
        WorkOutcome::Stuck => journal.warn(Task::Report, "not all reports were sent before the program had to exit"),
    }
    // Not supervised, so that a stuck report cannot prevent it, and last, so that the metrics count every warning.
    if let Some(metrics) = &metrics {
        write_metrics(metrics, journal, clock());
    }
    log_counts(journal, log);
}

struct Sender {
    reports: Reports,
    start: Option<StartPing>,
    journal: Journal,
    retry: Retry,
    clock: Clock,
}

impl Sender {
    fn send(&self) {
        let task = self.journal.begin(Task::Report);
        failpoint("reporting");
        // First, as a stalled mail server may use up the time, and a monitor without a ping raises an alarm.
        if let (Some(monitor), Some(start)) = (&self.reports.monitor, &self.start) {
            self.ping(monitor, start);
        }
        let undelivered_mail = self.reports.email.as_ref().and_then(|email| self.mail(email));
        if let Some(mattermost) = &self.reports.mattermost {
            self.post(mattermost, undelivered_mail.as_deref());
        }
        task.done("finished sending the reports");
    }

    fn ping(&self, monitor: &Monitor, start: &StartPing) {
        start.wait();
        let (ping, body) = self.journal.read(|record| (Ping::for_run(record), monitor::body(record)));
        match self.retry.run("pinging the monitor", || monitor::send(monitor, ping, body.clone())) {
            Ok(()) => {
                tracing::info!("pinged the monitor: {}", if ping == Ping::Success { "success" } else { "failure" });
            }
            Err(error) => self.warn(&format!("the monitor was not pinged: {}", with_causes(&error))),
        }
    }

    /// Returns how many recipients the mail did not reach and why, if any.
    fn mail(&self, email: &Email) -> Option<String> {
        let message = self.journal.read(|record| {
            message::should_send(email.send, record, false).then(|| mail::build(email, record, (self.clock)()))
        });
        let undelivered = match message? {
            Err(error) => Some(with_causes(&error)),
            Ok(message) => {
                let attempt = |attempt: &dyn Fn() -> _| self.retry.run("sending the mail", attempt);
                let deliveries = mail::send(email, &message, attempt);
                for delivery in deliveries.iter().filter(|delivery| delivery.result.is_ok()) {
                    tracing::info!("mailed to {}", delivery.recipient.email);
                }
                mail::undelivered(&deliveries)
            }
        };
        undelivered.inspect(|text| self.warn(text))
    }

    fn post(&self, mattermost: &Mattermost, undelivered_mail: Option<&str>) {
        let payload = self.journal.read(|record| {
            let is_due = message::should_send(mattermost.send, record, undelivered_mail.is_some());
            is_due.then(|| mattermost::build(mattermost, record, undelivered_mail))
        });
        let Some(payload) = payload else { return };
        match self.retry.run("posting to Mattermost", || mattermost::send(mattermost, &payload)) {
            Ok(()) => tracing::info!("posted to Mattermost"),
            Err(error) => self.warn(&format!("posting to Mattermost failed: {}", with_causes(&error))),
        }
    }

    fn warn(&self, text: &str) {
        self.journal.warn(Task::Report, text);
    }
}

fn write_metrics(metrics: &Metrics, journal: &Journal, now: DateTime<FixedOffset>) {
    let name = metrics.textfile.file_stem().unwrap_or_default().to_string_lossy();
    let path = &match journal.read(|record| record.drill.is_some()) {
        true => metrics.textfile.with_file_name(format!("{name}-drill.prom")),
        false => metrics.textfile.clone(),
    };
    let previous = textfile::read(path);
    let text = journal.read(|record| {
        let exit_code = ExitCode::from(record.outcome()) as u8;
        text::metrics(record, Ending { name: &name, ended_at: now, exit_code, previous: previous.as_deref() })
    });
    match textfile::write(path, &text) {
        Ok(()) => tracing::info!(task = Task::Report.title(), "wrote the metrics to {}", path.display()),
        Err(error) => journal.warn(Task::Report, &format!("the metrics were not updated: {}", with_causes(&error))),
    }
}

/// Writes the last line of the log, and warns if lines are missing there.
pub(crate) fn log_counts(journal: &Journal, log: Option<&LogFile>) {
    let (errors, warnings, removed, retries) =
        journal.read(|record| (record.errors(), record.warnings(), record.removed, record.retries));
    let what = if journal.read(|record| record.drill.is_some()) { "drill" } else { "run" };
    tracing::info!(
        task = Task::Report.title(),
        "the {what} has ended: errors {errors}, warnings {warnings}, files removed {removed}, retries {retries}"
    );
    warn_of_missing_lines(journal, log);
}

/// Warns once if a log line could not be written.
fn warn_of_missing_lines(journal: &Journal, log: Option<&LogFile>) {
    let Some(error) = log.and_then(LogFile::error) else { return };
    let is_known = journal.read(|record| record.notes().iter().any(|note| note.text == error));
    if !is_known {
        journal.warn(Task::Report, &error);
    }
}
