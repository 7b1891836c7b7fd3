//! Makes text safe to report: removes secrets, escapes control characters, truncates, quotes for a shell.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

/// Longer texts are truncated.
pub const MAX_CHARACTERS: usize = 2_000;

/// A shorter secret is not searched for: that would blank out ordinary words, and such a secret is easily guessed.
const SHORTEST_SECRET: usize = 4;

/// A shorter piece of base64 would match ordinary text.
const SHORTEST_INSIDE_BASE64: usize = 6;

/// What most programs percent-encode: all but the unreserved characters (RFC 3986, section 2.3).
const BUT_UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const REPLACEMENT: &str = "[redacted]";

/// Removes secrets from texts: as they are, quoted, in base64 and percent-encoded.
#[derive(Clone, Default)]
pub struct Redaction {
    /// Longest first, so that a secret that contains another one is removed as a whole.
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
            .filter(|secret| secret.chars().count() >= SHORTEST_SECRET)
            .flat_map(forms_of)
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

/// `secret` as it is, quoted, percent-encoded, and in both alphabets of base64.
fn forms_of(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned(), escaped(secret)];
    for set in [NON_ALPHANUMERIC, BUT_UNRESERVED] {
        let encoded = utf8_percent_encode(secret, set).to_string();
        forms.extend([with_lower_case_digits(&encoded), encoded]);
    }
    for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
        forms.push(engine.encode(secret));
    }
    forms.extend(inside_base64(secret));
    forms
}

/// `text` as Rust, JSON and many servers quote it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// The percent-encoded text `encoded` with `%2f` for `%2F`.
fn with_lower_case_digits(encoded: &str) -> String {
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

/// The part of a longer text's base64 that depends on `secret` alone: the secret can begin at three places in a group of
/// three bytes, and its first and last character of base64 can share bits with the text around it.
fn inside_base64(secret: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let bytes = [&[0; 2][..before], secret.as_bytes()].concat();
        let (first, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            forms.extend(engine.encode(&bytes).get(first..end).map(str::to_owned));
        }
    }
    forms.retain(|form| form.len() >= SHORTEST_INSIDE_BASE64);
    forms
}

/// `text` with control characters and Unicode's line separators and direction marks escaped: they could forge a line or
/// hide text.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let hides = matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if character.is_control() || hides {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// `path`, safe to report.
pub fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// `text`, cut to [`MAX_CHARACTERS`] with a note on how much is missing.
fn shorten(text: &str) -> String {
    let count = text.chars().count();
    if count <= MAX_CHARACTERS {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(MAX_CHARACTERS).collect();
    short.push_str(&format!("… ({} more characters)", count - MAX_CHARACTERS));
    short
}

/// `text` as one word of a shell's command line.
pub fn shell_word(text: &str) -> String {
    // Only NUL cannot be quoted; neither arguments nor paths hold one.
    shlex::try_quote(text).unwrap_or_default().into_owned()
}
