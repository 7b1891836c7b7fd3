//! The record of a run: plain data that the journal fills in and every report reads.

use std::time::Duration;

use chrono::{DateTime, FixedOffset, NaiveDate};
use schemars::JsonSchema;
use serde::Serialize;

use crate::record::task::Task;
use crate::rules::drill_facts::Findings;
use crate::rules::drill_history::PassedDrill;
use crate::rules::listing::DatedArchive;
use crate::rules::redaction::Redaction;
use crate::rules::retention;
use crate::runtime::interrupt::Interruption;

/// About a new host key, from a command that does not store it.
pub const NOT_KNOWN_YET: &str = "is not known yet; the first run will trust it";

/// The number of log lines kept for the mail; the log file gets all.
pub const MAX_LOG_LINES: usize = 10_000;

/// The state of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Has not begun.
    Pending,
    /// Has begun, and not ended.
    UnderWay,
    /// Done, without a warning.
    Done,
    /// Done, with at least one warning.
    Warned,
    /// Failed.
    Failed,
    /// Had nothing to do, as intended: a stale dump is not packed.
    Skipped,
    /// Did not run or finish because of an earlier event.
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
    /// The result in one line, redacted and escaped; empty until the task ends.
    pub text: String,
    /// Set when the task ends.
    pub duration: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpFacts {
    /// The entry's path in the ZIP, escaped for display.
    pub name: String,
    /// Uncompressed size in bytes.
    pub size: u64,
    /// In the job's zone; `None` if the ZIP has no time.
    pub modified: Option<DateTime<FixedOffset>>,
}

/// The archive of this run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ArchiveFacts {
    /// Its name on the server.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256: 64 lowercase hexadecimal digits.
    pub sha256: String,
}

/// How the archive was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It was sent.
    Sent,
    /// It replaced an archive of the same date with different bytes.
    Replaced,
    /// The server already had the same bytes.
    AlreadyThere,
}

/// The state of `sftp.directory` at the end of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderFacts {
    /// The archives that count, oldest first.
    pub archives: Vec<DatedArchive>,
    /// The first date since which retention keeps every night's archive; `None` if there is no archive.
    pub complete_since: Option<NaiveDate>,
    /// Free space in bytes, if the server reports it.
    pub free: Option<u64>,
}

/// What a drill restored and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrillFacts {
    /// Its name on the server, and its size in bytes.
    pub archive: Option<(String, u64)>,
    pub findings: Option<Findings>,
    /// The last drill that passed before this one.
    pub before: Option<PassedDrill>,
    pub has_passed: bool,
    /// Whether it failed because of the configuration or a missing program.
    pub is_misconfigured: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Delivered and verified, or already on the server; no warning.
    Success,
    /// Finished with warnings.
    Warnings,
    /// An [essential](Task::is_essential) task failed: nothing new was delivered.
    Failed,
    /// A signal ended the run before anything was delivered.
    Interrupted(Interruption),
    NotBegun(NotBegun),
}

/// Why a job did not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotBegun {
    /// The configuration cannot be used.
    Misconfigured,
    /// Another run of the same job is under way.
    AlreadyRunning,
}

