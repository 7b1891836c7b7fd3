//! Secrets: in the configuration itself, in a file, in a variable, or as a credential that systemd provides.
//!
//! No message of this file repeats a value; it names the key, and the file or variable.

use std::path::Path;

use secrecy::SecretString;

use crate::config::error::shown;
use crate::config::json::Value;
use crate::config::place::Place;
use crate::config::walk::{Fault, Section, Walk, nearest, quoted};

const WAYS: [&str; 3] = ["file", "env", "credential"];
const HOW: &str = r#"write it as a text, or {"file": "path"}, {"env": "NAME"} or {"credential": "name"}"#;

impl Section<'_> {
    /// The secret `key`, where it is there.
    pub(super) fn secret(&mut self, walk: &mut Walk<'_>, key: &'static str) -> Option<SecretString> {
        let value = self.value(walk, key)?;
        if matches!(value, Value::Text(_)) {
            walk.clear.push(self.path(key));
        }
        let result = resolve(value, walk.place);
        walk.accept(self.path(key), result)
    }

    /// The secret `key`; a mistake where it is missing, told with its `meaning`.
    pub(super) fn required_secret(
        &mut self,
        walk: &mut Walk<'_>,
        key: &'static str,
        meaning: &str,
    ) -> Option<SecretString> {
        self.must_be_given(walk, key, meaning);
        self.secret(walk, key)
    }
}

/// The secret that `value` is, or points to.
fn resolve(value: &Value, place: Place<'_>) -> Result<SecretString, Fault> {
    let members = match value {
        Value::Text(text) => return checked(text.clone(), "it"),
        Value::Object(members) => members,
        other => return Err(Fault::new(format!("must be a secret, found {}", other.kind()), HOW)),
    };
    let [(way, target)] = members.as_slice() else {
        return Err(Fault::new(format!("must have exactly one key, found {}", members.len()), HOW));
    };
    let Some(way) = WAYS.into_iter().find(|known| known == way) else {
        let fix = match nearest(way, &WAYS) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => HOW.to_owned(),
        };
        return Err(Fault::new(format!("{} is not a way to give a secret", quoted(way)), fix));
    };
    let Value::Text(target) = target else {
        return Err(Fault::new(format!("its \"{way}\" must be a text, found {}", target.kind()), HOW));
    };
    match way {
        "env" => from_variable(target, place),
        "credential" => from_credential(target, place),
        _ => from_file(&place.path(target)?, place),
    }
}

fn from_file(path: &Path, place: Place<'_>) -> Result<SecretString, Fault> {
    let bytes = place.secret_bytes(path)?;
    let file = format!("the file {}", shown(path));
    let mut text = String::from_utf8(bytes)
        .map_err(|_| Fault::new(format!("{file} is not UTF-8"), "write the secret into it as UTF-8"))?;
    // An editor ends a file with a line break that is no part of the secret.
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    checked(text, &file)
}

fn from_variable(name: &str, place: Place<'_>) -> Result<SecretString, Fault> {
    let shown = format!("the variable {}", quoted(name));
    let value = place.environment.variable(name).ok_or_else(|| {
        Fault::new(
            format!("{shown} is not set"),
            "set it where the job is started (cron sets next to none), or use {\"file\": …}",
        )
    })?;
    let text =
        value.to_str().ok_or_else(|| Fault::new(format!("{shown} is not UTF-8"), "set it to a text in UTF-8"))?;
    checked(text.to_owned(), &shown)
}

fn from_credential(name: &str, place: Place<'_>) -> Result<SecretString, Fault> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(Fault::new(
            format!("{} is not a credential's name", quoted(name)),
            "write the name that LoadCredential= gives it, without a path",
        ));
    }
    let folder = place.environment.credentials_directory().ok_or_else(|| {
        Fault::new(
            "credentials are provided by systemd, and CREDENTIALS_DIRECTORY is not set",
            "start the job as a systemd service with LoadCredential=, or use {\"file\": …}",
        )
    })?;
    from_file(&folder.join(name), place)
}

/// `text` as a secret, if it can be one; `whence` tells where it comes from.
fn checked(text: String, whence: &str) -> Result<SecretString, Fault> {
    if text.is_empty() {
        return Err(Fault::new(format!("{whence} is empty"), "write the secret, or null for none"));
    }
    if text.contains('\0') {
        return Err(Fault::new(format!("{whence} holds a NUL character"), "write the secret without it"));
    }
    Ok(SecretString::from(text))
}
