//! Records a run and writes its log: most calls do both.
//!
//! The job's worker and the main thread, which sends the reports, share one record, so that a report has all facts even if
//! the worker is stuck or has panicked. Only this file locks it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, FixedOffset};
use tracing::span::EnteredSpan;

use crate::record::run_record::{
    ArchiveFacts, Delivery, DrillFacts, DumpFacts, FolderFacts, Level, NotBegun, RunRecord, State,
};
use crate::record::task::Task;
use crate::rules::retention::Plan;
use crate::runtime::interrupt::Interruption;

/// The shared record of a run. All clones share the record.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Mutex<RunRecord>>);

/// A task in progress, to be ended by one of the methods that consume it; they take the result as text.
#[derive(Debug)]
#[must_use = "a task must be ended"]
pub struct OpenTask<'a> {
    journal: &'a Journal,
    task: Task,
    begun: Instant,
    /// Assigns this thread's log lines to the task until it ends.
    _span: EnteredSpan,
}

impl Journal {
    pub fn new(record: RunRecord) -> Journal {
        Journal(Arc::new(Mutex::new(record)))
    }

    /// Calls `read` with the record locked: it must not write to the log or use this journal.
    pub fn read<T>(&self, read: impl FnOnce(&RunRecord) -> T) -> T {
        read(&self.record())
    }

    /// The record, locked. Ignores a poisoned lock: the record is plain data.
    fn record(&self) -> MutexGuard<'_, RunRecord> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record, locked; `None` after 100 ms of waiting, because a log line must not block the run.
    fn record_for_log(&self) -> Option<MutexGuard<'_, RunRecord>> {
        const TRIES: u32 = 100;
        for _ in 0..TRIES {
            match self.0.try_lock() {
                Ok(record) => return Some(record),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
            }
        }
        None
    }

    /// The task in progress, the last one of several. Also `None` if the record stays locked.
    pub fn current_task(&self) -> Option<Task> {
        self.record_for_log()?.current_task()
    }

    /// Keeps a log line for the reports, unless the record stays locked.
    pub fn keep_log_line(&self, line: String) {
        if let Some(mut record) = self.record_for_log() {
            record.keep_log_line(line);
        }
    }

    pub fn begin(&self, task: Task) -> OpenTask<'_> {
        self.record().begin(task);
        tracing::debug!(task = task.title(), "begins");
        let span = tracing::info_span!("task", task = task.title()).entered();
        OpenTask { journal: self, task, begun: Instant::now(), _span: span }
    }

    /// Records that `task` has nothing to do, as intended.
    pub fn skip(&self, task: Task, reason: &str) {
        let text = self.record().end(task, State::Skipped, reason, None);
        tracing::info!(task = task.title(), "skipped: {text}");
    }

    /// Records that `task` did not run or finish because of an earlier event.
    pub fn stop(&self, task: Task, reason: &str) {
        let text = self.record().end(task, State::Stopped, reason, None);
        tracing::debug!(task = task.title(), "stopped: {text}");
    }

    /// Stops every unfinished task before [`Task::AfterHook`], which runs at the end of every run. If `is_failure`, one of them fails instead: the one that panicked,
    /// else the first one in progress, else the first pending one.
    pub fn stop_unfinished(&self, reason: &str, is_failure: bool) {
        let unfinished: Vec<(Task, State)> = self.read(|record| {
            let reports = record.tasks().filter(|report| report.task < Task::AfterHook);
            let reports = reports.filter(|report| matches!(report.state, State::UnderWay | State::Pending));
            reports.map(|report| (report.task, report.state)).collect()
        });
        let first = |state| unfinished.iter().find(|(_, other)| *other == state).map(|(task, _)| *task);
        let panicked = self.read(|record| record.panicked);
        let failed =
            panicked.or_else(|| first(State::UnderWay)).or_else(|| first(State::Pending)).filter(|_| is_failure);
        for (task, _) in &unfinished {
            if failed == Some(*task) {
                let text = self.record().end(*task, State::Failed, reason, None);
                tracing::error!(task = task.title(), "{text}");
            } else {
                self.stop(*task, reason);
            }
        }
    }

    /// Reports something expected in every channel.
    pub fn info(&self, task: Task, text: &str) {
        let text = self.record().note(Level::Info, task, text);
        tracing::info!(task = task.title(), "{text}");
    }

    pub fn warn(&self, task: Task, text: &str) {
        let text = self.record().note(Level::Warning, task, text);
        tracing::warn!(task = task.title(), "{text}");
    }

    /// In bytes.
    pub fn set_received(&self, zip_size: u64, received: u64) {
        let mut record = self.record();
        (record.zip_size, record.received) = (Some(zip_size), Some(received));
    }

    pub fn set_dump(&self, dump: DumpFacts) {
        self.record().dump = Some(dump);
    }

    /// Sets the dump's modification time.
    pub fn set_modified(&self, modified: Option<DateTime<FixedOffset>>) {
        if let Some(dump) = &mut self.record().dump {
            dump.modified = modified;
        }
    }

    pub fn set_archive(&self, archive: ArchiveFacts) {
        self.record().archive = Some(archive);
    }

    /// Records a new host key; returns whether it is the first call.
    pub fn set_new_host_key(&self, fingerprint: &str) -> bool {
        self.record().new_host_key.replace(fingerprint.to_owned()).is_none()
    }

    /// Records that another job's archive has the name of this run's.
    pub fn set_name_taken(&self) {
        self.record().is_name_taken = true;
    }

    pub fn change_drill(&self, change: impl FnOnce(&mut DrillFacts)) {
        _ = self.record().drill.as_mut().map(change);
    }

    pub fn set_delivery(&self, delivery: Delivery) {
        self.record().delivery = Some(delivery);
    }

    pub fn set_folder(&self, folder: FolderFacts) {
        self.record().folder = Some(folder);
    }

    /// Records why the folder on the server was not listed.
    pub fn set_listing_error(&self, error: &str) {
        let mut record = self.record();
        record.listing_error = Some(record.clean(error));
    }

    pub fn set_free_space(&self, free: Option<u64>) {
        if let Some(folder) = &mut self.record().folder {
            folder.free = free;
        }
    }

    /// Records that the archive called `name` is no longer on the server.
    pub fn forget_archive(&self, name: &str) {
        if let Some(folder) = &mut self.record().folder {
            folder.archives.retain(|archive| archive.name != name);
        }
    }

    pub fn set_removal(&self, plan: Plan, removed: u32) {
        let mut record = self.record();
        (record.retention, record.removed) = (Some(plan), removed);
    }

    pub fn set_retries(&self, retries: u32) {
        self.record().retries = retries;
    }

    pub fn set_interruption(&self, cause: Interruption) {
        self.record().interruption = Some(cause);
    }

    /// See [`RunRecord::set_not_begun`]. Logs nothing.
    pub fn set_not_begun(&self, why: NotBegun, reasons: &[String]) {
        self.record().set_not_begun(why, reasons);
    }

    pub fn set_duration(&self, duration: Duration) {
        self.record().duration = duration;
    }
}

