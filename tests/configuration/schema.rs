//! The JSON Schema accepts all values that the program accepts, and refuses invalid ones as far as a schema can.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::LazyLock;

use jsonschema::Validator;
use proptest::prelude::*;
use scripting_system::cli;
use scripting_system::commands::gen_config::gen_config;
use scripting_system::config::{Compression, Config, SCHEMA_FILE, json_schema, template};
use serde_json::{Value, json};

use crate::bad_values::bad_values;
use crate::fixture::{Fixture, PRIVATE_KEY, minimal, with, with_reports, without};

static SCHEMA: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(&json_schema()).unwrap());
static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| jsonschema::validator_for(&SCHEMA).unwrap());

/// The schema's errors for `value`, one line each.
pub(crate) fn schema_errors(value: &Value) -> Vec<String> {
    VALIDATOR.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// The schema of the key `path`, such as `sftp.port`.
fn property(path: &str) -> &'static Value {
    let mut schema: &Value = &SCHEMA;
    for key in path.split('.') {
        schema = &resolved(schema)["properties"][key];
    }
    assert!(schema.is_object(), "{path} is not in the schema");
    schema
}

/// `schema`, or the schema that it refers to besides null.
fn resolved(schema: &'static Value) -> &'static Value {
    let referring = if schema["anyOf"].is_array() { &schema["anyOf"][0] } else { schema };
    match referring["$ref"].as_str() {
        Some(reference) => SCHEMA.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => referring,
    }
}

/// The paths of all properties below `schema`, except required sections.
fn paths_in(schema: &'static Value, path: &str, paths: &mut Vec<String>) {
    for (key, inner) in resolved(schema)["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        paths_in(inner, &path, paths);
        if inner.get("default").is_some() || inner["properties"].is_null() {
            paths.push(path);
        }
    }
}

fn keys(are_required: bool) -> Vec<String> {
    let mut paths = Vec::new();
    paths_in(&SCHEMA, "", &mut paths);
    paths.retain(|path| property(path).get("default").is_none() == are_required);
    paths
}

/// Every optional key and section.
pub(crate) fn optional_keys() -> Vec<String> {
    keys(false)
}

/// Every required key, with its section.
pub(crate) fn required_keys() -> Vec<String> {
    keys(true)
}

/// The invalid values that a schema cannot refuse, by reason.
fn beyond_a_schema() -> [(&'static str, Vec<(&'static str, Value)>); 3] {
    [
        (
            "a schema cannot check files",
            vec![
                ("source.ca_file", json!("missing.pem")),
                ("source.ca_file", json!("no.pem")),
                ("archive.work_directory", json!("missing")),
                ("archive.work_directory", json!("no.pem")),
                ("sftp.password", json!({"file": "missing"})),
                ("sftp.private_key", json!("missing")),
                ("hooks.after", json!({"command": ["/bin"]})),
                ("hooks.after", json!({"command": ["/missing"]})),
                ("log.file", json!("config.json")),
                ("mattermost.ca_file", json!("no.pem")),
                ("monitor.ca_file", json!("no.pem")),
            ],
        ),
        (
            "in JSON Schema, 1.0 and 1e3 are whole numbers (core, section 4.2.3)",
            vec![("source.max_age_days", json!(1.0)), ("source.max_age_days", json!(1e3))],
        ),
        ("a schema cannot compare two keys", vec![("retry.max_pause_seconds", json!(0))]),
    ]
}

