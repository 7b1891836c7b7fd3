//! The kinds of values that the configuration has, as a schema describes them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::config::job;
use crate::config::schema::patterns;
use crate::config::walk::{Choice, Number};

/// A whole number within its bounds. One whose default lies beyond them has none: it follows from something else.
pub(super) fn number<T: Copy + PartialOrd + Into<u64>>(number: Number<T>) -> impl FnMut(&mut Schema) {
    move |schema| {
        schema.remove("format");
        schema.insert("minimum".into(), (*number.bounds.start()).into().into());
        schema.insert("maximum".into(), (*number.bounds.end()).into().into());
        if number.bounds.contains(&number.default) {
            schema.insert("default".into(), number.default.into().into());
        }
    }
}

/// One of the words, or null.
pub(super) fn word<T: Copy + PartialEq>(choice: Choice<T>) -> impl FnMut(&mut Schema) {
    move |schema| {
        let words = choice.words.iter().map(|(word, _)| json!(word));
        schema.insert("enum".into(), words.chain([Value::Null]).collect());
        let default = choice.words.iter().find(|(_, meaning)| *meaning == choice.default);
        schema.insert("default".into(), default.map(|(word, _)| *word).into());
    }
}

/// A time zone of the IANA database, or null.
pub(super) fn zone(schema: &mut Schema) {
    let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| json!(zone.name()));
    schema.insert("enum".into(), names.chain([Value::Null]).collect());
}

/// An object in which `one` is only given with `other`.
pub(super) fn needs(one: &'static str, other: &'static str) -> impl FnMut(&mut Schema) {
    move |schema| add_rule(schema, json!({"if": given(one), "then": given(other)}))
}

/// An object in which both are given or none.
pub(super) fn together(one: &'static str, other: &'static str) -> impl FnMut(&mut Schema) {
    move |schema| {
        needs(one, other)(schema);
        needs(other, one)(schema);
    }
}

/// Adds a rule about several keys of an object.
pub(super) fn add_rule(schema: &mut Schema, rule: Value) {
    let rules = schema.ensure_object().entry("allOf").or_insert_with(|| json!([]));
    if let Value::Array(rules) = rules {
        rules.push(rule);
    }
}

/// `key` is there, and not null.
pub(super) fn given(key: &str) -> Value {
    json!({"properties": {key: {"not": {"type": "null"}}}, "required": [key]})
}

/// A secret: in clear, or where it is to be found.
pub(super) struct Secret;
/// A web address that is a secret.
pub(super) struct SecretAddress;
/// The address of an HTTP proxy, which may hold a password.
pub(super) struct SecretProxy;

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        secret(&patterns::not_empty())
    }
}

impl JsonSchema for SecretAddress {
    fn schema_name() -> Cow<'static, str> {
        "SecretAddress".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        secret(&patterns::protected_address())
    }
}

impl JsonSchema for SecretProxy {
    fn schema_name() -> Cow<'static, str> {
        "SecretProxy".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        secret(&patterns::proxy())
    }
}

/// A secret whose text has the form `clear`.
fn secret(clear: &str) -> Schema {
    let way = |way: &str, description: &str, pattern: String| {
        json!({
            "type": "object",
            "description": description,
            "properties": {way: {"type": "string", "description": description, "pattern": pattern}},
            "required": [way],
            "additionalProperties": false,
        })
    };
    let name = "^[^/\\u0000]+$".to_owned();
    json_schema!({
        "oneOf": [
            {"type": "string", "description": "The secret itself. The configuration must then be readable for its owner alone.", "pattern": clear},
            way("file", "The file that holds the secret, readable for its owner alone.", patterns::file()),
            way("env", "The environment variable that holds the secret. Cron sets next to none.", patterns::not_empty()),
            way("credential", "The name of a credential of systemd (LoadCredential=).", name),
        ]
    })
}

/// How the archive is compressed: a word or a level.
pub(super) struct Compression;

impl JsonSchema for Compression {
    fn schema_name() -> Cow<'static, str> {
        "Compression".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let (least, most) = job::LEVEL.bounds.into_inner();
        json_schema!({
            "oneOf": [
                {"const": job::REUSE, "description": "The ZIP's own compressed data is used again."},
                {"type": "integer", "minimum": least, "maximum": most, "description": "Compressed anew at this level."},
            ]
        })
    }
}

/// Which host key is accepted: a word, or a fingerprint.
pub(super) struct HostKey;

impl JsonSchema for HostKey {
    fn schema_name() -> Cow<'static, str> {
        "HostKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [
                {"enum": crate::config::sftp::HOST_KEY_WORDS},
                {
                    "type": "string",
                    "description": "The fingerprint of the only key to accept, as ssh-keygen -l prints it.",
                    "pattern": patterns::FINGERPRINT,
                },
            ]
        })
    }
}
