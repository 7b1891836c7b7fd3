//! Keeps secrets out of the messages of panics.

use std::{io, panic};

use crate::rules::redaction::Redaction;

/// Redacts the messages of all further panics, and writes them to the writer that `stderr` returns.
pub(super) fn redact_panics<W: io::Write>(redaction: Redaction, stderr: impl Fn() -> W + Send + Sync + 'static) {
    panic::set_hook(Box::new(move |panic| {
        // If stderr is closed, nobody reads it.
        let _ = writeln!(stderr(), "scripting-system: {}", redaction.clean(&panic.to_string()));
    }));
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn a_panic_message_shows_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stderr");
        let file = File::create(&path).unwrap();
        redact_panics(Redaction::new(&["hunter22".into()]), move || file.try_clone().unwrap());
        let panicked = std::thread::spawn(|| panic!("the password is hunter22")).join();
        drop(panic::take_hook());
        assert!(panicked.is_err());
        let message = fs::read_to_string(path).unwrap();
        assert!(message.contains("the password is [redacted]") && !message.contains("hunter22"), "{message}");
    }
}
