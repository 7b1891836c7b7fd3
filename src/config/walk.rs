//! Walking a section of the JSON tree key by key: types, bounds, what is missing, what is unknown, and every mistake.

use std::ops::RangeInclusive;

use crate::config::error::Mistake;
use crate::config::json::Value;
use crate::config::place::Place;
use crate::rules::redaction::printable;
use crate::rules::trust::Distrust;

/// Stands for the key of a mistake about the file as such.
pub(super) const WHOLE_FILE: &str = "the whole file";

/// Longest part of a value that a message repeats, in characters.
const LONGEST_QUOTE: usize = 60;

/// What is wrong with one value, and what to do about it; the walk adds the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) problem: String,
    pub(super) fix: String,
}

impl Fault {
    pub(super) fn new(problem: impl Into<String>, fix: impl Into<String>) -> Fault {
        Fault { problem: problem.into(), fix: fix.into() }
    }
}

/// A whole number of the configuration, as it is documented.
pub(super) struct Number<T> {
    /// What it may be.
    pub(super) bounds: RangeInclusive<T>,
    /// What it is where it is not given.
    pub(super) default: T,
}

impl<T: Copy> Number<T> {
    pub(super) const fn new(bounds: RangeInclusive<T>, default: T) -> Number<T> {
        Number { bounds, default }
    }
}

/// A word of the configuration that stands for something, as it is documented.
pub(super) struct Choice<T: 'static> {
    /// The words, and what they stand for.
    pub(super) words: &'static [(&'static str, T)],
    /// What it is where it is not given.
    pub(super) default: T,
}

/// What is gathered on the way through a configuration.
pub(super) struct Walk<'a> {
    pub(super) place: Place<'a>,
    /// Every mistake so far.
    pub(super) mistakes: Vec<Mistake>,
    /// The keys whose secret stands in the configuration file itself.
    pub(super) clear: Vec<String>,
    /// What the operator should know, each with its key.
    pub(super) warnings: Vec<String>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(place: Place<'a>) -> Walk<'a> {
        Walk { place, mistakes: Vec::new(), clear: Vec::new(), warnings: Vec::new() }
    }

    /// Adds a mistake about the key `path`.
    pub(super) fn mistake(&mut self, path: impl Into<String>, fault: Fault) {
        self.mistakes.push(Mistake { path: path.into(), problem: fault.problem, fix: fault.fix });
    }

    /// Adds a mistake about the key `path`, or a warning where the operator has taken the responsibility for files.
    pub(super) fn distrust(&mut self, path: &str, fault: Fault) {
        self.mistake(path, fault);
        if self.place.trust.is_lenient {
            self.warnings.extend(self.mistakes.pop().map(|mistake| mistake.to_string()));
        }
    }

    /// The value of `result`, or none and a mistake about the key `path`; with a mistake for each reason not to trust a
    /// file that was read for it.
    pub(super) fn accept<T>(&mut self, path: impl Into<String>, result: Result<T, Fault>) -> Option<T> {
        let path = path.into();
        for Distrust { problem, fix } in self.place.trust.take() {
            self.distrust(&path, Fault { problem, fix });
        }
        result.map_err(|fault| self.mistake(path, fault)).ok()
    }
}

