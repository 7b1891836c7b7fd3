//! A JSON tree that, unlike `serde_json::Value`, keeps duplicate keys and the order of keys.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::Serializer;
use serde_json::Number;

/// A JSON value. Not `Debug`: it may contain secrets.
#[derive(Clone, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(untagged)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    Number(Number),
    Text(String),
    List(Vec<Value>),
    Object(#[serde(deserialize_with = "members", serialize_with = "as_map")] Vec<(String, Value)>),
}

pub(super) struct SyntaxError {
    /// Counted from 1.
    pub(super) line: usize,
    /// Counted from 1, in bytes.
    pub(super) column: usize,
    pub(super) problem: String,
}

const NO_COMMENTS: &str = "a comment, which JSON does not allow: remove all comments";

pub(super) fn parse(text: &str) -> Result<Value, SyntaxError> {
    if text.trim_ascii().is_empty() {
        return Err(SyntaxError { line: 1, column: 1, problem: "the file is empty".to_owned() });
    }
    serde_json::from_str(text).map_err(|error| {
        let problem = error.to_string();
        // serde_json ends its message with the position.
        let problem = problem.rsplit_once(" at line ").map_or(problem.as_str(), |(problem, _)| problem).to_owned();
        let (line, column) = (error.line().max(1), error.column().max(1));
        let problem = if begins_comment(text, line, column) { NO_COMMENTS.to_owned() } else { problem };
        SyntaxError { line, column, problem }
    })
}

/// Whether a comment (`//`, `/*` or `#`), which JSON does not have, begins at `line` and `column`.
fn begins_comment(text: &str, line: usize, column: usize) -> bool {
    let rest = text.as_bytes().split(|byte| *byte == b'\n').nth(line - 1).and_then(|line| line.get(column - 1..));
    rest.is_some_and(|rest| [&b"//"[..], b"/*", b"#"].iter().any(|mark| rest.starts_with(mark)))
}

impl Value {
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Boolean(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
        }
    }

    /// The text, if this is one.
    pub(super) fn text(&self) -> Option<&str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    /// Whether an object in it has the member `key`.
    pub(super) fn has_member(&self, key: &str) -> bool {
        match self {
            Value::Object(members) => members.iter().any(|(name, value)| name == key || value.has_member(key)),
            _ => false,
        }
    }

    /// The first member `key` of an object.
    pub(super) fn member(&self, key: &str) -> Option<&Value> {
        let Value::Object(members) = self else { return None };
        members.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }
}

impl From<&serde_json::Value> for Value {
    fn from(json: &serde_json::Value) -> Value {
        // Cannot fail: every JSON value has a variant here.
        Value::deserialize(json).unwrap_or(Value::Null)
    }
}

fn as_map<S: Serializer>(members: &[(String, Value)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(members.iter().map(|(name, value)| (name, value)))
}

fn members<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, Value)>, D::Error> {
    struct Members;

    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, Value)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            std::iter::from_fn(|| access.next_entry().transpose()).collect()
        }
    }

    deserializer.deserialize_map(Members)
}
