//! Joins the messages of an error and its causes.

use std::error::Error;

/// `error` and its causes on one line, joined by colons. Omits a cause whose message already ends the line.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}
