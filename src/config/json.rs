//! JSON as a tree that keeps what `serde_json::Value` loses: keys that appear twice, and their order.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value. Not `Debug`: it may hold secrets.
#[derive(Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    Integer(i128),
    /// A number with a fraction or an exponent, or one beyond 64 bits.
    Fraction(f64),
    Text(String),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
}

/// Where a text stops being JSON, and why.
pub(super) struct SyntaxError {
    /// From 1.
    pub(super) line: usize,
    /// From 1, in bytes.
    pub(super) column: usize,
    pub(super) problem: String,
}

const NO_COMMENTS: &str = "a comment, which JSON does not have: remove it, and every other one";

/// Parses `text`, which is one JSON value.
pub(super) fn parse(text: &str) -> Result<Value, SyntaxError> {
    if text.trim_ascii().is_empty() {
        return Err(SyntaxError { line: 1, column: 1, problem: "the file is empty".to_owned() });
    }
    serde_json::from_str(text).map_err(|error| {
        let problem = error.to_string();
        // serde_json ends its message with the place.
        let problem = problem.rsplit_once(" at line ").map_or(problem.as_str(), |(problem, _)| problem).to_owned();
        let (line, column) = (error.line().max(1), error.column().max(1));
        let problem = if begins_comment(text, line, column) { NO_COMMENTS.to_owned() } else { problem };
        SyntaxError { line, column, problem }
    })
}

/// Whether a comment as other languages have them begins at `line` and `column`.
fn begins_comment(text: &str, line: usize, column: usize) -> bool {
    let rest = text.as_bytes().split(|byte| *byte == b'\n').nth(line - 1).and_then(|line| line.get(column - 1..));
    rest.is_some_and(|rest| [&b"//"[..], b"/*", b"#"].iter().any(|mark| rest.starts_with(mark)))
}

impl Value {
    /// The type of the value, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Boolean(_) => "true or false",
            Value::Integer(_) | Value::Fraction(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
        }
    }

    /// The first member called `key` of an object.
    pub(super) fn member(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Object(members) => members.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }
}

impl From<&serde_json::Value> for Value {
    fn from(json: &serde_json::Value) -> Value {
        // This deserializer accepts every value.
        Value::deserialize(json).unwrap_or(Value::Null)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Fraction(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = access.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(Value::Object(members))
    }
}