#[derive(Debug, Clone, Default)]
pub struct RunRecord {
    /// The job's name; empty for a job without one.
    pub name: String,
    /// Identifies this run in the log.
    pub run_id: String,
    /// The name of this machine.
    pub host: String,
    /// The date of the run, in the job's zone.
    pub today: NaiveDate,
    /// In the job's zone.
    pub started: DateTime<FixedOffset>,
    /// From the start until the reports are written.
    pub duration: Duration,
    pub dry_run: bool,
    /// Size of the ZIP on the web server, in bytes.
    pub zip_size: Option<u64>,
    /// The number of bytes of the ZIP that were received.
    pub received: Option<u64>,
    pub dump: Option<DumpFacts>,
    pub archive: Option<ArchiveFacts>,
    /// Set once the archive is verified.
    pub delivery: Option<Delivery>,
    /// The host key's SHA-256 fingerprint, if the key is new.
    pub new_host_key: Option<String>,
    pub retention: Option<retention::Plan>,
    /// The number of archives and leftovers that were removed.
    pub removed: u32,
    pub folder: Option<FolderFacts>,
    /// Why `folder` is missing after a failure; escaped for display.
    pub listing_error: Option<String>,
    /// Whether another job's archive on the server has the name of this run's.
    pub is_name_taken: bool,
    pub retries: u32,
    /// For a drill instead of a run.
    pub drill: Option<DrillFacts>,
    /// Whether the task Before hook has a program to run.
    pub has_before_hook: bool,
    pub has_after_hook: bool,
    /// How old the last drill is, for the report of a run.
    pub last_drill: Option<String>,
    pub interruption: Option<Interruption>,
    /// See [`set_not_begun`](RunRecord::set_not_begun).
    pub not_begun: Option<NotBegun>,
    /// The first task that panicked.
    pub panicked: Option<Task>,
    /// The first [`MAX_LOG_LINES`] lines of the run in the log file.
    pub log_lines: Vec<String>,
    tasks: Vec<TaskReport>,
    notes: Vec<Note>,
    redaction: Redaction,
}

impl RunRecord {
    /// `redaction` cleans all recorded text.
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

    /// See [`Redaction::clean`].
    pub fn clean(&self, text: &str) -> String {
        self.redaction.clean(text)
    }

    pub fn redaction(&self) -> &Redaction {
        &self.redaction
    }

    /// The tasks of a run, or of a drill, in the order of [`Task::ALL`].
    pub fn tasks(&self) -> impl Iterator<Item = &TaskReport> {
        self.tasks.iter().filter(|report| match report.task {
            Task::BeforeHook => self.has_before_hook,
            Task::AfterHook => self.has_after_hook,
            task => task.is_of(self.drill.is_some()),
        })
    }

    /// In the order of recording.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    pub fn task(&self, task: Task) -> &TaskReport {
        // `tasks` and `Task::ALL` are in the order of the discriminants.
        &self.tasks[task as usize]
    }

    /// The task in progress, the last one of several.
    pub fn current_task(&self) -> Option<Task> {
        self.tasks.iter().rev().find(|report| report.state == State::UnderWay).map(|report| report.task)
    }

    pub fn begin(&mut self, task: Task) {
        self.tasks[task as usize].state = State::UnderWay;
    }

    /// Ends `task` and returns `text` as recorded. A task with warnings ends as [`State::Warned`] instead of
    /// [`State::Done`].
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

    /// Records that the job did not begin, for each of the `reasons`.
    pub fn set_not_begun(&mut self, why: NotBegun, reasons: &[String]) {
        self.not_begun = Some(why);
        for reason in reasons {
            self.end(Task::ReadConfiguration, State::Failed, reason, None);
        }
    }

    /// Adds a note about `task` and returns `text` as recorded. A warning changes [`State::Done`] to [`State::Warned`].
    pub fn note(&mut self, level: Level, task: Task, text: &str) -> String {
        let text = self.clean(text);
        let report = &mut self.tasks[task as usize];
        if level == Level::Warning && report.state == State::Done {
            report.state = State::Warned;
        }
        self.notes.push(Note { level, task, text: text.clone() });
        text
    }

    /// Keeps the first [`MAX_LOG_LINES`] lines, and then one that refers to the log file.
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

    /// Whether the run has delivered, or the drill has passed.
    pub fn has_succeeded(&self) -> bool {
        self.drill.as_ref().map_or(self.is_delivered(), |drill| drill.has_passed)
    }

    /// The outcome by everything recorded so far. An error after the success counts as a warning.
    pub fn outcome(&self) -> Outcome {
        if self.has_succeeded() {
            let is_clean = self.errors() == 0 && self.warnings() == 0 && self.interruption.is_none();
            return if is_clean { Outcome::Success } else { Outcome::Warnings };
        }
        if let Some(why) = self.not_begun {
            return Outcome::NotBegun(why);
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
    fn the_last_kept_log_line_refers_to_the_log_file() {
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
