//! Generates the JSON Schema (for editors and the reference page) and the template from the definitions of the keys.

use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::context::Context;
use super::environment::Environment;
use super::extends::EXTENDS;
use super::section::{Key, Reader};
use super::{secret, validated};
use crate::disk::trust::Trust;

/// The JSON Schema (draft 2020-12) of a configuration.
pub fn json_schema() -> String {
    let keys = keys();
    let mut schema = object(&keys);
    // The extended file may have what is missing.
    schema["if"] = json!({"properties": {EXTENDS: {"type": "null"}}});
    schema["then"] = constraints(&keys, &[]);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "Configuration of scripting-system".into();
    schema["$defs"] = json!({"Secret": secret::definition()});
    format!("{schema:#}\n")
}

/// A configuration to edit: every key with its default or an example. Its secrets are references to files.
pub fn template() -> String {
    template_object(&keys(), "") + "\n"
}

/// Every key, in the order of the documentation.
pub(super) fn keys() -> Vec<Key> {
    let root = Path::new("/");
    // An empty TZ means UTC, so no zone file is read.
    let (environment, trust) = (Environment::new(None, [("TZ", "")]), Trust::new(None));
    Reader::describe(Context::new(root, root, &environment, &trust), validated::read)
}

fn object(keys: &[Key]) -> Json {
    let mut properties = Map::new();
    for key in keys {
        let mut property = if key.keys.is_empty() { key.form.schema.clone() } else { object(&key.keys) };
        if let Some(default) = &key.default {
            property = nullable(property);
            property["default"] = default.clone();
        }
        property["description"] = key.label.description.into();
        properties.insert(key.label.name.to_owned(), property);
    }
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// Which keys a complete configuration must have, and the rules about combinations.
fn constraints(keys: &[Key], rules: &[Json]) -> Json {
    let required: Vec<&str> = keys.iter().filter(|key| key.default.is_none()).map(|key| key.label.name).collect();
    let sections = keys.iter().filter(|key| !key.keys.is_empty());
    let sections: Map<String, Json> =
        sections.map(|key| (key.label.name.to_owned(), constraints(&key.keys, &key.rules))).collect();
    let mut object = json!({});
    for (keyword, value) in [("required", json!(required)), ("allOf", json!(rules)), ("properties", json!(sections))] {
        if ![json!([]), json!({})].contains(&value) {
            object[keyword] = value;
        }
    }
    object
}

fn nullable(mut schema: Json) -> Json {
    if let Some(words) = schema.get_mut("enum").and_then(Json::as_array_mut) {
        words.push(Json::Null);
    }
    match schema.get("type").cloned() {
        None => json!({"anyOf": [schema, {"type": "null"}]}),
        Some(name) => {
            schema["type"] = json!([name, "null"]);
            schema
        }
    }
}

fn template_object(keys: &[Key], indent: &str) -> String {
    let inner = format!("{indent}  ");
    let members = keys.iter().map(|key| {
        let value = match &key.form.example {
            _ if !key.keys.is_empty() => template_object(&key.keys, &inner),
            Some(example) => example.clone(),
            None => key.default.as_ref().unwrap_or(&Json::Null).to_string(),
        };
        format!("{inner}\"{}\": {value}", key.label.name)
    });
    format!("{{\n{}\n{indent}}}", members.collect::<Vec<_>>().join(",\n"))
}
