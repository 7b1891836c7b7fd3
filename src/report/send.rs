//! The task Report of one or several jobs: ping, mail, Mattermost message, metrics and the log's last line, in this order. If
//! one fails, the others are still sent. The only file that knows all channels.

use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use tracing::{Dispatch, dispatcher};

use crate::config::{Email, Mattermost, Monitor, Reports};
use crate::exit_code::ExitCode;
use crate::record::journal::Journal;
use crate::record::run_record::{NotBegun, RunRecord};
use crate::record::task::Task;
use crate::report::log::log_file::LogFile;
use crate::report::metrics::text::{self, Ended, File};
use crate::report::metrics::textfile;
use crate::report::monitor::{Ping, StartPing};
use crate::report::{mail, mattermost, message, monitor};
use crate::runtime::clock::Clock;
use crate::runtime::error_chain::with_causes;
use crate::runtime::failpoint::failpoint;
use crate::runtime::interrupt::Interrupt;
use crate::runtime::retry::{Retry, RetryPolicy};
use crate::runtime::supervisor::{Supervisor, WorkOutcome};
use crate::runtime::worker::map_in_parallel;

/// The most reports of one kind that are sent at the same time.
const MAX_PARALLEL: usize = 16;

/// For all reports together; `run.deadline_minutes` limits only the job.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// A job that has ended, or that could not begin.
pub(crate) struct Reported {
    /// `None` if they are unknown.
    pub(crate) reports: Option<Reports>,
    /// `None` if it is unknown.
    pub(crate) retry: Option<RetryPolicy>,
    /// The ping sent when the run started.
    pub(crate) start: Option<StartPing>,
    pub(crate) journal: Journal,
    pub(crate) log: Option<LogFile>,
    /// Where the job's lines are logged.
    pub(crate) lines: Dispatch,
}

/// Reports `jobs` to every channel: jobs with the same section share a mail, a message or a ping. `is_whole`: whether the jobs
/// are all that write their metrics files.
pub(crate) fn send(supervisor: &mut Supervisor, jobs: Vec<Reported>, is_whole: bool, clock: &Clock) {
    jobs.iter().for_each(Reported::warn_of_missing_lines);
    let (interrupt, jobs) = (Interrupt::new(), Arc::from(jobs));
    let sender = Sender { interrupt: interrupt.clone(), jobs: Arc::clone(&jobs), clock: clock.clone() };
    let all: Vec<&Reported> = jobs.iter().collect();
    match supervisor.run(move || sender.send(), LIMIT, &interrupt) {
        WorkOutcome::Returned => {}
        WorkOutcome::Panicked(text) => warn(&all, &format!("internal error, please report it: {text}")),
        WorkOutcome::Stuck => warn(&all, "not all reports were sent before the program had to exit"),
    }
    // Not supervised, so that a stuck report cannot prevent it, and last, so that the metrics count every warning.
    write_metrics(&jobs, is_whole, clock());
    for job in all {
        job.log(|| log_counts(&job.journal));
        job.warn_of_missing_lines();
    }
}

struct Sender {
    jobs: Arc<[Reported]>,
    interrupt: Interrupt,
    clock: Clock,
}

impl Sender {
    fn retry(&self, jobs: &[&Reported]) -> Retry {
        let policy = jobs.iter().find_map(|job| job.retry).unwrap_or(RetryPolicy::ONCE);
        Retry::new(policy, self.interrupt.clone())
    }

    fn send(&self) {
        let mut tasks = Vec::new();
        for job in self.jobs.iter() {
            tasks.push(job.log(|| job.journal.begin(Task::Report)));
        }
        failpoint("reporting");
        // First, as a stalled mail server may use up the time, and a monitor without a ping raises an alarm.
        let monitors = groups(&self.jobs, |reports| reports.monitor.as_ref(), Monitor::is_same);
        // A service that does not answer delays only its own jobs.
        map_in_parallel(&monitors, MAX_PARALLEL, |(monitor, jobs)| jobs[0].log(|| self.ping(monitor, jobs)));
        let emails = groups(&self.jobs, |reports| reports.email.as_ref(), Email::is_same);
        let undelivered =
            map_in_parallel(&emails, MAX_PARALLEL, |(email, jobs)| jobs[0].log(|| self.mail(email, jobs)));
        let posts = groups(&self.jobs, |reports| reports.mattermost.as_ref(), Mattermost::is_same);
        map_in_parallel(&posts, MAX_PARALLEL, |(mattermost, jobs)| {
            let is_affected = |others: &[&Reported]| jobs.iter().any(|job| others.iter().any(|it| ptr::eq(*it, *job)));
            let mut failed =
                undelivered.iter().zip(&emails).filter_map(|(why, (_, jobs))| Some((why.as_deref()?, jobs)));
            let undelivered = failed.find(|(_, others)| is_affected(others)).map(|(why, _)| why);
            jobs[0].log(|| self.post(mattermost, jobs, undelivered));
        });
        for (task, job) in tasks.into_iter().zip(self.jobs.iter()) {
            job.log(|| task.done("finished sending the reports"));
        }
    }

    /// Pings once, with the worst outcome.
    fn ping(&self, monitor: &Monitor, jobs: &[&Reported]) {
        let mut records = records(jobs);
        // The run that is under way pings by itself.
        records.retain(|record| record.not_begun != Some(NotBegun::AlreadyRunning));
        if records.iter().all(|record| record.not_begun.is_some()) {
            return;
        }
        jobs.iter().filter_map(|job| job.start.as_ref()).for_each(StartPing::wait);
        let (ping, body) = (Ping::for_runs(&records), monitor::body(&records));
        match self.retry(jobs).run("pinging the monitor", || monitor::send(monitor, ping, body.clone())) {
            Ok(()) => {
                let outcome = if ping == Ping::Success { "success" } else { "failure" };
                log(jobs, &format!("pinged the monitor: {outcome}"));
            }
            Err(error) => warn(jobs, &format!("the monitor was not pinged: {}", with_causes(&error))),
        }
    }

