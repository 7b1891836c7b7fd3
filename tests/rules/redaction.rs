//! Redaction of secrets in every form, and escaping of text that could forge a line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use scripting_system::rules::redaction::{MAX_CHARACTERS, Redaction};
use secrecy::SecretString;

fn redaction(secrets: &[&str]) -> Redaction {
    Redaction::new(&secrets.iter().map(|secret| SecretString::from(*secret)).collect::<Vec<_>>())
}

#[test]
fn a_secret_is_removed_in_every_encoding_of_a_protocol() {
    let redaction = redaction(&["p@ss w/rd"]);
    for form in ["p@ss w/rd", "p%40ss%20w%2Frd", "p%40ss%20w%2frd", "cEBzcyB3L3Jk"] {
        assert_eq!(redaction.clean(&format!("a {form} b")), "a [redacted] b");
    }
}

#[test]
fn a_secret_is_removed_in_every_encoding_that_servers_use() {
    let redaction = redaction(&["P@\"w/\\-Rd"]);
    for form in ["P@\\\"w/\\\\-Rd", "P%40%22w%2F%5C-Rd", "P%40%22w%2f%5c-Rd", "P%40%22w%2f%5c%2dRd"] {
        assert_eq!(redaction.clean(&format!("a {form} b")), "a [redacted] b");
    }
    for before in ["", "u", "us"] {
        let encoded = STANDARD.encode(format!("{before}P@\"w/\\-Rd!"));
        assert!(redaction.clean(&encoded).contains("[redacted]"), "{encoded}");
    }
    assert_eq!(redaction.clean("p%40%22w%2f%5c-rd"), "p%40%22w%2f%5c-rd", "a different secret");
}

#[test]
fn a_secret_that_contains_another_is_removed_as_a_whole() {
    assert_eq!(redaction(&["abcd", "abcdefgh"]).clean("xabcdefghx"), "x[redacted]x");
}

#[test]
fn a_text_cannot_forge_a_line() {
    assert_eq!(redaction(&[]).clean("a\nERROR b\u{1b}[2J\u{202e}"), "a\\nERROR b\\u{1b}[2J\\u{202e}");
}

#[test]
fn a_long_text_is_truncated_with_a_note() {
    let text = redaction(&[]).clean(&"é".repeat(MAX_CHARACTERS + 5));
    assert!(text.ends_with("… (5 more characters)"), "{text}");
}
