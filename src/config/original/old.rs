//! Walking an old configuration key by key. Of a key that stands twice the last one counts, as Python's `json` has it.

use crate::config::json::Value;
use crate::config::original::Converter;
use crate::config::walk::{Fault, quoted, wrong_type};

/// A JSON object of the old configuration.
pub(super) struct Old<'a> {
    path: String,
    members: &'a [(String, Value)],
    known: Vec<&'static str>,
}

impl<'a> Old<'a> {
    pub(super) fn new(path: String, members: &'a [(String, Value)]) -> Old<'a> {
        Old { path, members, known: Vec::new() }
    }

    /// `key` with the sections that it stands in.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The value of `key`, unless it is missing or null.
    pub(super) fn value(&mut self, converter: &mut Converter, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        let mut values = self.members.iter().filter(|(name, _)| name == key).map(|(_, value)| value);
        let last = values.next_back()?;
        if values.next().is_some() {
            converter.assumed(format!("{} stands more than once: the last one counts, as before", self.path(key)));
        }
        (*last != Value::Null).then_some(last)
    }

    /// The section `key`; an empty one where there is none.
    pub(super) fn section(&mut self, converter: &mut Converter, key: &'static str) -> Old<'a> {
        let path = self.path(key);
        let members: &[_] = match self.value(converter, key) {
            Some(Value::Object(members)) => members,
            Some(other) => {
                // What stands in the wrong place may be a password.
                let problem = format!("{path} must be an object, found {}", other.kind());
                converter.by_hand(format!("{problem}: nothing was taken from it"));
                &[]
            }
            None => &[],
        };
        Old::new(path, members)
    }

    /// The text `key`, without which nothing works; a mistake where it is missing, told with its `meaning`.
    pub(super) fn required(&mut self, converter: &mut Converter, key: &'static str, meaning: &str) -> Option<String> {
        let text = self.required_secret(converter, key, meaning)?;
        if text.is_empty() {
            converter.mistake(self.path(key), Fault::new("is empty", format!("write {meaning}")));
            return None;
        }
        Some(text)
    }

    /// The same for a text that may be empty, and that no message repeats.
    pub(super) fn required_secret(
        &mut self,
        converter: &mut Converter,
        key: &'static str,
        meaning: &str,
    ) -> Option<String> {
        let problem = match self.value(converter, key) {
            Some(Value::Text(text)) => return Some(text.clone()),
            Some(other) => format!("must be a text, found {}", other.kind()),
            None => "is missing".to_owned(),
        };
        converter.mistake(self.path(key), Fault::new(problem, format!("write {meaning}")));
        None
    }

    /// The text `key`, or what is wrong with it.
    pub(super) fn text(&mut self, converter: &mut Converter, key: &'static str) -> Result<&'a str, String> {
        match self.value(converter, key) {
            Some(Value::Text(text)) => Ok(text),
            Some(other) => Err(wrong_type("a text", other, "").problem),
            None => Err("is missing".to_owned()),
        }
    }

    /// The whole number `key`, which may stand in quotes, or what is wrong with it.
    pub(super) fn number(&mut self, converter: &mut Converter, key: &'static str) -> Result<i128, String> {
        match self.value(converter, key) {
            Some(Value::Integer(number)) => Ok(*number),
            Some(Value::Text(text)) => {
                text.trim().parse().map_err(|_| format!("{} is not a whole number", quoted(text)))
            }
            Some(other) => Err(wrong_type("a whole number", other, "").problem),
            None => Err("is missing".to_owned()),
        }
    }

    /// What the word `key` stands for, of `words`, in whatever case, or what is wrong with it. `true` is "yes".
    pub(super) fn word<T: Copy>(
        &mut self,
        converter: &mut Converter,
        key: &'static str,
        words: &[(&str, T)],
    ) -> Result<T, String> {
        let word = match self.value(converter, key) {
            Some(Value::Text(text)) => text.trim().to_lowercase(),
            Some(Value::Boolean(truth)) => if *truth { "yes" } else { "no" }.to_owned(),
            Some(other) => return Err(wrong_type("a word", other, "").problem),
            None => return Err("is missing".to_owned()),
        };
        let known = words.iter().find(|(known, _)| *known == word);
        known.map(|(_, meaning)| *meaning).ok_or_else(|| format!("{} is not known", quoted(&word)))
    }

    /// Tells every key that was not asked for.
    pub(super) fn finish(self, converter: &mut Converter) {
        for (name, _) in self.members {
            if !self.known.contains(&name.as_str()) {
                converter.by_hand(format!("{} was not converted: there was no such key", quoted(&self.path(name))));
            }
        }
    }
}