/// A JSON object whose keys are asked for one after another; [`finish`](Section::finish) refuses the others.
pub(super) struct Section<'a> {
    path: String,
    members: &'a [(String, Value)],
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn top(walk: &mut Walk<'_>, value: &'a Value) -> Option<Section<'a>> {
        match value {
            Value::Object(members) => Some(Section { path: String::new(), members, known: Vec::new() }),
            other => {
                let problem = format!("must be an object, found {}", other.kind());
                walk.mistake(WHOLE_FILE, Fault::new(problem, "write {\"source\": {…}, \"sftp\": {…}, …}"));
                None
            }
        }
    }

    /// A file without any key.
    pub(super) fn empty() -> Section<'static> {
        Section { path: String::new(), members: &[], known: Vec::new() }
    }

    /// `key` with the sections that it stands in.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Whether `key` is there, and not null.
    pub(super) fn is_given(&self, key: &str) -> bool {
        self.members.iter().any(|(name, value)| name == key && *value != Value::Null)
    }

    /// Whether `key` is there as a text.
    pub(super) fn is_text(&self, key: &str) -> bool {
        self.members.iter().any(|(name, value)| name == key && matches!(value, Value::Text(_)))
    }

    /// `key` is known and its value does not matter.
    pub(super) fn ignore(&mut self, key: &'static str) {
        self.known.push(key);
    }

    /// The value of `key`, unless it is missing or null.
    pub(super) fn value(&mut self, walk: &mut Walk<'_>, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        let members = self.members;
        let mut values = members.iter().filter(|(name, _)| name == key).map(|(_, value)| value);
        let first = values.next()?;
        if values.next().is_some() {
            walk.mistake(self.path(key), Fault::new("stands more than once", "keep one of them"));
        }
        (*first != Value::Null).then_some(first)
    }

    /// The section `key`, an empty one where it is missing; none where it is no object.
    pub(super) fn section(&mut self, walk: &mut Walk<'_>, key: &'static str) -> Option<Section<'a>> {
        match self.value(walk, key) {
            Some(value) => self.as_section(walk, key, value),
            None => Some(Section { path: self.path(key), members: &[], known: Vec::new() }),
        }
    }

    /// The section `key`, where it is there.
    pub(super) fn optional_section(&mut self, walk: &mut Walk<'_>, key: &'static str) -> Option<Section<'a>> {
        let value = self.value(walk, key)?;
        self.as_section(walk, key, value)
    }

    fn as_section(&self, walk: &mut Walk<'_>, key: &str, value: &'a Value) -> Option<Section<'a>> {
        let Value::Object(members) = value else {
            walk.mistake(self.path(key), wrong_type("an object", value, "write {…} with the section's keys"));
            return None;
        };
        Some(Section { path: self.path(key), members, known: Vec::new() })
    }

    /// The text `key` as `read` takes it, where it is there.
    pub(super) fn optional<T>(
        &mut self,
        walk: &mut Walk<'_>,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        let value = self.value(walk, key)?;
        let result = match value {
            Value::Text(text) => read(text),
            other => Err(wrong_type("a text", other, "write it in quotes")),
        };
        walk.accept(self.path(key), result)
    }

    /// The text `key` as `read` takes it; a mistake where it is missing, told with its `meaning`.
    pub(super) fn required<T>(
        &mut self,
        walk: &mut Walk<'_>,
        key: &'static str,
        meaning: &str,
        read: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        self.must_be_given(walk, key, meaning);
        self.optional(walk, key, read)
    }

    /// Adds a mistake where `key` is missing or null.
    pub(super) fn must_be_given(&self, walk: &mut Walk<'_>, key: &str, meaning: &str) {
        if !self.is_given(key) {
            walk.mistake(self.path(key), Fault::new("is missing", format!("write {meaning}")));
        }
    }

    /// Adds a mistake where only one of two keys is there that belong together.
    pub(super) fn both_or_none(&self, walk: &mut Walk<'_>, one: &str, other: &str) {
        let (missing, given) = match (self.is_given(one), self.is_given(other)) {
            (true, false) => (other, one),
            (false, true) => (one, other),
            _ => return,
        };
        let problem = format!("is missing, and {} is given", self.path(given));
        walk.mistake(self.path(missing), Fault::new(problem, "give both or none"));
    }

    /// The whole number `key`.
    pub(super) fn integer<T>(&mut self, walk: &mut Walk<'_>, key: &'static str, number: &Number<T>) -> T
    where
        T: Copy + TryFrom<i128> + PartialOrd + std::fmt::Display,
    {
        let Number { bounds, default } = number;
        let default = *default;
        let Some(value) = self.value(walk, key) else { return default };
        let fix = format!("write a number from {} to {}", bounds.start(), bounds.end());
        let result = match value {
            Value::Integer(number) => match T::try_from(*number) {
                Ok(number) if bounds.contains(&number) => Ok(number),
                _ => Err(Fault::new(format!("{number} is out of bounds"), fix)),
            },
            other => Err(wrong_type("a whole number", other, &fix)),
        };
        walk.accept(self.path(key), result).unwrap_or(default)
    }

    /// The truth value `key`.
    pub(super) fn boolean(&mut self, walk: &mut Walk<'_>, key: &'static str, default: bool) -> bool {
        let Some(value) = self.value(walk, key) else { return default };
        let result = match value {
            Value::Boolean(truth) => Ok(*truth),
            other => Err(wrong_type("true or false", other, "write true or false, without quotes")),
        };
        walk.accept(self.path(key), result).unwrap_or(default)
    }

    /// What the word `key` stands for.
    pub(super) fn one_of<T: Copy>(&mut self, walk: &mut Walk<'_>, key: &'static str, choice: &Choice<T>) -> T {
        let words: Vec<&str> = choice.words.iter().map(|(word, _)| *word).collect();
        let choose = |text: &str| {
            choice.words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning).ok_or_else(|| {
                let listed: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                let fix = match nearest(text, &words) {
                    Some(near) => format!("did you mean \"{near}\"? Known: {}", listed.join(", ")),
                    None => format!("write one of {}", listed.join(", ")),
                };
                Fault::new(format!("{} is not known", quoted(text)), fix)
            })
        };
        self.optional(walk, key, choose).unwrap_or(choice.default)
    }

    /// Refuses every key that was not asked for.
    pub(super) fn finish(self, walk: &mut Walk<'_>) {
        let mut told: Vec<&str> = Vec::new();
        for (name, _) in self.members {
            if self.known.contains(&name.as_str()) || told.contains(&name.as_str()) {
                continue;
            }
            told.push(name);
            let fix = match nearest(name, &self.known) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => {
                    let known: Vec<&str> = self.known.iter().copied().filter(|key| !key.starts_with('$')).collect();
                    format!("known here: {}", known.join(", "))
                }
            };
            walk.mistake(self.path(&shortened(name)), Fault::new("is not a known key", fix));
        }
    }
}

