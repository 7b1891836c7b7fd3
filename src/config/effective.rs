//! `check --effective`: every key of a configuration with its value and where that is written, without secrets.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::context::{Context, Extended};
use super::documents::keys;
use super::environment::Environment;
use super::extends::{self, EXTENDS};
use super::file::{self, folder_of};
use super::json::Value;
use super::mistakes::LoadError;
use super::secret::is_reference;
use super::section::{Key, full_path};
use crate::disk::trust::Trust;
use crate::rules::address::redact_address;

const WITHHELD: &str = "[withheld]";

/// The schema of a key with a secret.
const SECRET: &str = "#/$defs/Secret";

/// A key as a job uses it.
pub struct EffectiveKey {
    /// With its sections: `sftp.port`.
    pub path: String,
    /// A secret that is written in the file itself is withheld.
    pub value: Json,
    /// The file that sets it; `None` for the default.
    pub file: Option<PathBuf>,
}

/// Every key of the configuration `path` that is set or has a default, in the order of the documentation. Values are not
/// validated, and unknown keys are skipped, because their values could be secrets. Reads no secret.
///
/// # Errors
/// If the file, or the one that it extends, cannot be read.
pub fn effective(path: &Path, environment: &Environment) -> Result<Vec<EffectiveKey>, LoadError> {
    let own = file::read(path).map_err(|error| error.of_configuration(path))?;
    let (folder, trust) = (folder_of(path), Trust::new(environment.credentials_directory()));
    let context = Context::new(path, &folder, environment, &trust);
    let (value, extended) = extends::merged(own, context)
        .map_err(|refusal| LoadError::Mistakes { file: path.to_owned(), mistakes: vec![refusal.for_key(EXTENDS)] })?;
    let mut found = Vec::new();
    Files { own: path, extended }.collect(&keys(), Some(&value), "", &mut found);
    Ok(found)
}

struct Files<'a> {
    own: &'a Path,
    extended: Option<Extended>,
}

impl Files<'_> {
    /// Adds `keys` of the section `value` at `path` to `found`.
    fn collect(&self, keys: &[Key], value: Option<&Value>, path: &str, found: &mut Vec<EffectiveKey>) {
        for key in keys {
            let path = full_path(path, key.label.name);
            let given = value.and_then(|value| value.member(key.label.name)).filter(|value| **value != Value::Null);
            match (given, &key.default) {
                (Some(Value::Object(_)), _) if !key.keys.is_empty() => self.collect(&key.keys, given, &path, found),
                (None, _) if !key.keys.is_empty() && !key.is_optional_section => {
                    self.collect(&key.keys, None, &path, found);
                }
                (Some(value), _) => self.add(path, value, &key.form.schema, found),
                (None, Some(default)) => found.push(EffectiveKey { path, value: default.clone(), file: None }),
                // Required and missing, which is a mistake.
                (None, None) => {}
            }
        }
    }

    /// Adds the key at `path`, or each member of an object that maps names to values.
    fn add(&self, path: String, value: &Value, schema: &Json, found: &mut Vec<EffectiveKey>) {
        let inner = &schema["additionalProperties"];
        if let (Value::Object(members), true) = (value, inner.is_object()) {
            return members.iter().for_each(|(name, value)| self.add(full_path(&path, name), value, inner, found));
        }
        let file = self.extended.as_ref().filter(|extended| extended.defines(&path)).map(|extended| &*extended.file);
        let file = Some(file.unwrap_or(self.own).to_owned());
        let value = match value {
            Value::Text(text) if path == "source.url" => redact_address(text).into(),
            Value::Object(members) if is_reference(members) => json!(value),
            Value::Object(_) => WITHHELD.into(),
            // A section has no schema; any other value in its place is a mistake.
            _ if schema["$ref"] == SECRET || schema.is_null() => WITHHELD.into(),
            _ => json!(value),
        };
        found.push(EffectiveKey { path, value, file });
    }
}
