//! Generates the tables of docs/configuration.md from the schema, in the order of the template.

use std::fmt::Write as _;

use scripting_system::config::{json_schema, template};
use serde_json::Value;

/// The end of the hand-written part of the page.
const END_OF_INTRODUCTION: &str = "configuration documents -->\n";

/// `page` with regenerated tables.
pub(crate) fn update(page: &str) -> String {
    let (introduction, _) = page.split_once(END_OF_INTRODUCTION).unwrap();
    let mut page = format!("{introduction}{END_OF_INTRODUCTION}");
    add_section(&mut page, &[], &serde_json::from_str(&json_schema()).unwrap(), &template());
    page
}

/// Adds the section `path` and the sections in it. `text` is the section in the template.
fn add_section(page: &mut String, path: &[&str], schema: &Value, text: &str) {
    let indent = "  ".repeat(path.len() + 1);
    let offset = |name: &str| text.find(&format!("\n{indent}\"{name}\": ")).unwrap();
    let mut keys: Vec<(&String, &Value)> = schema["properties"].as_object().unwrap().iter().collect();
    keys.sort_by_key(|(name, _)| offset(name));
    let (sections, keys): (Vec<_>, Vec<_>) = keys.into_iter().partition(|(_, key)| key["properties"].is_object());
    if !path.is_empty() {
        writeln!(page, "\n## `{}`\n\n{}\n", path.join("."), schema["description"].as_str().unwrap()).unwrap();
        page.push_str("| key | value | default | secret | meaning |\n|---|---|---|---|---|\n");
        for (name, key) in keys {
            let default = key.get("default").map_or("required".to_owned(), |default| format!("`{default}`"));
            let (values, meaning) = (values(key), key["description"].as_str().unwrap());
            let secret = if key.to_string().contains("#/$defs/Secret") { "yes" } else { "no" };
            writeln!(page, "| `{name}` | {values} | {default} | {secret} | {meaning} |").unwrap();
        }
    }
    for (name, section) in sections {
        let inner = &text[offset(name)..];
        let end = inner.find(&format!("\n{indent}}}")).unwrap();
        add_section(page, &[path, &[name]].concat(), section, &inner[..end]);
    }
}

/// A short description of the values that a key accepts.
fn values(schema: &Value) -> String {
    let all =
        |list: &Value| list.as_array().unwrap().iter().filter(|value| !value.is_null()).cloned().collect::<Vec<_>>();
    if let Some(title) = schema["title"].as_str() {
        title.to_owned()
    } else if schema["enum"].is_array() {
        all(&schema["enum"]).iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
    } else if schema["oneOf"].is_array() {
        all(&schema["oneOf"]).iter().map(values).collect::<Vec<_>>().join(", or ")
    } else if schema["anyOf"].is_array() {
        values(&schema["anyOf"][0])
    } else if schema["items"].is_object() {
        format!("list of: {}", values(&schema["items"]))
    } else if schema["minimum"].is_number() {
        format!("{} to {}", schema["minimum"], schema["maximum"])
    } else {
        "`true`, `false`".to_owned()
    }
}
