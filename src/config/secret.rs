//! Secrets: a text in the configuration itself, the content of a file, a variable or a systemd credential, or the first line
//! that a program prints.
//!
//! No message repeats a secret; it names the file, the variable or the program.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value as Json, json};

use super::command::{self, CommandLine};
use super::context::Context;
use super::json::Value;
use super::kind::Kind;
use super::mistakes::{Refusal, printable_path, quote, refuse};
use super::paths::file_pattern;
use crate::rules::spelling::did_you_mean;
use crate::rules::trust::Contents;
use crate::runtime::child::{self, Kept, MAX_OUTPUT, Program};

const SOURCES: [&str; 4] = ["file", "env", "credential", "command"];
const FIX: &str =
    r#"write it as a string, or {"file": "path"}, {"env": "NAME"}, {"credential": "name"} or {"command": ["program"]}"#;

const MAX_BYTES: u64 = 64 * 1024;

/// Of a program that prints a secret.
const COMMAND_LIMIT: Duration = Duration::from_secs(10);

/// Any text that is not empty.
pub(super) fn secret() -> Kind<SecretString> {
    let mut kind = Kind::new(json!({"$ref": "#/$defs/Secret", "title": "secret"}), resolve);
    kind.holds_secret = |value| value.text().is_some();
    kind
}

/// A secret that `check` accepts; `pattern` as in [`Kind::text`]. No message of `check` may repeat it.
pub(super) fn secret_text(title: &str, pattern: &str, check: fn(&str) -> Result<(), Refusal>) -> Kind<SecretString> {
    let mut kind = secret().with_keyword("pattern", pattern).with_keyword("title", title);
    kind.read = Box::new(move |value, context| {
        let secret = resolve(value, context)?;
        check(secret.expose_secret()).map(|()| secret)
    });
    kind
}

/// `#/$defs/Secret` of the schema.
pub(super) fn definition() -> Json {
    let object = |source: &str, description: &str, mut schema: Json| {
        schema["description"] = description.into();
        json!({
            "type": "object",
            "description": description,
            "properties": {source: schema},
            "required": [source],
            "additionalProperties": false,
        })
    };
    let source = |source: &str, description: &str, pattern: &str| {
        object(source, description, json!({"type": "string", "pattern": pattern}))
    };
    let command = "The program that prints the secret as its first line, and its arguments. It runs without a shell.";
    let clear = "The secret itself. The configuration must then be readable by its owner only.";
    json!({"oneOf": [
        {"type": "string", "description": clear, "pattern": r"^[^\u0000]+$"},
        source("file", "The file that contains the secret, readable by its owner only.", &file_pattern()),
        source("env", "The environment variable that contains the secret. Cron sets almost none.", r"^[^\u0000]+$"),
        source("credential", "The name of a systemd credential (LoadCredential=).", r"^[^/\u0000]+$"),
        object("command", command, command::schema()),
    ]})
}

/// Whether `members` refer to a secret.
pub(super) fn is_reference(members: &[(String, Value)]) -> bool {
    matches!(members, [(source, _)] if SOURCES.contains(&source.as_str()))
}

/// Reads a secret in any of its forms.
pub(super) fn resolve(value: &Value, context: Context<'_>) -> Result<SecretString, Refusal> {
    let members = match value {
        Value::Text(text) => return validated(text).map_err(|refusal| refusal.about("it")),
        Value::Object(members) => members,
        other => return refuse(format!("must be a secret, found {}", other.type_name()), FIX),
    };
    let [(source, target)] = members.as_slice() else {
        return refuse(format!("must have exactly one key, found {}", members.len()), FIX);
    };
    if !SOURCES.contains(&source.as_str()) {
        let fix = did_you_mean(source, &SOURCES).unwrap_or_else(|| FIX.to_owned());
        return refuse(format!("{} is not a source of secrets", quote(source)), fix);
    }
    if source == "command" {
        return from_command(target, context);
    }
    let Value::Text(target) = target else {
        return refuse(format!("its \"{source}\" must be a string, found {}", target.type_name()), FIX);
    };
    match source.as_str() {
        "env" => from_variable(target, context),
        "credential" => from_credential(target, context),
        _ => from_file(&context.path(target)?, context),
    }
}

fn from_file(path: &Path, context: Context<'_>) -> Result<SecretString, Refusal> {
    let secret = context.read(path, MAX_BYTES, Contents::Secret).and_then(|bytes| {
        let Ok(text) = String::from_utf8(bytes) else {
            return refuse("is not UTF-8", "write the secret into it as UTF-8");
        };
        // An editor ends a file with a line break that is not part of the secret.
        validated(text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line)))
    });
    secret.map_err(|refusal| refusal.about(format!("the file {}", printable_path(path))))
}

fn from_variable(name: &str, context: Context<'_>) -> Result<SecretString, Refusal> {
    let secret = match context.environment.variable(name).map(OsStr::to_str) {
        Some(Some(text)) => validated(text),
        Some(None) => refuse("is not UTF-8", "set it to UTF-8 text"),
        None => {
            let fix = "set it where the job is started (cron sets almost none), or use {\"file\": …}";
            refuse("is not set", fix)
        }
    };
    secret.map_err(|refusal| refusal.about(format!("the variable {}", quote(name))))
}

fn from_credential(name: &str, context: Context<'_>) -> Result<SecretString, Refusal> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        let problem = format!("{} is not a credential's name", quote(name));
        return refuse(problem, "write its name in LoadCredential=, without a path");
    }
    let Some(folder) = context.environment.credentials_directory() else {
        let problem = "credentials are provided by systemd, and CREDENTIALS_DIRECTORY is not set";
        return refuse(problem, "start the job as a systemd service with LoadCredential=, or use {\"file\": …}");
    };
    from_file(&folder.join(name), context)
}

/// The first line that a program prints. No message shows its output.
fn from_command(value: &Value, context: Context<'_>) -> Result<SecretString, Refusal> {
    let CommandLine { program, arguments } = command::read(value, context).map_err(|it| it.about("its \"command\""))?;
    let run = Program {
        path: &program,
        arguments: arguments.iter().map(String::as_str).collect(),
        variables: &[],
        input: Vec::new(),
        kept: Kept::Stdout,
        limit: COMMAND_LIMIT,
        ends_group: true,
    };
    let fix = "run it as the job's user to find out why; its output is not shown here, because it may be the secret";
    let secret = match child::run(run, || false) {
        Err(error) => refuse(format!("cannot be started: {error}"), "check the program and its first line"),
        Ok(outcome) => match outcome.status {
            None => refuse(format!("did not end within {} seconds", COMMAND_LIMIT.as_secs()), fix),
            Some(status) if !status.success() => refuse(format!("failed ({status})"), fix),
            Some(_) => match outcome.output.split(|byte| *byte == b'\n').next().map(str::from_utf8) {
                Some(Ok(line)) if line.len() < MAX_OUTPUT => validated(line.strip_suffix('\r').unwrap_or(line))
                    .map_err(|it| it.about("printed a first line that")),
                _ => refuse(format!("printed a first line that is not UTF-8, or has {MAX_OUTPUT} bytes or more"), fix),
            },
        },
    };
    secret.map_err(|refusal| refusal.about(format!("the program {}", printable_path(&program))))
}

fn validated(text: &str) -> Result<SecretString, Refusal> {
    match text {
        "" => refuse("is empty", "write the secret, or null for none"),
        _ if text.contains('\0') => refuse("contains a NUL character", "write a secret without one"),
        _ => Ok(text.into()),
    }
}
