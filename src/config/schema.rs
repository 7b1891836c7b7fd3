//! The JSON Schema of the configuration, for editors: completion, hover texts, and mistakes underlined as they are typed.
//!
//! The walk reads the configuration and judges it; the structs here describe it. What both need – bounds, words, defaults –
//! stands with the walk. What only the machine can tell (which files are there, and who may read them) is not in a schema.

#![expect(dead_code, reason = "the structs describe a file; nothing is read into them")]

mod kinds;
mod patterns;
mod reports;
mod sections;

use std::fmt::Write as _;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// The name under which the template expects the schema, beside itself.
pub const FILE_NAME: &str = "config.schema.json";

/// The configuration of scripting-system.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "Configuration of scripting-system")]
struct Configuration {
    /// Where an editor finds this schema. The program itself does not read it.
    #[schemars(rename = "$schema")]
    schema: Option<String>,
    /// Where the ZIP comes from, and which file in it is the dump.
    source: sections::Source,
    /// How the archive is made and named.
    archive: Option<sections::Archive>,
    /// Where the archive goes.
    sftp: sections::Sftp,
    /// Which archives stay on the server.
    retention: Option<sections::Retention>,
    /// Which sizes of an archive are worth a warning. Such an archive is sent all the same, but nothing is removed that night.
    alarm: Option<sections::Alarm>,
    /// How often something is tried that may pass, such as a connection that breaks.
    retry: Option<sections::Retry>,
    /// Bounds of the whole run.
    run: Option<sections::Run>,
    /// Where the log goes.
    log: Option<sections::Log>,
    /// The nightly mail; null for none.
    email: Option<reports::Email>,
    /// The nightly message in Mattermost; null for none.
    mattermost: Option<reports::Mattermost>,
    /// A service that raises the alarm when the job does not run, by the convention of healthchecks.io; null for none.
    monitor: Option<reports::Monitor>,
    /// Figures for Prometheus; null for none.
    metrics: Option<reports::Metrics>,
}

/// The schema (draft 2020-12) as a text that ends with a line break.
pub fn json_schema() -> String {
    let mut schema =
        Value::from(SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Configuration>());
    finish(&mut schema);
    let mut text = String::new();
    // Alternate formatting of a JSON value is its indented form; writing to a text cannot fail.
    let _ = writeln!(text, "{schema:#}");
    text
}

/// Gives every key that need not be given its default: null, where the key has no other. Joins the lines of descriptions.
fn finish(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    if let Some(Value::String(description)) = members.get_mut("description") {
        *description = description.replace('\n', " ");
    }
    let required: Vec<String> = strings(members.get("required"));
    let closed = members.contains_key("additionalProperties");
    if let Some(Value::Object(properties)) = members.get_mut("properties").filter(|_| closed) {
        for (key, property) in properties {
            if let Value::Object(property) = property
                && !required.contains(key)
            {
                property.entry("default").or_insert(Value::Null);
            }
            finish(property);
        }
    }
    if let Some(Value::Object(definitions)) = members.get_mut("$defs") {
        definitions.values_mut().for_each(finish);
    }
}

fn strings(list: Option<&Value>) -> Vec<String> {
    let list = list.and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
