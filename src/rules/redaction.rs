//! Makes text safe to report: removes secrets, escapes control characters, truncates, quotes for a shell.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

/// In a reported text.
pub const MAX_CHARACTERS: usize = 2_000;

/// A shorter secret is not redacted: that would remove ordinary words, and such a secret is easily guessed anyway.
const MIN_SECRET_CHARACTERS: usize = 4;

/// A shorter piece of base64 would match ordinary text.
const MIN_BASE64_LENGTH: usize = 6;

/// All but the unreserved characters (RFC 3986, section 2.3), as most programs percent-encode.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const REPLACEMENT: &str = "[redacted]";

/// Removes secrets from texts: verbatim, quoted, in base64 and percent-encoded.
#[derive(Clone, Default)]
pub struct Redaction {
    /// Longest first, so that a secret that contains another is removed as a whole.
    forms: Vec<SecretString>,
}

impl std::fmt::Debug for Redaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redaction").field("forms", &self.forms.len()).finish()
    }
}

impl Redaction {
    pub fn new(secrets: &[SecretString]) -> Redaction {
        let mut forms: Vec<String> = secrets
            .iter()
            .map(|secret| secret.expose_secret())
            .filter(|secret| secret.chars().count() >= MIN_SECRET_CHARACTERS)
            .flat_map(encodings)
            .collect();
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Redaction { forms: forms.into_iter().map(SecretString::from).collect() }
    }

    /// `text` as one line that is safe to report: without secrets, [`printable`], cut to [`MAX_CHARACTERS`].
    pub fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for form in &self.forms {
            if text.contains(form.expose_secret()) {
                text = text.replace(form.expose_secret(), REPLACEMENT);
            }
        }
        shorten(&printable(&text))
    }
}

/// `secret` verbatim, quoted, percent-encoded, and in both alphabets of base64.
fn encodings(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned(), escaped(secret)];
    for set in [NON_ALPHANUMERIC, RESERVED] {
        let encoded = utf8_percent_encode(secret, set).to_string();
        forms.extend([lowercase_escapes(&encoded), encoded]);
    }
    for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
        forms.push(engine.encode(secret));
    }
    forms.extend(base64_substrings(secret));
    forms
}

/// `text` as in a string of Rust or JSON, and in the messages of many servers.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Replaces `%2F` in `encoded` by `%2f`, and so on.
fn lowercase_escapes(encoded: &str) -> String {
    let mut digits: u8 = 0;
    let lower = |character: char| {
        if character == '%' {
            digits = 2;
            return character;
        }
        let is_digit = digits > 0;
        digits = digits.saturating_sub(1);
        if is_digit { character.to_ascii_lowercase() } else { character }
    };
    encoded.chars().map(lower).collect()
}

/// The base64 characters of a longer text that depend on `secret` alone. The secret can begin at any of three positions in a
/// group of three bytes, and its first and last base64 character can share bits with the surrounding text.
fn base64_substrings(secret: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let bytes = [&[0; 2][..before], secret.as_bytes()].concat();
        let (first, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            forms.extend(engine.encode(&bytes).get(first..end).map(str::to_owned));
        }
    }
    forms.retain(|form| form.len() >= MIN_BASE64_LENGTH);
    forms
}

/// Escapes characters of `text` that could forge a line or hide text: control characters, Unicode's line separators and
/// direction marks.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let is_invisible = matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if character.is_control() || is_invisible {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// `path` as a [`printable`] text.
pub fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// Truncates `text` to [`MAX_CHARACTERS`], and appends how many are missing.
fn shorten(text: &str) -> String {
    let count = text.chars().count();
    if count <= MAX_CHARACTERS {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(MAX_CHARACTERS).collect();
    short.push_str(&format!("… ({} more characters)", count - MAX_CHARACTERS));
    short
}

/// `text` quoted as one word for a shell.
pub fn shell_word(text: &str) -> String {
    // Only NUL cannot be quoted, and neither arguments nor paths contain it.
    shlex::try_quote(text).unwrap_or_default().into_owned()
}
