//! What a key takes: how a value is read, and how the schema, the template and the reference page describe it.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::{Value as Json, json};

use super::context::Context;
use super::json::Value;
use super::mistakes::{Refusal, quoted, refuse, wrong_type};
use crate::rules::spelling::did_you_mean;

type Read<T> = Box<dyn Fn(&Value, Context<'_>) -> Result<T, Refusal>>;

/// The values of a key.
pub(super) struct Kind<T> {
    pub(super) read: Read<T>,
    /// Whether the configuration that holds this text must be kept secret.
    pub(super) holds_secret: fn(&str) -> bool,
    pub(super) form: Form,
}

/// How the documents describe the values of a key.
#[derive(Clone, Default)]
pub(super) struct Form {
    /// JSON Schema of a value that is not null. Its title says in a few words what a text is.
    pub(super) schema: Json,
    /// The template's value as JSON text, where it is not the default.
    pub(super) example: Option<String>,
}

impl<T> Kind<T> {
    pub(super) fn new(schema: Json, read: impl Fn(&Value, Context<'_>) -> Result<T, Refusal> + 'static) -> Kind<T> {
        let form = Form { schema, example: None };
        Kind { read: Box::new(read), holds_secret: |_| false, form }
    }

    /// A text, with which a refusal begins. `pattern` as in [`Kind::hidden_text`].
    pub(super) fn text(
        words: &str,
        pattern: impl Into<String>,
        read: impl Fn(&str) -> Result<T, Refusal> + 'static,
    ) -> Kind<T> {
        Kind::hidden_text(words, pattern, move |text, _| read(text).map_err(|refusal| refusal.about(quoted(text))))
    }

    /// A text that only `read` may repeat. `pattern` is a regular expression of JSON Schema (ECMA-262 with its flag `u`) that
    /// matches every text that `read` accepts; it may match more.
    pub(super) fn hidden_text(
        words: &str,
        pattern: impl Into<String>,
        read: impl Fn(&str, Context<'_>) -> Result<T, Refusal> + 'static,
    ) -> Kind<T> {
        let schema = json!({"type": "string", "title": words, "pattern": pattern.into()});
        Kind::new(schema, move |value, context| match value {
            Value::Text(text) => read(text, context),
            other => Err(wrong_type("a text", other, "write it in quotes")),
        })
    }

    /// The same kind with `keyword` in its schema.
    pub(super) fn also(mut self, keyword: &str, value: impl Into<Json>) -> Kind<T> {
        self.form.schema[keyword] = value.into();
        self
    }

    pub(super) fn example(mut self, example: impl Into<Json>) -> Kind<T> {
        self.form.example = Some(example.into().to_string());
        self
    }

    /// A secret for which the template names this file.
    pub(super) fn in_file(mut self, file: &str) -> Kind<T> {
        self.form.example = Some(format!("{{\"file\": {}}}", Json::from(file)));
        self
    }
}

/// A whole number within `bounds`.
pub(super) fn whole<T>(bounds: RangeInclusive<T>) -> Kind<T>
where
    T: Copy + TryFrom<i128> + PartialOrd + Display + Into<Json> + 'static,
{
    let (least, most) = (*bounds.start(), *bounds.end());
    let schema = json!({"type": "integer", "minimum": least.into(), "maximum": most.into()});
    Kind::new(schema, move |value, _| {
        let fix = format!("write a number from {least} to {most}");
        match value {
            Value::Number(number) if !number.is_f64() => match number.as_i128().map(T::try_from) {
                Some(Ok(number)) if bounds.contains(&number) => Ok(number),
                _ => refuse(format!("{number} is out of bounds"), fix),
            },
            other => Err(wrong_type("a whole number", other, &fix)),
        }
    })
}

/// One of `words`, each with its meaning.
pub(super) fn word<T: Copy + 'static>(words: &'static [(&'static str, T)]) -> Kind<T> {
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let listed = known.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    let schema = json!({"type": "string", "enum": known});
    let mut kind = Kind::text("", "", move |text| {
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(*meaning);
        }
        let near = did_you_mean(text, &known).map(|question| format!("{question} Known: {listed}"));
        refuse("is not known", near.unwrap_or_else(|| format!("write one of {listed}")))
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
