//! The output of `-v`: a line for each event of this program.

use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::config::LogLevel;
use crate::report::log::log_line::{LogLine, Severity};
use crate::rules::redaction::Redaction;

/// Prints a line; the text has no line break.
pub type PrintLine = Box<dyn Fn(&str) + Send + Sync>;

pub struct Verbose {
    level: LogLevel,
    redaction: Redaction,
    print: PrintLine,
}

impl Verbose {
    /// `count` is the number of `-v` options: 1 shows [`LogLevel::Info`], more show everything. `print` must not emit events
    /// or disturb a progress bar.
    pub fn new(count: u8, redaction: Redaction, print: PrintLine) -> Verbose {
        Verbose { level: if count > 1 { LogLevel::Debug } else { LogLevel::Info }, redaction, print }
    }
}

impl<S: Subscriber> Layer<S> for Verbose {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let Some(line) = LogLine::from_event(event).filter(|line| line.severity.is_at_least(self.level)) else {
            return;
        };
        let line = line.cleaned(&self.redaction);
        let sentence = line.sentence();
        match line.severity {
            Severity::Info => (self.print)(&sentence),
            severity => (self.print)(&format!("{} {sentence}", severity.to_string().to_lowercase())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn printed(count: u8) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let print: PrintLine = Box::new(move |line| sink.lock().unwrap().push(line.to_owned()));
        let verbose = Verbose::new(count, Redaction::new(&["hunter22".into()]), print);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(verbose), || {
            tracing::debug!(task = "Find dump", "begins");
            tracing::info!(task = "Find dump", "a\nb hunter22");
            tracing::error!(target: "ureq", "a library");
        });
        lines.lock().unwrap().clone()
    }

    #[test]
    fn one_v_shows_info_and_two_show_debug() {
        assert_eq!(printed(1), ["Find dump: a\\nb [redacted]"]);
        assert_eq!(printed(2), ["debug Find dump: begins", "Find dump: a\\nb [redacted]"]);
    }
}
