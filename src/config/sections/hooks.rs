//! The section `hooks`: programs that run before and after the job.

use std::time::Duration;

use serde_json::json;

use crate::config::command::{self, CommandLine};
use crate::config::json::Value;
use crate::config::kind::{Kind, whole};
use crate::config::mistakes::{Refusal, refuse, wrong_type};
use crate::config::section::{Section, keys};

#[derive(Debug, Clone, Default)]
pub struct Hooks {
    pub before: Option<Hook>,
    pub after: Option<Hook>,
}

#[derive(Debug, Clone)]
pub struct Hook {
    pub command: CommandLine,
    pub limit: Duration,
    /// The names of variables that it inherits.
    pub environment: Vec<String>,
}

const KEYS: [&str; 3] = ["command", "timeout_seconds", "environment"];
const DEFAULT_LIMIT: u64 = 600;
const FIX: &str =
    r#"write {"command": ["/path/of/program", "argument"], "timeout_seconds": 600, "environment": ["NAME"]}"#;

pub(in crate::config) fn read(keys: &mut Section<'_, '_>) -> Option<Hooks> {
    keys! { keys:
        /// A program that runs before the ZIP is requested; if it fails, nothing is sent. It is an object with command (the
        /// program's path and its arguments), timeout_seconds (600) and environment (the names of variables that it inherits
        /// in addition to the usual ones).
        before = optional(hook("hooks.before.command"));
        /// A program that runs after the job, also after one that failed, and reads the run's JSON record from its standard
        /// input. An object as for before.
        after = optional(hook("hooks.after.command"));
    }
    Some(Hooks { before, after })
}

/// `path` is the key of its command.
fn hook(path: &'static str) -> Kind<Hook> {
    let limit = whole(1..=86_400_u64);
    let object = json!({
        "type": "object",
        "properties": {
            "command": command::schema(),
            "timeout_seconds": {"anyOf": [limit.form.schema, {"type": "null"}], "default": DEFAULT_LIMIT},
            "environment": {"type": ["array", "null"], "items": {"type": "string", "pattern": r"^[^=\u0000]+$"}},
        },
        "required": ["command"],
        "additionalProperties": false,
    });
    let schema = json!({"title": "hook", "allOf": [object]});
    Kind::new(schema, move |value, context| {
        let Value::Object(members) = value else { return Err(wrong_type("an object", value, FIX)) };
        if let Some((key, _)) = members.iter().find(|(key, _)| !KEYS.contains(&key.as_str())) {
            return refuse(format!("has the unknown key {key:?}"), FIX);
        }
        let member = |key| value.member(key).filter(|value| **value != Value::Null);
        let about = |key| move |refusal: Refusal| refusal.about(format!("its {key}"));
        let Some(command) = member("command") else { return refuse("has no command", FIX) };
        let command = command::read(command, context.at(path)).map_err(about("command"))?;
        let seconds = member("timeout_seconds").map_or(Ok(DEFAULT_LIMIT), |value| (limit.read)(value, context));
        let limit = Duration::from_secs(seconds.map_err(about("timeout_seconds"))?);
        let name =
            |value: &Value| value.text().filter(|it| !it.is_empty() && !it.contains(['=', '\0'])).map(str::to_owned);
        let environment = match member("environment") {
            None => Some(Vec::new()),
            Some(Value::List(names)) => names.iter().map(name).collect(),
            Some(_) => None,
        };
        let Some(environment) = environment else { return refuse("its environment must list names of variables", FIX) };
        Ok(Hook { command, limit, environment })
    })
}
