//! Keeps secrets out of the messages of panics.

use std::io;
use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, Mutex, PoisonError};

use crate::rules::redaction::Redaction;

/// The secrets of all jobs of this process.
#[derive(Default)]
pub(super) struct PanicRedaction(Arc<Mutex<Vec<Redaction>>>);

impl PanicRedaction {
    /// Applies `redaction`, and the earlier ones, to the messages of all further panics on stderr.
    pub(super) fn redact(&self, redaction: Redaction) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(redaction);
        let redactions = self.0.clone();
        panic::set_hook(Box::new(move |panic| {
            let redactions = redactions.lock().unwrap_or_else(PoisonError::into_inner);
            write_redacted(panic, &redactions, &mut io::stderr());
        }));
    }
}

fn write_redacted(panic: &PanicHookInfo<'_>, redactions: &[Redaction], stderr: &mut dyn io::Write) {
    let text = redactions.iter().fold(panic.to_string(), |text, redaction| redaction.clean(&text));
    // If stderr is closed, nobody reads it.
    let _ = writeln!(stderr, "scripting-system: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_message_shows_no_secret_of_any_job() {
        let message = Arc::new(Mutex::new(Vec::new()));
        let stderr = message.clone();
        panic::set_hook(Box::new(move |panic| {
            let redactions = ["hunter22", "s3cr3tword"].map(|secret| Redaction::new(&[secret.into()]));
            write_redacted(panic, &redactions, &mut *stderr.lock().unwrap());
        }));
        let panicked = std::thread::spawn(|| panic!("the passwords are hunter22 and s3cr3tword")).join();
        drop(panic::take_hook());
        assert!(panicked.is_err());
        let message = String::from_utf8(message.lock().unwrap().clone()).unwrap();
        assert!(message.contains("the passwords are [redacted] and [redacted]"), "{message}");
    }
}
