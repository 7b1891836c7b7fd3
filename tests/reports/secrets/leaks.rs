//! Finds secrets in a text, in every encoding that protocols and reports use.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

/// `secret` in clear text, percent-encoded, in base64, and escaped for JSON. There is a base64 form for each of the three
/// alignments, without the characters that depend on neighbouring bytes.
pub(crate) fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    for (unescaped, is_upper) in [("", true), ("", false), ("-._~", true), ("-._~", false)] {
        forms.push(percent_encode(secret, unescaped, is_upper));
    }
    for before in 0..3 {
        let bytes = [vec![0; before], secret.as_bytes().to_vec()].concat();
        // Six bits per character; the ones at both ends share bits with their neighbours.
        let (first, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        for engine in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
            forms.push(engine.encode(&bytes)[first..end].to_owned());
        }
    }
    let json = serde_json::to_string(secret).unwrap();
    forms.push(json[1..json.len() - 1].to_owned());
    forms.sort();
    forms.dedup();
    forms
}

fn percent_encode(text: &str, unescaped: &str, is_upper: bool) -> String {
    let encode = |byte: u8| match char::from(byte) {
        plain if plain.is_ascii_alphanumeric() || unescaped.contains(plain) => plain.to_string(),
        _ if is_upper => format!("%{byte:02X}"),
        _ => format!("%{byte:02x}"),
    };
    text.bytes().map(encode).collect()
}

/// The forms of `secrets` in `text`, even if they are escaped again for JSON, Markdown or HTML.
pub(crate) fn leaks(text: &str, secrets: &[&str]) -> Vec<String> {
    let unescaped = unescape(text);
    secrets
        .iter()
        .flat_map(|secret| forms(secret))
        .filter(|form| text.contains(form) || unescaped.contains(&unescape(form)))
        .collect()
}

/// Removes the escapes of JSON, Markdown and HTML.
fn unescape(text: &str) -> String {
    let mut text = text.replace(['\\', '\u{200b}'], "");
    for (entity, character) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")] {
        text = text.replace(entity, character);
    }
    text
}

/// Asserts that `text` contains none of `secrets`; `name` describes it in the failure.
#[track_caller]
pub(crate) fn assert_without(secrets: &[&str], name: &str, text: &str) {
    let leaks = leaks(text, secrets);
    assert!(leaks.is_empty(), "{name} contains {leaks:?}:\n{text}");
}

#[test]
fn a_planted_secret_is_found_in_every_form() {
    let secret = "p\"w/é+&?-Zq~\\1";
    for before in ["", "u", "us"] {
        let encoded = BASE64_STANDARD_NO_PAD.encode(format!("{before}{secret} and more"));
        assert_eq!(leaks(&format!("535 {encoded}"), &[secret]).len(), 1, "{encoded}");
    }
    for planted in [
        "x p\"w/é+&?-Zq~\\1 x",
        "GET /?p%22w%2F%C3%A9%2B%26%3F%2DZq%7E%5C1",
        "GET /?p%22w%2f%c3%a9%2b%26%3f-Zq~%5c1",
        r#"{"message":"p\"w/é+&?-Zq~\\1"}"#,
        "p\"w/é\\+&amp;?-Zq\\~\u{200b}\\\\1",
        "p&quot;w/é+&amp;?-Zq~\\1",
    ] {
        assert!(!leaks(planted, &[secret]).is_empty(), "{planted}");
        assert!(std::panic::catch_unwind(|| assert_without(&[secret], "the test", planted)).is_err(), "{planted}");
    }
    assert_without(&[secret], "the test", "p\"w, and a [redacted] here");
}
