//! Telling what happens, once: each call enters the shared record and becomes a line of the log.

use std::time::{Duration, Instant};

use tracing::span::EnteredSpan;

use crate::record::run_record::{Level, SharedRecord, State};
use crate::record::task::Task;

/// Tells what happens in a run. Cheap to clone; all clones tell the same record.
#[derive(Debug, Clone)]
pub struct Journal {
    record: SharedRecord,
}

/// A task that is under way.
///
/// Ended by [`done`](OpenTask::done), [`failed`](OpenTask::failed) or one of the others; each takes the line that
/// tells how.
#[derive(Debug)]
#[must_use = "a task that has begun must be ended"]
pub struct OpenTask<'a> {
    journal: &'a Journal,
    task: Task,
    begun: Instant,
    /// What this thread tells meanwhile belongs to the task.
    _span: EnteredSpan,
}

impl Journal {
    /// Tells into `record`.
    pub fn new(record: SharedRecord) -> Journal {
        Journal { record }
    }

    /// The record that this journal fills.
    pub fn record(&self) -> &SharedRecord {
        &self.record
    }

    /// `task` begins.
    pub fn begin(&self, task: Task) -> OpenTask<'_> {
        self.record.lock().begin(task);
        tracing::debug!(task = task.title(), "begins");
        let span = tracing::info_span!("task", task = task.title()).entered();
        OpenTask { journal: self, task, begun: Instant::now(), _span: span }
    }

    /// `task` has nothing to do, as it should be.
    pub fn skip(&self, task: Task, reason: &str) {
        let text = self.record.lock().end(task, State::Skipped, reason, None);
        tracing::info!(task = task.title(), "skipped: {text}");
    }

    /// `task` will not run, or was cut off, because of what happened before.
    pub fn stop(&self, task: Task, reason: &str) {
        let text = self.record.lock().end(task, State::Stopped, reason, None);
        tracing::debug!(task = task.title(), "stopped: {text}");
    }

    /// Every task that has not ended by now, up to the report, was cut off for `reason`. If `is_fault`, the first that
    /// was under way has failed, or where none was, the one that would have been next.
    pub fn cut_off(&self, reason: &str, is_fault: bool) {
        let unfinished: Vec<(Task, State)> = {
            let record = self.record.lock();
            let reports = record.tasks().iter().filter(|report| report.task < Task::Report);
            let reports = reports.filter(|report| matches!(report.state, State::UnderWay | State::Pending));
            reports.map(|report| (report.task, report.state)).collect()
        };
        let first = |wanted| unfinished.iter().find(|(_, state)| *state == wanted).map(|(task, _)| *task);
        let failed = first(State::UnderWay).or_else(|| first(State::Pending)).filter(|_| is_fault);
        for (task, _) in &unfinished {
            if failed == Some(*task) {
                let text = self.record.lock().end(*task, State::Failed, reason, None);
                tracing::error!(task = task.title(), "{text}");
            } else {
                self.stop(*task, reason);
            }
        }
    }

    /// Something about `task` that is as it should be, and worth telling in every channel.
    pub fn info(&self, task: Task, text: &str) {
        let text = self.record.lock().note(Level::Info, task, text);
        tracing::info!(task = task.title(), "{text}");
    }

    /// Something about `task` that is worth a look.
    pub fn warn(&self, task: Task, text: &str) {
        let text = self.record.lock().note(Level::Warning, task, text);
        tracing::warn!(task = task.title(), "{text}");
    }
}

impl OpenTask<'_> {
    /// How long it has been under way.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The task went well.
    pub fn done(self, text: &str) {
        let (text, seconds) = self.end(State::Done, text);
        tracing::info!(task = self.task.title(), seconds, "{text}");
    }

    /// The task ended in a way that is worth a look.
    pub fn warned(self, text: &str) {
        let (text, seconds) = self.end(State::Warned, text);
        tracing::warn!(task = self.task.title(), seconds, "{text}");
    }

    /// The task failed.
    pub fn failed(self, text: &str) {
        let (text, seconds) = self.end(State::Failed, text);
        tracing::error!(task = self.task.title(), seconds, "{text}");
    }

    /// The task was cut off by the end of the run.
    pub fn stopped(self, text: &str) {
        let (text, seconds) = self.end(State::Stopped, text);
        tracing::warn!(task = self.task.title(), seconds, "stopped: {text}");
    }

    /// The task ends because another one did: what becomes of it is told with [`Journal::cut_off`], unless it begins
    /// again.
    pub fn leave(self) {}

    /// Gives the text as it was recorded, and the task's seconds.
    fn end(&self, state: State, text: &str) -> (String, f64) {
        let elapsed = self.begun.elapsed();
        let text = self.journal.record.lock().end(self.task, state, text, Some(elapsed));
        (text, elapsed.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::record::run_record::{Outcome, RunRecord};
    use crate::rules::redaction::Redaction;

    fn journal() -> Journal {
        let started = DateTime::parse_from_rfc3339("2026-11-23T23:00:00+01:00").unwrap();
        let redaction = Redaction::new(&[]);
        let record = RunRecord::new("id".to_owned(), "host".to_owned(), started.date_naive(), started, redaction);
        Journal::new(SharedRecord::new(record))
    }

    fn failed(journal: &Journal) -> Vec<Task> {
        let record = journal.record().lock();
        record.tasks().iter().filter(|report| report.state == State::Failed).map(|report| report.task).collect()
    }

    #[test]
    fn a_fault_between_two_tasks_fails_the_next_one() {
        let journal = journal();
        journal.begin(Task::ReadConfiguration).done("read");
        journal.begin(Task::RequestZip).done("there");
        journal.cut_off("a fault", true);
        assert_eq!(failed(&journal), [Task::FindDump]);
        assert_eq!(journal.record().lock().outcome(), Outcome::Failed);
    }

    #[test]
    fn of_several_tasks_under_way_the_first_has_failed() {
        let journal = journal();
        journal.begin(Task::PackArchive).leave();
        journal.begin(Task::SendArchive).leave();
        journal.cut_off("a fault", true);
        assert_eq!(failed(&journal), [Task::PackArchive]);
        assert_eq!(journal.record().lock().task(Task::SendArchive).state, State::Stopped);
    }

    #[test]
    fn a_signal_fails_no_task() {
        let journal = journal();
        journal.begin(Task::PackArchive).leave();
        journal.cut_off("a signal", false);
        assert_eq!(failed(&journal), []);
    }
}
