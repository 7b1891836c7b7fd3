//! The log file: every event of this program is appended to it and to the run's record.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::span::{Attributes, Id};
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use crate::config::{Log, LogFormat, LogLevel, LogTarget};
use crate::disk::space::open_to_append;
use crate::record::journal::Journal;
use crate::report::log::log_line::{self, LogLine, Severity, format_line};
use crate::report::log::verbose::Verbose;
use crate::rules::redaction::Redaction;
use crate::runtime::clock::Clock;

/// For a new log file, which names files and servers. An existing file keeps its mode.
const MODE: u32 = 0o640;

#[derive(Debug, thiserror::Error)]
pub enum LogFileError {
    #[error("cannot open the log file {target}: {source}; create its folder, set its permissions, or change log.file")]
    Open { target: LogTarget, source: io::Error },
    #[error("cannot write to the log file {target}: {source}; lines of this run are missing")]
    Write { target: LogTarget, source: io::Error },
}

/// The log file of one run, as a tracing layer. Clones share the file.
///
/// An event emitted while the run's record is locked is delayed, and missing from the record.
#[derive(Clone)]
pub struct LogFile(Arc<Inner>);

struct Inner {
    target: LogTarget,
    format: LogFormat,
    level: LogLevel,
    run_id: String,
    redaction: Redaction,
    journal: Journal,
    clock: Clock,
    sink: Mutex<Sink>,
}

#[derive(Default)]
struct Sink {
    file: Option<File>,
    error: Option<String>,
}

impl LogFile {
    /// Opens the log file for appending. If that fails, stderr and [`error`](LogFile::error) report it, and the record still
    /// gets the lines.
    pub fn open(log: &Log, journal: Journal, clock: Clock) -> LogFile {
        let (run_id, redaction) = journal.read(|record| (record.clean(&record.run_id), record.redaction().clone()));
        let log_file = LogFile(Arc::new(Inner {
            target: log.file.clone(),
            format: log.format,
            level: log.level,
            run_id,
            redaction,
            journal,
            clock,
            sink: Mutex::default(),
        }));
        match open(&log.file) {
            Ok(file) => log_file.sink().file = Some(file),
            Err(error) => log_file.report(&mut log_file.sink(), &error),
        }
        log_file
    }

    /// Whether its lines are printed.
    pub fn is_stream(&self) -> bool {
        self.0.target.path().is_none()
    }

    /// Why lines are missing from the file, if any.
    pub fn error(&self) -> Option<String> {
        self.sink().error.clone()
    }

    fn sink(&self) -> MutexGuard<'_, Sink> {
        self.0.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, line: &str) {
        let mut sink = self.sink();
        let Some(file) = &mut sink.file else { return };
        if let Err(error) = write(file, &self.0.target, line) {
            self.report(&mut sink, &error);
        }
    }

    /// Keeps and prints the first error; ignores later ones.
    fn report(&self, sink: &mut Sink, error: &LogFileError) {
        if sink.error.is_none() {
            let text = self.0.redaction.clean(&error.to_string());
            // A closed stderr leaves nothing to report to.
            let _ = writeln!(io::stderr(), "scripting-system: {text}");
            sink.error = Some(text);
        }
    }
}

struct SpanTask(String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogFile {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let (Some(task), Some(span)) = (log_line::span_task(attributes), context.span(id)) {
            span.extensions_mut().insert(SpanTask(task));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(mut line) = LogLine::from_event(event).filter(|line| line.severity.is_at_least(self.0.level)) else {
            return;
        };
        if line.task.is_none() {
            // Several tasks may be running; the span is the one of this thread.
            let span_task = context.event_scope(event).and_then(|mut spans| {
                spans.find_map(|span| span.extensions().get::<SpanTask>().map(|task| task.0.clone()))
            });
            line.task = span_task.or_else(|| self.0.journal.current_task().map(|task| task.title().to_owned()));
        }
        let line = format_line(&line.cleaned(&self.0.redaction), (self.0.clock)(), &self.0.run_id, self.0.format);
        self.write(&line);
        self.0.journal.keep_log_line(line);
    }
}

/// Sends the events of a thread that logs to it to `log_file` and `verbose`.
pub fn dispatch(log_file: Option<LogFile>, verbose: Option<Verbose>) -> Dispatch {
    tracing_subscriber::registry().with(log_file).with(verbose).into()
}

/// Appends a CRITICAL line about an unusable configuration to the log.
pub fn critical(target: &LogTarget, format: LogFormat, clock: &Clock, message: &str) -> Result<(), LogFileError> {
    let message = message.to_owned();
    let line = LogLine { severity: Severity::Critical, task: None, seconds: None, message, fields: Vec::new() };
    let line = format_line(&line.cleaned(&Redaction::default()), clock(), "-", format);
    write(&mut open(target)?, target, &line)
}

fn open(target: &LogTarget) -> Result<File, LogFileError> {
    let duplicate = |stream: BorrowedFd<'_>| stream.try_clone_to_owned().map(File::from);
    let opened = match target {
        LogTarget::File(path) => {
            let mut options = OpenOptions::new();
            options.create(true).mode(MODE);
            open_to_append(path, options)
        }
        LogTarget::Stdout => duplicate(io::stdout().as_fd()),
        LogTarget::Stderr => duplicate(io::stderr().as_fd()),
    };
    opened.map_err(|source| LogFileError::Open { target: target.clone(), source })
}

/// In one write, so that lines of concurrent runs don't mix.
fn write(file: &mut File, target: &LogTarget, line: &str) -> Result<(), LogFileError> {
    file.write_all(format!("{line}\n").as_bytes())
        .map_err(|source| LogFileError::Write { target: target.clone(), source })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::record::run_record::RunRecord;

    #[test]
    fn a_full_disk_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let file = LogTarget::File(folder.path().join("log.log"));
        let log = Log { file, format: LogFormat::Text, level: LogLevel::Info };
        let time = DateTime::parse_from_rfc3339("2026-11-23T23:00:01.123+01:00").unwrap();
        let record = RunRecord::new("r1".into(), "db1".into(), time.date_naive(), time, Redaction::default());
        let log_file = LogFile::open(&log, Journal::new(record), Arc::new(move || time));
        log_file.sink().file = Some(OpenOptions::new().write(true).open("/dev/full").unwrap());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(log_file.clone()), || {
            tracing::info!("one");
            tracing::info!("two");
        });
        let error = log_file.error().unwrap();
        assert!(error.contains("No space left on device"), "{error}");
    }
}
