//! Formats a tracing event as a log line, in text or JSON.

use std::fmt;

use chrono::{DateTime, FixedOffset, SecondsFormat};
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::Attributes;
use tracing::{Event, Metadata};

use crate::config::{LogFormat, LogLevel};
use crate::rules::redaction::Redaction;

/// Shorter durations are omitted.
const MIN_SECONDS: f64 = 0.1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Debug,
    Info,
    Warning,
    Error,
    /// The configuration cannot be used.
    Critical,
}

impl Severity {
    pub fn is_at_least(self, level: LogLevel) -> bool {
        let min = match level {
            LogLevel::Debug => Severity::Debug,
            LogLevel::Info => Severity::Info,
            LogLevel::Warning => Severity::Warning,
            LogLevel::Error => Severity::Error,
        };
        self >= min
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Severity::Debug => "DEBUG",
            Severity::Info => "INFO",
            Severity::Warning => "WARNING",
            Severity::Error => "ERROR",
            Severity::Critical => "CRITICAL",
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    pub severity: Severity,
    pub task: Option<String>,
    /// How long the event took.
    pub seconds: Option<f64>,
    pub message: String,
    pub fields: Vec<(&'static str, Value)>,
}

impl LogLine {
    /// `None` for an event of a library. The level ERROR with the field `critical = true` is [`Severity::Critical`].
    ///
    /// The texts may still contain secrets: see [`cleaned`](LogLine::cleaned).
    pub fn from_event(event: &Event<'_>) -> Option<LogLine> {
        if !is_own(event.metadata()) {
            return None;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let severity = match *event.metadata().level() {
            tracing::Level::ERROR if fields.critical => Severity::Critical,
            tracing::Level::ERROR => Severity::Error,
            tracing::Level::WARN => Severity::Warning,
            tracing::Level::INFO => Severity::Info,
            _ => Severity::Debug,
        };
        let Fields { task, seconds, message, others, .. } = fields;
        Some(LogLine { severity, task, seconds, message, fields: others })
    }

    /// Removes secrets and line breaks from all texts.
    pub fn cleaned(self, redaction: &Redaction) -> LogLine {
        let fields = self.fields.into_iter().map(|(name, value)| match value {
            Value::String(text) => (name, Value::String(redaction.clean(&text))),
            other => (name, other),
        });
        LogLine {
            task: self.task.map(|task| redaction.clean(&task)),
            message: redaction.clean(&self.message),
            fields: fields.collect(),
            ..self
        }
    }

    /// "task: message (1.2 s) field=value".
    pub fn sentence(&self) -> String {
        let mut sentence = match &self.task {
            Some(task) => format!("{task}: {}", self.message),
            None => self.message.clone(),
        };
        if let Some(seconds) = self.seconds.filter(|seconds| *seconds >= MIN_SECONDS) {
            sentence.push_str(&format!(" ({seconds:.1} s)"));
        }
        for (name, value) in &self.fields {
            match value {
                Value::String(text) => sentence.push_str(&format!(" {name}={text}")),
                other => sentence.push_str(&format!(" {name}={other}")),
            }
        }
        sentence
    }
}

fn is_own(metadata: &Metadata<'_>) -> bool {
    metadata.target().strip_prefix("scripting_system").is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// `line` must be [cleaned](LogLine::cleaned); `run` is the run's ID. The result has no line break.
pub fn format_line(line: &LogLine, time: DateTime<FixedOffset>, run: &str, format: LogFormat) -> String {
    let time = time.to_rfc3339_opts(SecondsFormat::Millis, false);
    match format {
        LogFormat::Text => format!("{time} {:<7} [{run}] {}", line.severity, line.sentence()),
        LogFormat::Json => {
            let object = JsonLine {
                time,
                level: line.severity.to_string(),
                run,
                task: line.task.as_deref(),
                message: &line.message,
                seconds: line.seconds.map(|seconds| (seconds * 1000.0).round() / 1000.0),
                fields: line
                    .fields
                    .iter()
                    .filter(|(name, _)| !["time", "level", "run", "task", "message", "seconds"].contains(name))
                    .map(|(name, value)| ((*name).to_owned(), value.clone()))
                    .collect(),
            };
            // Serialising strings, numbers and booleans cannot fail.
            serde_json::to_string(&object).unwrap_or_default()
        }
    }
}

/// The field `task` of a span; `None` for a span of a library.
pub fn span_task(span: &Attributes<'_>) -> Option<String> {
    let mut fields = Fields::default();
    span.record(&mut fields);
    fields.task.filter(|_| is_own(span.metadata()))
}

#[derive(Serialize)]
struct JsonLine<'a> {
    time: String,
    level: String,
    run: &'a str,
    task: Option<&'a str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

#[derive(Default)]
struct Fields {
    message: String,
    task: Option<String>,
    seconds: Option<f64>,
    critical: bool,
    others: Vec<(&'static str, Value)>,
}

impl Fields {
    fn set_text(&mut self, field: &Field, text: String) {
        match field.name() {
            "message" => self.message = text,
            "task" => self.task = Some(text),
            name => self.others.push((name, Value::String(text))),
        }
    }
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == "critical" {
            self.critical = value;
        } else {
            self.others.push((field.name(), value.into()));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.others.push((field.name(), value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.others.push((field.name(), value.into()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "seconds" {
            self.seconds = Some(value);
        } else {
            self.others.push((field.name(), value.into()));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set_text(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set_text(field, format!("{value:?}"));
    }
}
