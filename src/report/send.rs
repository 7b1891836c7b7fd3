//! Task 11: the ping, then the mail, then the Mattermost message, then the metrics, then the line of counts. Each is
//! tried even if another fails.

use std::time::Duration;

use crate::config::{Config, Email, Mattermost};
use crate::record::journal::Journal;
use crate::record::task::Task;
use crate::report::log::log_file::LogFile;
use crate::report::mail::{self, MailError};
use crate::report::mattermost::attachment;
use crate::report::mattermost::markdown;
use crate::report::mattermost::{self, MattermostError};
use crate::report::message;
use crate::report::watchers::{self, StartPing};
use crate::runtime::clock::Clock;
use crate::runtime::error_chain::with_causes;
use crate::runtime::failpoint::failpoint;
use crate::runtime::interrupt::Interrupt;
use crate::runtime::retry::{Retry, Retryable};
use crate::runtime::supervisor::{Ended, Supervisor};

impl Retryable for MailError {
    fn is_transient(&self) -> bool {
        MailError::is_transient(self)
    }
}

impl Retryable for MattermostError {
    fn is_transient(&self) -> bool {
        MattermostError::is_transient(self)
    }

    fn retry_after(&self) -> Option<Duration> {
        MattermostError::retry_after(self)
    }
}

/// The reports may take so long after the job, which `run.deadline_minutes` limits.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// Tells everybody who wants to know how the run of `journal` went; `start` is how the monitor was told of its begin.
pub(crate) fn send(
    supervisor: &mut Supervisor,
    config: Config,
    start: Option<StartPing>,
    journal: &Journal,
    log: Option<&LogFile>,
    clock: &Clock,
) {
    tell_lost_lines(journal, log);
    let interrupt = Interrupt::new();
    let metrics = config.metrics.clone();
    let sender = Sender {
        retry: Retry::new(config.retry, interrupt.clone()),
        config,
        start,
        journal: journal.clone(),
        clock: clock.clone(),
    };
    match supervisor.run(move || sender.send(), LIMIT, &interrupt) {
        Ended::Returned => {}
        Ended::Panicked(text) => journal.warn(Task::Report, &format!("internal error, please report it: {text}")),
        Ended::Stuck => journal.warn(Task::Report, "not all reports could be sent before the program had to end"),
    }
    // Here, because nothing that got stuck may keep them back; all that happened is in them.
    if let Some(metrics) = &metrics {
        watchers::write_metrics(metrics, journal, clock());
    }
    tell_counts(journal);
    tell_lost_lines(journal, log);
}

struct Sender {
    config: Config,
    start: Option<StartPing>,
    journal: Journal,
    retry: Retry,
    clock: Clock,
}

impl Sender {
    fn send(&self) {
        let task = self.journal.begin(Task::Report);
        failpoint("reporting");
        // First, as a monitor that hears nothing raises the alarm: a mail server that stalls may take all the time.
        if let (Some(monitor), Some(start)) = (&self.config.monitor, &self.start) {
            watchers::ping(monitor, start, &self.retry, &self.journal);
        }
        let undelivered_mail = self.config.email.as_ref().and_then(|email| self.mail(email));
        if let Some(mattermost) = &self.config.mattermost {
            self.post(mattermost, undelivered_mail.as_deref());
        }
        task.done("the reports are out");
    }

    /// Sends the mail, if one is wanted. Gives what was told of recipients who did not get it, if there are any.
    fn mail(&self, email: &Email) -> Option<String> {
        let message = {
            let record = self.journal.record().lock();
            if !message::is_wanted(email.send, &record, false) {
                return None;
            }
            mail::build(email, &record, (self.clock)())
        };
        let undelivered = match message {
            Err(error) => Some(with_causes(&error)),
            Ok(message) => {
                let deliveries = mail::send(email, &message, |attempt| self.retry.run("sending the mail", attempt));
                for delivery in deliveries.iter().filter(|delivery| delivery.result.is_ok()) {
                    tracing::info!("mailed to {}", delivery.recipient.email);
                }
                mail::undelivered(&deliveries)
            }
        };
        if let Some(why) = &undelivered {
            self.journal.warn(Task::Report, why);
        }
        undelivered
    }

    fn post(&self, mattermost: &Mattermost, undelivered_mail: Option<&str>) {
        let payload = {
            let record = self.journal.record().lock();
            if !message::is_wanted(mattermost.send, &record, undelivered_mail.is_some()) {
                return;
            }
            let text = markdown::mattermost_text(&record, undelivered_mail);
            mattermost::build(mattermost, &text, &[attachment::mattermost_attachment(&record)])
        };
        match self.retry.run("posting to Mattermost", || mattermost::send(mattermost, &payload)) {
            Ok(()) => tracing::info!("posted to Mattermost"),
            Err(error) => self.journal.warn(Task::Report, &format!("no Mattermost message: {}", with_causes(&error))),
        }
    }
}

/// The log's last line.
fn tell_counts(journal: &Journal) {
    let (errors, warnings, removed, retries) = {
        let record = journal.record().lock();
        (record.errors(), record.warnings(), record.removed, record.retries)
    };
    tracing::info!(
        task = Task::Report.title(),
        "the run has ended: errors {errors}, warnings {warnings}, files removed {removed}, retries {retries}"
    );
}

/// A log line that could not be written is worth a warning, once.
fn tell_lost_lines(journal: &Journal, log: Option<&LogFile>) {
    let Some(lost) = log.and_then(LogFile::undelivered) else { return };
    let is_told = journal.record().lock().notes().iter().any(|note| note.text == lost);
    if !is_told {
        journal.warn(Task::Report, &lost);
    }
}