#[test]
fn the_schema_is_valid() {
    jsonschema::draft202012::meta::validate(&SCHEMA).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(SCHEMA["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

#[test]
fn the_template_names_the_schema_and_matches_it() {
    let text = template();
    let template: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(template["$schema"], SCHEMA_FILE);
    assert!(text.starts_with("{\n  \"$schema\""));
    assert_eq!(schema_errors(&template), [""; 0]);
}

#[test]
fn every_key_has_a_description() {
    for path in optional_keys().into_iter().chain(required_keys()) {
        let description = property(&path)["description"].as_str().unwrap_or_default();
        assert!(description.len() > 15 && description.ends_with('.') && !description.contains('\n'), "{path}");
    }
}

#[test]
fn required_keys_must_be_present_and_all_others_may_be_null() {
    for path in optional_keys() {
        assert_eq!(schema_errors(&with(&with_reports(), &path, Value::Null)), [""; 0], "{path}");
    }
    for path in required_keys() {
        assert!(!schema_errors(&with(&with_reports(), &path, Value::Null)).is_empty(), "{path}");
        assert!(!schema_errors(&without(&with_reports(), &path)).is_empty(), "{path}");
    }
    for section in ["source", "sftp"] {
        assert!(!schema_errors(&without(&minimal(), section)).is_empty(), "{section}");
    }
}

#[test]
fn the_schema_refuses_every_invalid_value_that_it_can() {
    let mut exceptions: Vec<(&str, Value)> = beyond_a_schema().into_iter().flat_map(|(_, values)| values).collect();
    for (path, values) in bad_values() {
        for value in values {
            let passes = schema_errors(&with(&with_reports(), path, value.clone())).is_empty();
            let expected = exceptions.iter().position(|exception| *exception == (path, value.clone()));
            assert_eq!(passes, expected.is_some(), "{path}: {value}");
            expected.map(|index| exceptions.remove(index));
        }
    }
    assert_eq!(exceptions, [], "unused exceptions");
}

#[test]
fn the_schema_refuses_unknown_keys_and_bad_combinations() {
    for (path, value) in [
        ("colour", json!(true)),
        ("source.dumpp", json!("x")),
        ("email.server.hostname", json!("x")),
        ("sftp.$schema", json!("x")),
        ("source.client_key", json!("key")),
        ("source.client_certificate", json!("client.pem")),
        ("source.username", json!("web")),
        ("source.password", json!("web-secret")),
        ("email.server.username", json!("mail")),
        ("email.server.password", json!("mail-secret")),
        ("email.to", json!(["a@b.example", "x"])),
        ("sftp.password", json!({"file": "a", "env": "B"})),
        ("sftp.password", json!({})),
        ("sftp.password", json!({"vault": "a"})),
        ("sftp.password", json!({"credential": "../a"})),
        (
            "email.server",
            json!({"host": "mail.example.com", "security": "none", "username": "mail", "password": "secret"}),
        ),
    ] {
        assert!(!schema_errors(&with(&with_reports(), path, value.clone())).is_empty(), "{path}: {value}");
    }
    for value in [json!([]), json!("x"), json!(null)] {
        assert!(!schema_errors(&value).is_empty(), "{value}");
    }
}

/// The keys with defaults, as text.
fn settings(config: &Config) -> String {
    let Config { source, archive, sftp, retention, alarm, retry, run, log, reports, .. } = config;
    let compression: Compression = archive.compression;
    let email = reports.email.as_ref().unwrap();
    let server = email.server.as_ref().unwrap();
    format!(
        "{:#?}",
        (
            (source.timezone, source.max_age_days, source.timeout, source.max_dump_bytes, &source.ca_file),
            (&source.client_identity, source.credentials.is_some(), source.proxy.is_some()),
            (archive, compression, sftp, retention, alarm, retry, run, log),
            (email.send, &email.subject, email.attach_log, server.port, server.security, server.credentials.is_some()),
            &reports.mattermost,
        )
    )
}

#[test]
fn the_schema_has_the_programs_defaults() {
    let fixture = Fixture::new();
    let given = with(&with_reports(), "alarm", json!({}));
    let mut spelled_out = given.clone();
    for path in optional_keys() {
        let schema = property(&path);
        let default = &schema["default"];
        let is_section = resolved(schema)["properties"].is_object();
        assert!(!is_section || default.is_null(), "{path}");
        // This configuration needs its password.
        if !is_section && path != "sftp.password" {
            spelled_out = with(&spelled_out, &path, default.clone());
        }
    }
    assert_eq!(schema_errors(&spelled_out), [""; 0]);
    assert_eq!(settings(&fixture.loaded(&given)), settings(&fixture.loaded(&spelled_out)));
    // The comparison detects a difference.
    let other = with(&spelled_out, "archive.compression", json!(9));
    assert_ne!(settings(&fixture.loaded(&given)), settings(&fixture.loaded(&other)));
}

#[test]
fn unusual_but_valid_values_match_the_schema() {
    let fixture = Fixture::new();
    fixture.file("id", PRIVATE_KEY, 0o600);
    for (path, value) in [
        ("source.url", json!("HTTPS://www.example.com:00443/a/b%20c.zip?token=x#y")),
        ("source.url", json!("https://[2001:db8::1]/x")),
        ("source.url", json!("https://müller.example")),
        ("source.url", json!("http://LOCALHOST:8000/x.zip")),
        ("source.url", json!("http://127.1.2.3")),
        ("source.url", json!("http://[::1]:80/")),
        ("source.dump", json!("..dump")),
        ("source.dump", json!("/a/../b.sql")),
        ("source.proxy", json!("http://u:p%40@proxy.example:3128/")),
        ("archive.name", json!("db-%F")),
        ("archive.name", json!("dump %-d.%b %y")),
        ("archive.name", json!("%%x%Y%j")),
        ("archive.work_directory", json!("/")),
        ("archive.work_directory", json!("~")),
        ("sftp.host", json!("münchen.example")),
        ("sftp.host", json!("[2001:DB8::1]")),
        ("sftp.host", json!("::1")),
        ("sftp.host", json!("::ffff:192.0.2.1")),
        ("sftp.host", json!("my_host")),
        ("sftp.private_key", json!("./id")),
        ("sftp.directory", json!("~/in")),
        ("sftp.temporary_prefix", json!("")),
        ("log.file", json!("~/a/..b")),
        ("email.from", json!("\"Dump, nightly\" <a@b.example>")),
        ("email.from", json!(" The Admin <a@b.example> ")),
        ("email.subject", json!("")),
        ("mattermost.webhook_url", json!("https://u:p@chat.example.com/hooks/x")),
        ("metrics.textfile", json!("~/x.prom")),
    ] {
        // `load` validates against the schema.
        fixture.loaded(&with(&with_reports(), path, value));
    }
}

#[test]
fn the_schema_is_written_readable_by_anyone_and_overwrites_no_file() {
    let fixture = Fixture::new();
    let path = fixture.folder().join(SCHEMA_FILE);
    let write = |force| {
        let arguments = cli::GenConfig { output: Some(path.clone()), force, schema: true };
        gen_config(&arguments, &mut std::io::sink())
    };
    write(false).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), json_schema());
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o644);
    assert!(write(false).unwrap_err().to_string().contains("--force"));
    write(true).unwrap();
    assert_eq!(fs::read_dir(fixture.folder()).unwrap().count(), 1);
}

