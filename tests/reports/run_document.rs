//! `run --json`, and the log on standard output.

use std::fs;
use std::process::Command;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};
use testkit::setup::SFTP_PASSWORD;
use testkit::{Outcome, Setup, program};

const SCHEMA: &str = "docs/run.schema.json";

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(&fs::read_to_string(SCHEMA).unwrap()).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
});

/// The document that `outcome` printed, which matches the published schema and has its exit code.
#[track_caller]
fn document(outcome: &Outcome, code: i32) -> Value {
    outcome.exited_with(code);
    let document: Value =
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {}", outcome.all()));
    VALIDATOR.validate(&document).unwrap_or_else(|error| panic!("{error} at {}", error.instance_path()));
    assert_eq!(document["exit_code"], code);
    document
}

fn state(document: &Value, title: &str) -> Value {
    let tasks = document["tasks"].as_array().unwrap();
    tasks.iter().find(|task| task["task"] == title).unwrap_or_else(|| panic!("no {title}"))["state"].clone()
}

#[test]
fn the_published_schema_is_the_printed_one() {
    let printed = Command::new(program()).args(["run", "--json-schema"]).output().unwrap();
    assert!(printed.status.success());
    let advice = "regenerate docs/run.schema.json: scripting-system run --json-schema > docs/run.schema.json";
    assert!(fs::read_to_string(SCHEMA).unwrap() == String::from_utf8(printed.stdout).unwrap(), "{advice}");
}

#[test]
fn a_delivery_is_recorded() {
    let setup = Setup::around_midnight();
    let outcome = setup.run_with(&["--json"]);
    let record = document(&outcome, 0);
    assert_eq!(outcome.stderr, "");
    assert_eq!(
        (&record["name"], &record["outcome"], &record["delivery"]),
        (&json!("config"), &json!("success"), &json!("sent"))
    );
    assert_eq!(record["run_id"], setup.run_id());
    assert_eq!((&record["dump"]["name"], &record["dump"]["size"]), (&json!("dumpfile.sql"), &json!(200_000)));
    assert_eq!(record["archive"]["size"], fs::metadata(setup.archive()).unwrap().len());
    assert_eq!(
        (&record["errors"], &record["warnings"], &record["folder"]["archives"]),
        (&json!([]), &json!([]), &json!(1))
    );
    assert_eq!((state(&record, "Send archive"), state(&record, "Report")), (json!("done"), json!("done")));
    assert!(record["tasks"].as_array().unwrap().iter().all(|task| !task["task"].as_str().unwrap().contains("hook")));
    assert!(record["duration_seconds"].as_f64().unwrap() > 0.0);

    let again = document(&setup.run_with(&["--json"]), 0);
    assert_eq!((&again["delivery"], &again["delivered"]), (&json!("already_there"), &json!(true)));
    let dry = document(&setup.run_with(&["--json", "--dry-run"]), 0);
    assert_eq!((&dry["dry_run"], state(&dry, "Report")), (&json!(true), json!("skipped")));
}

#[test]
fn a_stale_dump_a_failure_and_mistakes_in_the_configuration_are_recorded() {
    let mut setup = Setup::around_midnight();
    setup.make_stale();
    let outcome = setup.run_with(&["--json"]);
    let stale = document(&outcome, 1);
    assert_eq!((&stale["outcome"], &stale["delivered"]), (&json!("warnings"), &json!(false)));
    assert_eq!(stale["warnings"][0]["task"], "Compare dates");
    assert!(outcome.stderr.contains("warning: Compare dates: the dump is stale"), "{}", outcome.all());

    let _server = setup.serve_sftp(|server| server);
    setup.set("sftp.password", json!(format!("{SFTP_PASSWORD}-wrong"))).set("retry.attempts", json!(1));
    let outcome = setup.run_with(&["--json"]);
    let failed = document(&outcome, 4);
    assert_eq!((&failed["outcome"], &failed["errors"][0]["task"]), (&json!("failed"), &json!("Connect to SFTP")));
    assert_eq!(state(&failed, "Remove expired"), "stopped");
    assert!(!outcome.stdout.contains(SFTP_PASSWORD), "{}", outcome.stdout);

    setup.set("sftp.port", json!(0)).set("log.level", json!("loud"));
    let outcome = setup.run_with(&["--json"]);
    let refused = document(&outcome, 3);
    assert_eq!(refused["outcome"], "configuration");
    let errors: Vec<&str> =
        refused["errors"].as_array().unwrap().iter().map(|it| it["text"].as_str().unwrap()).collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains("sftp.port: 0 is out of bounds") && errors[1].contains("log.level"), "{errors:?}");
    assert!(outcome.stderr.contains("sftp.port: 0 is out of bounds"), "{}", outcome.all());
}

#[test]
fn the_log_on_standard_output_is_all_that_a_run_prints() {
    let mut setup = Setup::around_midnight();
    setup.set("log.file", json!("-"));
    let outcome = setup.run();
    outcome.exited_with(0);
    assert_eq!((outcome.stderr.as_str(), outcome.log.as_str()), ("", ""));
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert!(lines.iter().all(|line| line.contains(" INFO    [")), "{}", outcome.stdout);
    assert!(lines.last().unwrap().contains("the run has ended: errors 0"), "{}", outcome.stdout);
    assert!(!setup.path("-").exists());

    setup.make_stale();
    let outcome = setup.run();
    outcome.exited_with(1);
    assert_eq!(
        (outcome.stdout.matches("Compare dates: the dump is stale").count(), outcome.stderr.as_str()),
        (1, ""),
        "{}",
        outcome.all()
    );

    let outcome = setup.run_with(&["--json"]);
    document(&outcome, 1);
    assert!(outcome.stderr.contains(" WARNING [") && outcome.stderr.contains("the run has ended"), "{}", outcome.all());

    setup.set("sftp.port", json!(0));
    let outcome = setup.run();
    outcome.exited_with(3);
    assert!(outcome.stdout.is_empty() && outcome.stderr.contains("sftp.port"), "{}", outcome.all());
}
