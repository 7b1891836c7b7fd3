//! What happened in a run: plain data, filled during the job through the journal, read by every report.

use std::time::Duration;

use chrono::{DateTime, FixedOffset, NaiveDate};

use crate::record::task::Task;
use crate::rules::listing::DatedArchive;
use crate::rules::redaction::Redaction;
use crate::rules::retention;
use crate::runtime::interrupt::Interruption;

/// Of a host key seen for the first time by a command that does not remember it.
pub const NOT_KNOWN_YET: &str = "is not known yet; the first run will trust it";

/// How many log lines of a run are kept for the mail; the log file gets them all.
pub const MAX_LOG_LINES: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Pending,
    UnderWay,
    Done,
    /// Ended, with at least one warning.
    Warned,
    Failed,
    /// Had nothing to do, as intended: a stale dump is not packed.
    Skipped,
    /// Never ran, or was cut off, because of an earlier event.
    Stopped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Info,
    Warning,
    /// A task failed.
    Error,
}

/// A message about a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub level: Level,
    pub task: Task,
    /// One line, redacted and escaped.
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskReport {
    pub task: Task,
    pub state: State,
    /// How it ended, in one line, redacted and escaped; empty before.
    pub text: String,
    /// How long it took, once it has ended.
    pub duration: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpFacts {
    /// The entry's path in the ZIP, escaped for display.
    pub name: String,
    /// Uncompressed size in bytes.
    pub size: u64,
    /// When it was modified, in the job's zone; `None` where the ZIP does not say.
    pub modified: Option<DateTime<FixedOffset>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveFacts {
    /// Its name on the server.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// 64 lowercase hexadecimal digits.
    pub sha256: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It is new.
    Sent,
    /// It replaced an archive of the same name with other bytes.
    Replaced,
    /// The server already had the same bytes.
    AlreadyThere,
}

/// What `sftp.directory` holds at the end of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderFacts {
    /// The archives that count, oldest first.
    pub archives: Vec<DatedArchive>,
    /// The first date from which on retention keeps the archive of every night; `None` if there is no archive.
    pub complete_since: Option<NaiveDate>,
    /// Free space in bytes, if the server reports it.
    pub free: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Delivered and verified, or already on the server; no warning.
    Success,
    /// Finished, with warnings.
    Warnings,
    /// One of the tasks 2 to 8 failed: nothing new was delivered.
    Failed,
    /// A signal ended the run before anything was delivered.
    Interrupted(Interruption),
}

/// The record of one run.
#[derive(Debug, Default)]
pub struct RunRecord {
    /// Identifies this run in the log.
    pub run_id: String,
    /// The name of this machine.
    pub host: String,
    /// The date that the run is for, in the job's zone.
    pub today: NaiveDate,
    /// In the job's zone.
    pub started: DateTime<FixedOffset>,
    /// How long the run has taken when the reports are written.
    pub duration: Duration,
    pub dry_run: bool,
    /// Size of the ZIP on the web server, in bytes.
    pub zip_size: Option<u64>,
    /// How many bytes of the ZIP were received.
    pub received: Option<u64>,
    pub dump: Option<DumpFacts>,
    pub archive: Option<ArchiveFacts>,
    /// Set once the archive is verified.
    pub delivery: Option<Delivery>,
    /// The host key's SHA-256 fingerprint, if this run is the first to see it.
    pub new_host_key: Option<String>,
    pub retention: Option<retention::Plan>,
    /// How many archives and leftovers were removed.
    pub removed: u32,
    pub folder: Option<FolderFacts>,
    /// Why `folder` is missing after a failure; escaped for display.
    pub listing_error: Option<String>,
    /// Whether the archive that has this run's name on the server belongs to another job.
    pub is_name_taken: bool,
    pub retries: u32,
    /// Set when a signal or the deadline ended the run.
    pub interruption: Option<Interruption>,
    /// The first task that ended by a panic.
    pub panicked: Option<Task>,
    /// The run's lines as in the log file, up to [`MAX_LOG_LINES`].
    pub log_lines: Vec<String>,
    tasks: Vec<TaskReport>,
    notes: Vec<Note>,
    redaction: Redaction,
}

impl RunRecord {
    /// The record of a run that begins at `started`; `redaction` cleans all text that enters it.
    pub fn new(
        run_id: String,
        host: String,
        today: NaiveDate,
        started: DateTime<FixedOffset>,
        redaction: Redaction,
    ) -> RunRecord {
        let report = |task| TaskReport { task, state: State::Pending, text: String::new(), duration: None };
        let tasks = Task::ALL.into_iter().map(report).collect();
        RunRecord { run_id, host, today, started, tasks, redaction, ..RunRecord::default() }
    }

    /// `text` on one line, without secrets and control characters.
    pub fn clean(&self, text: &str) -> String {
        self.redaction.clean(text)
    }

    pub fn redaction(&self) -> &Redaction {
        &self.redaction
    }

    /// In the order of [`Task::ALL`].
    pub fn tasks(&self) -> &[TaskReport] {
        &self.tasks
    }

    /// In the order in which they were recorded.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    pub fn task(&self, task: Task) -> &TaskReport {
        // `tasks` is made from `Task::ALL`, whose order is that of the discriminants.
        &self.tasks[task as usize]
    }

    /// The task under way, the last of several.
    pub fn current_task(&self) -> Option<Task> {
        self.tasks.iter().rev().find(|report| report.state == State::UnderWay).map(|report| report.task)
    }

    pub fn begin(&mut self, task: Task) {
        self.tasks[task as usize].state = State::UnderWay;
    }

    /// Ends `task` in `state` and returns `text` as recorded. A task that has warned and is done ends as
    /// [`State::Warned`].
    pub fn end(&mut self, task: Task, state: State, text: &str, duration: Option<Duration>) -> String {
        let text = self.clean(text);
        let has_warned = self.notes.iter().any(|note| note.task == task && note.level == Level::Warning);
        let report = &mut self.tasks[task as usize];
        report.state = if state == State::Done && has_warned { State::Warned } else { state };
        report.text.clone_from(&text);
        report.duration = duration;
        let level = match state {
            State::Failed => Some(Level::Error),
            State::Warned => Some(Level::Warning),
            State::Done => Some(Level::Info),
            State::Skipped | State::Stopped | State::Pending | State::UnderWay => None,
        };
        if let Some(level) = level {
            self.notes.push(Note { level, task, text: text.clone() });
        }
        text
    }

    /// Adds a note about `task`, which continues, and returns `text` as recorded. A warning about a task that is done
    /// makes it [`State::Warned`].
    pub fn note(&mut self, level: Level, task: Task, text: &str) -> String {
        let text = self.clean(text);
        let report = &mut self.tasks[task as usize];
        if level == Level::Warning && report.state == State::Done {
            report.state = State::Warned;
        }
        self.notes.push(Note { level, task, text: text.clone() });
        text
    }

    /// Adds a line of the log, or, for the first one after [`MAX_LOG_LINES`], one that says where the others are.
    pub(super) fn keep_log_line(&mut self, line: String) {
        match self.log_lines.len() {
            0..MAX_LOG_LINES => self.log_lines.push(line),
            MAX_LOG_LINES => self.log_lines.push("The further lines of this run are in the log file only.".to_owned()),
            _ => {}
        }
    }

    pub fn errors(&self) -> usize {
        self.notes.iter().filter(|note| note.level == Level::Error).count()
    }

    pub fn warnings(&self) -> usize {
        self.notes.iter().filter(|note| note.level == Level::Warning).count()
    }

    /// Whether a verified archive of this run's dump is on the server.
    pub fn is_delivered(&self) -> bool {
        self.delivery.is_some()
    }

    /// How the run ended, judging by everything recorded. An error after the delivery counts as a warning.
    pub fn outcome(&self) -> Outcome {
        if self.is_delivered() {
            let clean = self.errors() == 0 && self.warnings() == 0 && self.interruption.is_none();
            return if clean { Outcome::Success } else { Outcome::Warnings };
        }
        match self.interruption {
            Some(Interruption::Deadline) => Outcome::Failed,
            Some(signal) => Outcome::Interrupted(signal),
            None if self.errors() > 0 => Outcome::Failed,
            None if self.warnings() > 0 => Outcome::Warnings,
            None => Outcome::Success,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_log_line_says_where_the_others_are() {
        let started = DateTime::parse_from_rfc3339("2026-11-23T23:00:00+01:00").unwrap();
        let today = started.date_naive();
        let mut record = RunRecord::new("r1".to_owned(), "db1".to_owned(), today, started, Redaction::default());
        for number in 0..MAX_LOG_LINES + 5 {
            record.keep_log_line(number.to_string());
        }
        assert_eq!(record.log_lines.len(), MAX_LOG_LINES + 1);
        assert!(record.log_lines[MAX_LOG_LINES].contains("log file"));
    }
}
