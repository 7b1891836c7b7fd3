//! What happened in a run: plain data, filled while the job goes on, read by every report.
//!
//! The worker that does the job and the main thread that reports share one record ([`SharedRecord`]), so that
//! a report can tell all that is known even when the worker is stuck or has died.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use chrono::{DateTime, FixedOffset, NaiveDate};

use crate::record::task::Task;
use crate::rules::listing::Archived;
use crate::rules::redaction::Redaction;
use crate::rules::retention;
use crate::runtime::interrupt::Interruption;

/// What only a run changes about a host key that is met for the first time.
pub const NOT_KNOWN_YET: &str = "is not known yet; the first run will trust it";

/// How far a task got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not begun.
    Pending,
    /// Begun, not ended.
    UnderWay,
    /// Went well.
    Done,
    /// Ended, with at least one warning.
    Warned,
    /// Failed.
    Failed,
    /// Had nothing to do, as it should be (a stale dump is not packed).
    Skipped,
    /// Never ran, or was cut off, because of what happened before it.
    Stopped,
}

/// How much a reader should care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// All as it should be.
    Info,
    /// Worth a look.
    Warning,
    /// A task failed.
    Error,
}

/// Something that was told about a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How much it matters.
    pub level: Level,
    /// The task that it belongs to.
    pub task: Task,
    /// One line, already redacted and free of control characters.
    pub text: String,
}

/// A task and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskReport {
    /// Which task.
    pub task: Task,
    /// How far it got.
    pub state: State,
    /// The line that tells how it ended; empty while it has not. Already redacted and escaped.
    pub text: String,
    /// How long it took, once it has ended.
    pub duration: Option<Duration>,
}

/// The dump that was found in the ZIP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpFacts {
    /// The entry's path in the ZIP, escaped for display.
    pub name: String,
    /// Uncompressed size in bytes.
    pub size: u64,
    /// When it was modified, in the job's zone; `None` where the ZIP does not say.
    pub modified: Option<DateTime<FixedOffset>>,
}

/// The archive made of the dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveFacts {
    /// Its name on the server.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes, as lowercase hexadecimal digits.
    pub sha256: String,
}

/// How the archive came to lie on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It is new there.
    Sent,
    /// It took the place of an archive of the same name with other bytes.
    Replaced,
    /// The same bytes already lay there.
    AlreadyThere,
}

/// What lies in `sftp.directory`, as the run left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderFacts {
    /// The archives that count, oldest first.
    pub archives: Vec<Archived>,
    /// From this day on retention keeps the archive of every night; `None` where there are none.
    pub complete_since: Option<NaiveDate>,
    /// How many bytes are free there, where the server tells.
    pub free: Option<u64>,
}

/// How the whole run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Delivered and verified, or already there; no warning.
    Success,
    /// Finished, with warnings.
    Warnings,
    /// One of the tasks 2 to 8 failed: nothing new was delivered.
    Failed,
    /// A signal ended the run before anything was delivered.
    Interrupted(Interruption),
}

/// The record of one run.
#[derive(Debug)]
pub struct RunRecord {
    /// Names this run in the log.
    pub run_id: String,
    /// The name of the machine that the run is on.
    pub host: String,
    /// The calendar date that the run is for, in the job's zone.
    pub today: NaiveDate,
    /// When the run began, in the job's zone.
    pub started: DateTime<FixedOffset>,
    /// How long the run has taken so far; set by whoever is about to report.
    pub duration: Duration,
    /// Whether nothing may be changed (`--dry-run`).
    pub dry_run: bool,
    /// The size of the ZIP on the web server, in bytes.
    pub zip_size: Option<u64>,
    /// How many bytes of it were received.
    pub received: Option<u64>,
    /// The dump, once it was found.
    pub dump: Option<DumpFacts>,
    /// The archive, once it was packed.
    pub archive: Option<ArchiveFacts>,
    /// How the archive was delivered, once that is proven.
    pub delivery: Option<Delivery>,
    /// The host key's SHA-256 fingerprint, where this run met the server for the first time.
    pub new_host_key: Option<String>,
    /// What retention decided, once it has.
    pub retention: Option<retention::Plan>,
    /// How many archives and leftovers were removed.
    pub removed: u32,
    /// What lies on the server, where the run has seen it.
    pub folder: Option<FolderFacts>,
    /// Why the run has not seen it, where it failed and that was tried or given up; escaped for display.
    pub folder_unseen: Option<String>,
    /// Whether the archive that has this run's name on the server belongs to another job.
    pub is_name_taken: bool,
    /// How many times something was tried again.
    pub retries: u32,
    /// Set when a signal or the deadline ended the run.
    pub interruption: Option<Interruption>,
    /// The log lines of this run, as they stand in the log file.
    pub log_lines: Vec<String>,
    tasks: Vec<TaskReport>,
    notes: Vec<Note>,
    redaction: Redaction,
}

