//! An error with its causes, as one line: each error says its own part, and only here are the parts joined.

use std::error::Error;

/// `error` and what caused it, joined by colons. A cause whose text the error before it already told is left out.
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
    fn each_cause_is_told_once() {
        assert_eq!(with_causes(&Outer(io::Error::other("no such file"))), "reading config.json: no such file");
        let nested = io::Error::other(io::Error::other("broken pipe"));
        assert_eq!(with_causes(&Outer(nested)), "reading config.json: broken pipe");
    }
}
