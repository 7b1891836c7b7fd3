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

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("reading config.json")]
    struct Outer(#[source] io::Error);

    #[test]
    fn each_cause_appears_once() {
        assert_eq!(with_causes(&Outer(io::Error::other("no such file"))), "reading config.json: no such file");
        let nested = io::Error::other(io::Error::other("broken pipe"));
        assert_eq!(with_causes(&Outer(nested)), "reading config.json: broken pipe");
    }
}