/// A record that worker and main thread share.
#[derive(Debug, Clone)]
pub struct SharedRecord(Arc<Mutex<RunRecord>>);

impl SharedRecord {
    /// Makes `record` one that threads can share.
    pub fn new(record: RunRecord) -> SharedRecord {
        SharedRecord(Arc::new(Mutex::new(record)))
    }

    /// The record, locked. A thread that panicked while it held the lock leaves plain data behind, which is
    /// still the best that is known.
    pub fn lock(&self) -> MutexGuard<'_, RunRecord> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record, locked, unless it is locked already.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, RunRecord>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl RunRecord {
    /// An empty record of a run that begins at `started` on `host` for the date `today`. All text that enters
    /// it passes through `redaction`.
    pub fn new(
        run_id: String,
        host: String,
        today: NaiveDate,
        started: DateTime<FixedOffset>,
        redaction: Redaction,
    ) -> RunRecord {
        RunRecord {
            run_id,
            host,
            today,
            started,
            duration: Duration::ZERO,
            dry_run: false,
            zip_size: None,
            received: None,
            dump: None,
            archive: None,
            delivery: None,
            new_host_key: None,
            retention: None,
            removed: 0,
            folder: None,
            folder_unseen: None,
            is_name_taken: false,
            retries: 0,
            interruption: None,
            log_lines: Vec::new(),
            tasks: Task::ALL
                .into_iter()
                .map(|task| TaskReport { task, state: State::Pending, text: String::new(), duration: None })
                .collect(),
            notes: Vec::new(),
            redaction,
        }
    }

    /// `text` as it may be told: one line, without secrets and control characters.
    pub fn clean(&self, text: &str) -> String {
        self.redaction.clean(text)
    }

    /// What cleans the texts of this record, for those who tell more than it holds.
    pub fn redaction(&self) -> &Redaction {
        &self.redaction
    }

    /// The tasks in their order, with what became of each.
    pub fn tasks(&self) -> &[TaskReport] {
        &self.tasks
    }

    /// All that was told, in the order in which it was.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// What became of `task`.
    pub fn task(&self, task: Task) -> &TaskReport {
        // `tasks` is made from `Task::ALL`, whose order is that of the discriminants.
        &self.tasks[task as usize]
    }

    /// The task that is under way; the last of them where several are.
    pub fn current_task(&self) -> Option<Task> {
        self.tasks.iter().rev().find(|report| report.state == State::UnderWay).map(|report| report.task)
    }

    /// `task` begins.
    pub fn begin(&mut self, task: Task) {
        self.tasks[task as usize].state = State::UnderWay;
    }

    /// `task` ends in `state`, told by `text`. A task that warned before and ends well stays [`State::Warned`].
    /// Gives the text as it was recorded.
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

    /// Adds something worth knowing about `task`, which goes on. A warning marks the task as warned. Gives the
    /// text as it was recorded.
    pub fn note(&mut self, level: Level, task: Task, text: &str) -> String {
        let text = self.clean(text);
        let report = &mut self.tasks[task as usize];
        if level == Level::Warning && report.state == State::Done {
            report.state = State::Warned;
        }
        self.notes.push(Note { level, task, text: text.clone() });
        text
    }

    /// How many errors were told.
    pub fn errors(&self) -> usize {
        self.notes.iter().filter(|note| note.level == Level::Error).count()
    }

    /// How many warnings were told.
    pub fn warnings(&self) -> usize {
        self.notes.iter().filter(|note| note.level == Level::Warning).count()
    }

    /// Whether a verified archive of this run's dump lies on the server.
    pub fn is_delivered(&self) -> bool {
        self.delivery.is_some()
    }

    /// How the run ended, going by all that was recorded. What happens after a delivery is a warning at most.
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
