//! Runs of the real program that are disturbed or killed, and an independent model of the folder after them.
//!
//! [`sweep`] kills one run at many points; [`soak`] runs many nights in a row.

use std::io::{IsTerminal as _, Write as _};

pub mod dump;
pub mod encrypted;
pub mod faults;
pub mod folder;
pub mod history;
pub mod model;
pub mod names;
pub mod points;
pub mod second_machine;
pub mod site;
pub mod soak;
pub mod sweep;
pub mod victim;

/// Overwrites the current line with `text` if standard error is a terminal.
pub fn show_progress(text: &str) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r{text}").and_then(|()| stderr.flush());
    }
}