/// A value of another type than `wanted`; only a simple one is repeated.
pub(super) fn wrong_type(wanted: &str, found: &Value, fix: &str) -> Fault {
    let found = match found {
        Value::Boolean(truth) => truth.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Fraction(number) => number.to_string(),
        Value::Text(text) => format!("the text {}", quoted(text)),
        other => other.kind().to_owned(),
    };
    Fault::new(format!("must be {wanted}, found {found}"), fix)
}

/// `text` in quotes, as a message may repeat it: on one line and not too long.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", shortened(text))
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST_QUOTE).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    printable(&short)
}

/// How alike two words are that begin alike, as `hostname` and `host`: more than by chance, less than by a slip.
const BEGINNING: f64 = 0.6;

/// The candidate that `word` is most like, if it is like any: a slip of the pen or two away, or the same beginning.
pub(super) fn nearest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let word: String = word.chars().take(LONGEST_QUOTE).collect::<String>().to_lowercase();
    candidates
        .iter()
        .map(|candidate| (likeness(&word, &candidate.to_lowercase()), *candidate))
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .filter(|(likeness, _)| *likeness > 0.5)
        .map(|(_, candidate)| candidate)
}

/// From 0 to 1.
fn likeness(word: &str, candidate: &str) -> f64 {
    let by_letters = strsim::normalized_damerau_levenshtein(word, candidate);
    let begins_alike = word.len() > 2 && (word.starts_with(candidate) || candidate.starts_with(word));
    if begins_alike { by_letters.max(BEGINNING) } else { by_letters }
}
