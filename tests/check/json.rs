//! `check --json`: the findings as a document that matches its published schema.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use testkit::{Outcome, program};

use super::{check, setup};

/// The printed document, which must match the published schema.
#[track_caller]
fn document(outcome: &Outcome) -> Value {
    let schema: Value = serde_json::from_str(&fs::read_to_string("docs/check.schema.json").unwrap()).unwrap();
    let schema = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let document = serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {}", outcome.all()));
    schema.validate(&document).unwrap_or_else(|error| panic!("{error} at {}", error.instance_path()));
    document
}

/// Section, subject, text and fix of each finding that a person has to act on.
fn problems(document: &Value) -> Vec<[String; 4]> {
    let findings = document["findings"].as_array().unwrap().iter().filter(|it| it["status"] == "problem");
    let text = |value: &Value| value.as_str().unwrap_or("null").to_owned();
    findings.map(|it| ["section", "subject", "text", "fix"].map(|field| text(&it[field]))).collect()
}

#[test]
fn the_document_has_the_findings_of_the_printed_check() {
    let mut setup = setup();
    setup.set("source.dump", json!("other.sql")).set("sftp.directory", json!("/nonexistent"));
    let outcome = setup.call("check", &["--json"]);
    outcome.exited_with(4);
    assert_eq!(outcome.stderr, "");
    let document = document(&outcome);
    let found = problems(&document);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0][..2] == ["Dump", "entry"] && found[0][2].contains("does not contain \"other.sql\""), "{found:?}");
    assert!(found[1][..2] == ["SFTP", "directory"] && found[1][2].contains("does not exist"), "{found:?}");
    assert_eq!((&document["exit_code"], &document["totals"]["problems"]), (&json!(4), &json!(2)));
    assert_eq!(Path::new(document["file"].as_str().unwrap()), setup.path("config.json"));

    let printed = check(&setup).stdout;
    let signs = [("ok", "✓"), ("warning", "!"), ("problem", "✗"), ("skipped", "-")];
    let findings = document["findings"].as_array().unwrap();
    for finding in findings {
        let sign = signs.iter().find(|(status, _)| finding["status"] == *status).unwrap().1;
        let line = format!("  {sign} {:14}  ", finding["subject"].as_str().unwrap());
        assert!(printed.contains(&line), "{line:?} is missing: {printed}");
    }
    let lines = printed.lines().filter(|line| signs.iter().any(|(_, sign)| line.starts_with(&format!("  {sign} "))));
    assert_eq!(lines.count(), findings.len(), "{printed}");
    let totals = document["totals"].as_object().unwrap().values().map(|total| total.as_u64().unwrap());
    assert_eq!(totals.sum::<u64>(), findings.len() as u64);
}

#[test]
fn each_mistake_in_the_configuration_is_a_finding_with_its_key_and_fix() {
    let mut setup = setup();
    setup.set("source.dumpp", json!("x")).set("sftp.port", json!(0));
    let outcome = setup.call("check", &["--json"]);
    outcome.exited_with(3);
    assert_eq!(outcome.stderr, "");
    let document = document(&outcome);
    let expected = [
        ["Configuration", "source.dumpp", "is not a known key", "did you mean \"dump\"?"],
        ["Configuration", "sftp.port", "0 is out of bounds", "write a number from 1 to 65535"],
    ];
    assert_eq!(problems(&document), expected.map(|texts| texts.map(str::to_owned)));
    assert_eq!((&document["exit_code"], setup.web.requests()), (&json!(3), 0));

    let missing = Command::new(program()).args(["check", "--json", "--config", "/nonexistent.json"]).output().unwrap();
    let missing = setup.outcome(missing);
    missing.exited_with(3);
    let found = problems(&self::document(&missing));
    assert!(found[0][1] == "file" && found[0][2].contains("cannot be read"), "{found:?}");
}

#[test]
fn a_good_configuration_is_a_document_without_problems_and_without_secrets() {
    let setup = setup();
    let outcome = setup.call("check", &["--json"]);
    outcome.exited_with(0);
    let document = document(&outcome);
    assert_eq!((&document["exit_code"], &document["totals"]["problems"]), (&json!(0), &json!(0)));
    let hook = setup.config["mattermost"]["webhook_url"].as_str().unwrap();
    for secret in [hook, testkit::setup::MAIL_LOGIN.1] {
        assert!(!outcome.all().contains(secret), "{}", outcome.all());
    }
}

#[test]
fn the_published_schema_is_the_printed_one() {
    let printed = Command::new(program()).args(["check", "--json-schema"]).output().unwrap();
    assert!(printed.status.success());
    assert!(
        fs::read_to_string("docs/check.schema.json").unwrap() == String::from_utf8(printed.stdout).unwrap(),
        "regenerate docs/check.schema.json: scripting-system check --json-schema > docs/check.schema.json"
    );
}
