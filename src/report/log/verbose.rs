//! What `-v` shows: the program's own events as lines for a person who watches.

use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::config::LogLevel;
use crate::report::log::log_line::{Severity, Told};
use crate::rules::redaction::Redaction;

/// Where a line goes, which comes without a line break.
pub type Show = Box<dyn Fn(&str) + Send + Sync>;

/// A layer of tracing that shows events as they happen.
pub struct Verbose {
    least: LogLevel,
    redaction: Redaction,
    show: Show,
}

impl Verbose {
    /// Shows with `show` what happens: for `-v` as [`LogLevel::Info`], for more of them all; without the secrets of
    /// `redaction`. `show` must not emit events itself; where progress is drawn, it has to make room for the line.
    pub fn new(count: u8, redaction: Redaction, show: Show) -> Verbose {
        Verbose { least: if count > 1 { LogLevel::Debug } else { LogLevel::Info }, redaction, show }
    }
}

impl<S: Subscriber> Layer<S> for Verbose {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let Some(told) = Told::by(event).filter(|told| told.severity.reaches(self.least)) else { return };
        let told = told.cleaned(&self.redaction);
        let sentence = told.sentence();
        match told.severity {
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
    fn one_v_shows_what_is_done_and_two_show_more() {
        assert_eq!(shown(1), ["Find dump: a\\nb [redacted]"]);
        assert_eq!(shown(2), ["debug Find dump: begins", "Find dump: a\\nb [redacted]"]);
    }
}