impl OpenTask<'_> {
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    pub fn done(self, text: &str) {
        let (text, seconds) = self.end(State::Done, text);
        tracing::info!(task = self.task.title(), seconds, "{text}");
    }

    /// Ends the task with a warning.
    pub fn warned(self, text: &str) {
        let (text, seconds) = self.end(State::Warned, text);
        tracing::warn!(task = self.task.title(), seconds, "{text}");
    }

    pub fn failed(self, text: &str) {
        let (text, seconds) = self.end(State::Failed, text);
        tracing::error!(task = self.task.title(), seconds, "{text}");
    }

    /// Ends the task because the run ends.
    pub fn stopped(self, text: &str) {
        let (text, seconds) = self.end(State::Stopped, text);
        tracing::warn!(task = self.task.title(), seconds, "stopped: {text}");
    }

    /// Stops the work because another task has ended. The task stays in progress until [`Journal::stop_unfinished`] ends it
    /// or it begins again.
    pub fn leave_unfinished(self) {}

    /// Returns the text as recorded and the task's duration in seconds.
    fn end(&self, state: State, text: &str) -> (String, f64) {
        let elapsed = self.begun.elapsed();
        let text = self.journal.record().end(self.task, state, text, Some(elapsed));
        (text, elapsed.as_secs_f64())
    }
}

impl Drop for OpenTask<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.journal.record().panicked.get_or_insert(self.task);
        }
    }
}