proptest! {
    #[test]
    fn every_value_that_loads_matches_the_schema(
        path in prop::sample::select(vec![
            "source.url", "source.dump", "source.proxy", "source.username", "archive.name", "sftp.host", "sftp.username",
            "sftp.directory", "sftp.temporary_prefix", "sftp.host_key", "log.file", "email.from", "email.subject",
            "email.server.host", "mattermost.webhook_url", "mattermost.icon_url", "monitor.ping_url", "metrics.textfile",
        ]),
        text in prop_oneof![
            r"(https?://)?(u(:p)?@)?([a-zé.]{1,4}|localhost|127\.0\.0\.1|\[::1\]|[0-9a-f:]{2,8})(:[0-9]{0,5})?(/[a-z%#?.]{0,5})?",
            r#"("[A-Za-z, ]{0,4}"|[A-Za-z .]{0,5}) ?<?[a-z.+-]{1,4}@[a-z.-]{1,6}>? ?"#,
            r"[a-z.~/ ]{0,6}(\.prom)?",
            r"[a-z.-]{0,2}%[-_0]?[A-Za-z%][-.a-z]?%[-_0]?[djmbeF]%?[mBdY]?",
            r"\PC{0,6}",
            r"(?s).{0,4}",
        ],
    ) {
        let value = with(&with(&with_reports(), path, json!(text)), "source.password", json!(null));
        let value = if path == "source.username" { with(&value, "source.password", json!("x")) } else { value };
        // `load` validates against the schema.
        let _ = Fixture::new().load(&value);
    }
}
