//! Kinds of values: how each is read, and how the schema, the template and the reference page describe it.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::{Value as Json, json};

use super::context::Context;
use super::json::Value;
use super::mistakes::{Refusal, quote, refuse, wrong_type};
use crate::rules::spelling::did_you_mean;

pub(super) type Read<T> = Box<dyn Fn(&Value, Context<'_>) -> Result<T, Refusal>>;

/// The values that a key accepts.
pub(super) struct Kind<T> {
    pub(super) read: Read<T>,
    /// Whether this value makes the configuration a secret.
    pub(super) holds_secret: fn(&Value) -> bool,
    pub(super) form: Form,
}

/// How the documents describe the values of a key.
#[derive(Clone, Default)]
pub(super) struct Form {
    /// JSON Schema of the values other than null. Its title is a short name for a text.
    pub(super) schema: Json,
    /// The template's value as JSON text, if it is not the default.
    pub(super) example: Option<String>,
}

impl<T> Kind<T> {
    pub(super) fn new(schema: Json, read: impl Fn(&Value, Context<'_>) -> Result<T, Refusal> + 'static) -> Kind<T> {
        let form = Form { schema, example: None };
        Kind { read: Box::new(read), holds_secret: |_| false, form }
    }

    /// A text that is quoted at the start of a refusal. `pattern` as in [`Kind::hidden_text`].
    pub(super) fn text(
        title: &str,
        pattern: impl Into<String>,
        read: impl Fn(&str) -> Result<T, Refusal> + 'static,
    ) -> Kind<T> {
        Kind::hidden_text(title, pattern, move |text, _| read(text).map_err(|refusal| refusal.about(quote(text))))
    }

    /// A text that no refusal quotes unless `read` does. `pattern` is a regular expression of JSON Schema (ECMA-262 with the
    /// flag `u`) that matches every text that `read` accepts; it may match more.
    pub(super) fn hidden_text(
        title: &str,
        pattern: impl Into<String>,
        read: impl Fn(&str, Context<'_>) -> Result<T, Refusal> + 'static,
    ) -> Kind<T> {
        let schema = json!({"type": "string", "title": title, "pattern": pattern.into()});
        Kind::new(schema, move |value, context| match value {
            Value::Text(text) => read(text, context),
            other => Err(wrong_type("a string", other, "write it in quotes")),
        })
    }

    /// Adds `keyword` to the schema.
    pub(super) fn with_keyword(mut self, keyword: &str, value: impl Into<Json>) -> Kind<T> {
        self.form.schema[keyword] = value.into();
        self
    }

    pub(super) fn example(mut self, example: impl Into<Json>) -> Kind<T> {
        self.form.example = Some(example.into().to_string());
        self
    }

    /// Makes the template refer to `file` for this secret.
    pub(super) fn example_file(mut self, file: &str) -> Kind<T> {
        self.form.example = Some(format!("{{\"file\": {}}}", Json::from(file)));
        self
    }
}

/// A whole number within `bounds`.
pub(super) fn whole<T>(bounds: RangeInclusive<T>) -> Kind<T>
where
    T: Copy + TryFrom<i128> + PartialOrd + Display + Into<Json> + 'static,
{
    let (min, max) = (*bounds.start(), *bounds.end());
    let schema = json!({"type": "integer", "minimum": min.into(), "maximum": max.into()});
    Kind::new(schema, move |value, _| {
        let fix = format!("write a number from {min} to {max}");
        match value {
            Value::Number(number) if !number.is_f64() => match number.as_i128().map(T::try_from) {
                Some(Ok(number)) if bounds.contains(&number) => Ok(number),
                _ => refuse(format!("{number} is out of bounds"), fix),
            },
            other => Err(wrong_type("a whole number", other, &fix)),
        }
    })
}

/// One of `words`, each with its value.
pub(super) fn word<T: Copy + 'static>(words: &'static [(&'static str, T)]) -> Kind<T> {
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let listed = known.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    let schema = json!({"type": "string", "enum": known});
    let mut kind = Kind::text("", "", move |text| {
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(*value);
        }
        let suggestion = did_you_mean(text, &known).map(|question| format!("{question} Known: {listed}"));
        refuse("is not known", suggestion.unwrap_or_else(|| format!("write one of {listed}")))
    });
    kind.form.schema = schema;
    kind
}

pub(super) fn flag() -> Kind<bool> {
    Kind::new(json!({"type": "boolean"}), |value, _| match value {
        Value::Boolean(truth) => Ok(*truth),
        other => Err(wrong_type("true or false", other, "write true or false, without quotes")),
    })
}