    /// Returns how many recipients the mail did not reach and why, if any.
    fn mail(&self, email: &Email, jobs: &[&Reported]) -> Option<String> {
        let records = records(jobs);
        if !records.iter().any(|record| message::should_send(email.send, record, false)) {
            return None;
        }
        let undelivered = match mail::build(email, &records, (self.clock)()) {
            Err(error) => Some(with_causes(&error)),
            Ok(message) => {
                let attempt = |attempt: &dyn Fn() -> _| self.retry(jobs).run("sending the mail", attempt);
                let deliveries = mail::send(email, &message, attempt);
                for delivery in deliveries.iter().filter(|delivery| delivery.result.is_ok()) {
                    log(jobs, &format!("mailed to {}", delivery.recipient.email));
                }
                mail::undelivered(&deliveries)
            }
        };
        undelivered.inspect(|text| warn(jobs, text))
    }

    fn post(&self, mattermost: &Mattermost, jobs: &[&Reported], undelivered_mail: Option<&str>) {
        let records = records(jobs);
        let is_due = |record| message::should_send(mattermost.send, record, undelivered_mail.is_some());
        if !records.iter().any(is_due) {
            return;
        }
        let payload = mattermost::build(mattermost, &records, undelivered_mail);
        match self.retry(jobs).run("posting to Mattermost", || mattermost::send(mattermost, &payload)) {
            Ok(()) => log(jobs, "posted to Mattermost"),
            Err(error) => warn(jobs, &format!("posting to Mattermost failed: {}", with_causes(&error))),
        }
    }
}

impl Reported {
    /// Logs what `work` logs where this job does.
    fn log<T>(&self, work: impl FnOnce() -> T) -> T {
        dispatcher::with_default(&self.lines, work)
    }

    /// Warns once if a log line could not be written.
    fn warn_of_missing_lines(&self) {
        let Some(error) = self.log.as_ref().and_then(LogFile::error) else { return };
        let is_known = self.journal.read(|record| record.notes().iter().any(|note| note.text == error));
        if !is_known {
            self.log(|| self.journal.warn(Task::Report, &error));
        }
    }
}

/// The distinct sections that `section` selects, each with its jobs; in the order of `jobs`.
fn groups<'a, S>(
    jobs: &'a [Reported],
    section: impl Fn(&'a Reports) -> Option<&'a S>,
    is_same: impl Fn(&S, &S) -> bool,
) -> Vec<(&'a S, Vec<&'a Reported>)> {
    let mut groups: Vec<(&S, Vec<&Reported>)> = Vec::new();
    for job in jobs {
        let Some(section) = job.reports.as_ref().and_then(&section) else { continue };
        match groups.iter_mut().find(|(other, _)| is_same(other, section)) {
            Some((_, jobs)) => jobs.push(job),
            None => groups.push((section, vec![job])),
        }
    }
    groups
}

fn records(jobs: &[&Reported]) -> Vec<RunRecord> {
    jobs.iter().map(|job| job.journal.read(RunRecord::clone)).collect()
}

fn log(jobs: &[&Reported], text: &str) {
    jobs.iter().for_each(|job| job.log(|| tracing::info!(task = Task::Report.title(), "{text}")));
}

fn warn(jobs: &[&Reported], text: &str) {
    jobs.iter().for_each(|job| job.log(|| job.journal.warn(Task::Report, text)));
}

/// Jobs with the same file share it.
fn write_metrics(jobs: &[Reported], is_whole: bool, now: DateTime<FixedOffset>) {
    for (metrics, jobs) in groups(jobs, |reports| reports.metrics.as_ref(), PartialEq::eq) {
        let mut records = records(&jobs);
        let all = records.len();
        // The run that is under way writes its own.
        records.retain(|record| record.not_begun != Some(NotBegun::AlreadyRunning));
        let is_whole = is_whole && records.len() == all;
        let name = metrics.textfile.file_stem().unwrap_or_default().to_string_lossy();
        let path = &match records.iter().any(|record| record.drill.is_some()) {
            true => metrics.textfile.with_file_name(format!("{name}-drill.prom")),
            false => metrics.textfile.clone(),
        };
        let _lock = textfile::lock(path);
        let previous = textfile::read(path);
        let ended = |record| Ended { record, exit_code: ExitCode::from(RunRecord::outcome(record)) as u8 };
        let ended: Vec<Ended<'_>> = records.iter().map(ended).collect();
        let text = text::metrics(&ended, &File { name: &name, now, previous: previous.as_deref(), is_whole });
        match textfile::write(path, &text) {
            Ok(()) => log(&jobs, &format!("wrote the metrics to {}", path.display())),
            Err(error) => warn(&jobs, &format!("the metrics were not updated: {}", with_causes(&error))),
        }
    }
}

/// Writes the last line of the log.
fn log_counts(journal: &Journal) {
    let (errors, warnings, removed, retries) =
        journal.read(|record| (record.errors(), record.warnings(), record.removed, record.retries));
    let what = if journal.read(|record| record.drill.is_some()) { "drill" } else { "run" };
    tracing::info!(
        task = Task::Report.title(),
        "the {what} has ended: errors {errors}, warnings {warnings}, files removed {removed}, retries {retries}"
    );
}
