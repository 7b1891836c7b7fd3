//! The output of `-v`: the program's own events as lines.

use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::config::LogLevel;
use crate::report::log::log_line::{LogLine, Severity};
use crate::rules::redaction::Redaction;

/// Prints a line, which has no line break.
pub type Show = Box<dyn Fn(&str) + Send + Sync>;

pub struct Verbose {
    least: LogLevel,
    redaction: Redaction,
    show: Show,
}

impl Verbose {
    /// `count`: how many `-v` there are; one shows [`LogLevel::Info`], two everything. `show` must not emit events, and must
    /// not disturb a progress bar.
    pub fn new(count: u8, redaction: Redaction, show: Show) -> Verbose {
        Verbose { least: if count > 1 { LogLevel::Debug } else { LogLevel::Info }, redaction, show }
    }
}

impl<S: Subscriber> Layer<S> for Verbose {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let Some(line) = LogLine::of(event).filter(|line| line.severity.reaches(self.least)) else { return };
        let line = line.cleaned(&self.redaction);
        let sentence = line.sentence();
        match line.severity {
            Severity::Info => (self.show)(&sentence),
            severity => (self.show)(&format!("{} {sentence}", severity.to_string().to_lowercase())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn shown(count: u8) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let show: Show = Box::new(move |line| sink.lock().unwrap().push(line.to_owned()));
        let verbose = Verbose::new(count, Redaction::new(&["hunter22".into()]), show);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(verbose), || {
            tracing::debug!(task = "Find dump", "begins");
            tracing::info!(task = "Find dump", "a\nb hunter22");
            tracing::error!(target: "ureq", "a library");
        });
        lines.lock().unwrap().clone()
    }

    #[test]
    fn one_v_shows_info_and_two_show_debug() {
        assert_eq!(shown(1), ["Find dump: a\\nb [redacted]"]);
        assert_eq!(shown(2), ["debug Find dump: begins", "Find dump: a\\nb [redacted]"]);
    }
}
