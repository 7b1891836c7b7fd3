//! The causes of an error, as one sentence.

use std::io;

use scripting_system::runtime::error_chain::with_causes;

#[derive(Debug, thiserror::Error)]
#[error("reading config.json")]
struct Outer(#[source] io::Error);

#[test]
fn each_cause_appears_once() {
    assert_eq!(with_causes(&Outer(io::Error::other("no such file"))), "reading config.json: no such file");
    let nested = io::Error::other(io::Error::other("broken pipe"));
    assert_eq!(with_causes(&Outer(nested)), "reading config.json: broken pipe");
}
