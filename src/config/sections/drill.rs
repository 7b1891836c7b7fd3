//! The section `drill`: how archives are restored as a test.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;

use crate::config::json::Value;
use crate::config::kind::{Form, Kind, flag, whole, word};
use crate::config::mistakes::{refuse, wrong_type};
use crate::config::paths::folder;
use crate::config::section::{Section, keys};
use crate::config::values::{name, secret_address};
use crate::rules::drill_facts::{DrillCheck, Engine};
use crate::rules::trust::Contents;

#[derive(Debug, Clone)]
pub struct Drill {
    /// `None` recognises the dump.
    pub engine: Option<Engine>,
    /// `None` uses the newest installed server.
    pub programs: Option<PathBuf>,
    pub user: String,
    pub limit: Duration,
    pub sandbox: bool,
    pub checks: Vec<DrillCheck>,
    pub ping_url: Option<SecretString>,
    /// Whether the configuration has the section.
    pub is_configured: bool,
}

const ENGINES: &[(&str, Option<Engine>)] = &[
    ("auto", None),
    ("postgresql", Some(Engine::PostgreSql)),
    ("mariadb", Some(Engine::MariaDb)),
    ("mysql", Some(Engine::MySql)),
    ("sqlite", Some(Engine::Sqlite)),
];

pub(in crate::config) fn read(keys: &mut Section<'_, '_>) -> Option<Drill> {
    keys! { keys:
        /// The database server to restore into; "auto" recognises the dump by its first bytes.
        engine = with_default(word(ENGINES), "auto");
        /// The folder with the database server's programs; null uses the newest one installed.
        programs = optional(folder());
        /// The user that the database server runs as if root runs the drill.
        user = with_default(name(), "nobody");
        /// The time limit of a drill, in minutes.
        timeout_minutes = with_default(whole(1..=10_080), 60);
        /// Whether the database server is confined with Landlock; without it, a dump can reach whatever that user can reach.
        sandbox = with_default(flag(), true);
        /// Queries on the restored data, each with name and sql. The first column of the first row must be true or, if at_least
        /// is given, at least that number. database names one; without it, the one with the most tables is used.
        checks = optional_list(check());
        /// The address of a check in the monitoring service for drills, as monitor.ping_url is for runs; null for none.
        /// monitor.ca_file applies to it too.
        ping_url = optional(secret_address().example_file("secrets/drill-ping-url"));
    }
    if let Some(folder) = &programs {
        keys.context().trust.check(folder, Contents::Settings);
        keys.accept("programs", Ok(()));
    }
    for (index, DrillCheck { name, .. }) in checks.iter().enumerate() {
        if checks[..index].iter().any(|earlier| earlier.name == *name) {
            keys.refuse("checks", format!("has the name {name:?} more than once"), "give each check another name");
        }
    }
    let limit = Duration::from_secs(timeout_minutes? * 60);
    let (engine, user, sandbox) = (engine?, user?, sandbox?);
    Some(Drill { engine, programs, user, limit, sandbox, checks, ping_url, is_configured: true })
}

const CHECK: &str = r#"write {"name": "customers", "sql": "SELECT count(*) FROM customers", "at_least": 1}"#;

fn check() -> Kind<DrillCheck> {
    let text = |kind| json!({"type": kind, "pattern": r"\S"});
    let (needed, database) = (text(json!("string")), text(json!(["string", "null"])));
    let number = json!({"type": ["number", "null"]});
    let schema = json!({
        "type": "object",
        "title": "check",
        "properties": {"name": needed, "sql": needed, "database": database, "at_least": number},
        "required": ["name", "sql"],
        "additionalProperties": false,
    });
    let check = Kind::new(schema, |value, _| {
        let Value::Object(members) = value else { return Err(wrong_type("an object", value, CHECK)) };
        let mut check = DrillCheck { name: String::new(), sql: String::new(), database: None, at_least: None };
        for (key, value) in members {
            match (key.as_str(), value) {
                ("name", Value::Text(text)) => check.name.clone_from(text),
                ("sql", Value::Text(text)) => check.sql.clone_from(text),
                ("database", Value::Text(text)) if !text.trim().is_empty() => check.database = Some(text.clone()),
                ("at_least", Value::Number(number)) => check.at_least = number.as_f64(),
                ("database" | "at_least", Value::Null) => {}
                ("name" | "sql" | "database", _) => return Err(wrong_type("text", value, CHECK).about(key)),
                ("at_least", _) => return Err(wrong_type("a number", value, CHECK).about(key)),
                _ => return refuse(format!("has the unknown key {key:?}"), CHECK),
            }
        }
        let is_whole = ![&check.name, &check.sql].iter().any(|text| text.trim().is_empty());
        if is_whole { Ok(check) } else { refuse("needs a name and a query in sql", CHECK) }
    });
    Kind { form: Form { example: CHECK.strip_prefix("write ").map(str::to_owned), ..check.form }, ..check }
}
