//! `extends`: merges a configuration over the one that it extends (JSON Merge Patch, RFC 7396), and keeps the origin of each
//! key.

use std::collections::BTreeSet;
use std::path::Path;

use super::context::{Context, Extended};
use super::file::{self, FileError, folder_of};
use super::json::{SyntaxError, Value};
use super::mistakes::{Refusal, printable_path, refuse};
use super::secret;
use crate::rules::trust::Contents;

/// The key that names the extended file.
pub(super) const EXTENDS: &str = "extends";
/// The key of the job's name.
pub(super) const NAME: &str = "name";

/// `own` merged over the file that it extends, if any.
///
/// # Errors
/// If that file cannot be read, is not a JSON object, or has keys that only a job can have. Trust problems with it are
/// collected in `context`.
pub(super) fn merged(own: Value, context: Context<'_>) -> Result<(Value, Option<Extended>), Refusal> {
    let (Value::Object(members), Some(Value::Text(text))) = (&own, own.member(EXTENDS)) else {
        return Ok((own, None));
    };
    let file = context.path(text)?;
    let about = |refusal: Refusal| refusal.about(printable_path(&file));
    let base = read(&file, context).map_err(about)?;
    let mut extended = Extended { folder: folder_of(&file), file: file.clone(), keys: BTreeSet::new() };
    let members = merge(base, members, "", &mut extended.keys);
    Ok((Value::Object(members), Some(extended)))
}

fn read(path: &Path, context: Context<'_>) -> Result<Vec<(String, Value)>, Refusal> {
    let value = file::read(path).map_err(|error| match error {
        FileError::Unreadable(refusal) => refusal,
        FileError::Syntax(SyntaxError { line, column, problem }) => {
            Refusal::new(format!("is not JSON at line {line}, column {column}: {problem}"), "fix the file there")
        }
    })?;
    context.trust.check(path, Contents::Settings);
    let Value::Object(base) = value else {
        return refuse(format!("must be an object, found {}", value.type_name()), "write {…}");
    };
    match base.iter().find(|(name, _)| [EXTENDS, NAME].contains(&name.as_str())) {
        Some((name, _)) => refuse(format!("has the key {name}, which only a job can have"), "remove it there"),
        None => Ok(base),
    }
}

/// `patch` merged over the members of `base` at `path`. Adds to `keys` the paths of what remains of `base`.
fn merge(
    base: Vec<(String, Value)>,
    patch: &[(String, Value)],
    path: &str,
    keys: &mut BTreeSet<String>,
) -> Vec<(String, Value)> {
    let (mut merged, known) = (Vec::new(), base.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>());
    for (name, value) in base {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let mut patches = patch.iter().filter(|(other, _)| *other == name).map(|(_, value)| value).peekable();
        let value = match (value, patches.peek()) {
            (value, None) => {
                note(&value, path, keys);
                value
            }
            // The forms of a secret exclude each other.
            (Value::Object(base), Some(Value::Object(patch)))
                if !(secret::is_reference(&base) && secret::is_reference(patch)) =>
            {
                Value::Object(merge(base, patch, &path, keys))
            }
            (_, Some(_)) => {
                let patches = patches.filter(|value| **value != Value::Null);
                merged.extend(patches.map(|value| (name.clone(), value.clone())));
                continue;
            }
        };
        merged.push((name, value));
    }
    merged.extend(patch.iter().filter(|(name, _)| !known.contains(name)).cloned());
    merged
}

fn note(value: &Value, path: String, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) if !secret::is_reference(members) => {
            members.iter().for_each(|(name, value)| note(value, format!("{path}.{name}"), keys));
        }
        _ => _ = keys.insert(path),
    }
}
