//! Joins the messages of an error and its causes.

use std::error::Error;

/// `error` and its causes on one line, joined by colons. A cause that the message before it ends with is omitted.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
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
