//! What a panic may tell.

use std::{io, panic};

use crate::rules::redaction::Redaction;

/// A panic's message can hold anything; what of it reaches the writer that `stderr` gives is redacted like all else.
pub(super) fn redact_panics<W: io::Write>(redaction: Redaction, stderr: impl Fn() -> W + Send + Sync + 'static) {
    panic::set_hook(Box::new(move |panic| {
        // Where stderr is closed, there is nobody to tell.
        let _ = writeln!(stderr(), "scripting-system: {}", redaction.clean(&panic.to_string()));
    }));
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn a_panic_tells_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stderr");
        let file = File::create(&path).unwrap();
        redact_panics(Redaction::new(&["hunter22".into()]), move || file.try_clone().unwrap());
        let panicked = std::thread::spawn(|| panic!("the password is hunter22")).join();
        drop(panic::take_hook());
        assert!(panicked.is_err());
        let told = fs::read_to_string(path).unwrap();
        assert!(told.contains("the password is [redacted]") && !told.contains("hunter22"), "{told}");
    }
}
