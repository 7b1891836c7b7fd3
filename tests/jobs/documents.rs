//! `run --json`, hooks and the log on standard output, with several jobs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::site::Site;

#[test]
fn the_records_of_a_folder_are_an_array_in_the_order_of_the_jobs() {
    let site = Site::new(&["blog", "shop", "wiki"]);
    site.write_job("shop", json!({"retry": {"attempts": "many"}}));
    site.write_job("wiki", json!({"name": "the wiki", "source": {"dump": "missing.sql"}}));
    let outcome = site.call("run", &["--json", "--parallel", "3"]);
    outcome.exited_with(4);
    let schema: Value = serde_json::from_str(&fs::read_to_string("docs/run.schema.json").unwrap()).unwrap();
    let documents: Vec<Value> = serde_json::from_str(&outcome.stdout).unwrap();
    for document in &documents {
        jsonschema::validate(&schema, document).unwrap_or_else(|error| panic!("{error}"));
    }
    let facts = |key| documents.iter().map(|document| document[key].clone()).collect::<Vec<_>>();
    assert_eq!(facts("name"), ["blog", "shop", "the wiki"]);
    assert_eq!(facts("outcome"), ["success", "configuration", "failed"]);
    assert_eq!(facts("exit_code"), [0, 3, 4]);
    assert!(documents[1]["errors"][0]["text"].as_str().unwrap().contains("retry.attempts"), "{}", documents[1]);
}

#[test]
fn each_job_runs_the_hook_of_the_file_that_it_extends_with_its_own_record() {
    let site = Site::new(&["blog", "shop"]);
    let program = site.folder().join("store");
    fs::write(&program, "#!/bin/sh\nread=$(cat)\necho \"$read\" > \"$1/$$.record\"\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let records = site.setup.path("records");
    fs::create_dir(&records).unwrap();
    site.change_common(|common| common["hooks"] = json!({"after": {"command": ["./store", records]}}));
    site.write_job("shop", json!({"hooks": {"after": {"timeout_seconds": 30}}}));
    site.call("run", &["--parallel", "2"]).exited_with(0);
    let mut names: Vec<Value> = fs::read_dir(&records)
        .unwrap()
        .map(|entry| {
            serde_json::from_slice::<Value>(&fs::read(entry.unwrap().path()).unwrap()).unwrap()["name"].clone()
        })
        .collect();
    names.sort_by_key(Value::to_string);
    assert_eq!(names, ["blog", "shop"]);
}

#[test]
fn the_logs_of_several_jobs_on_standard_output_are_all_that_is_printed() {
    let site = Site::new(&["blog", "shop"]);
    site.change_common(|common| {
        common["log"]["file"] = json!("-");
        common["source"]["dump"] = json!("missing.sql");
    });
    let outcome = site.call("run", &["--parallel", "2"]);
    outcome.exited_with(4);
    assert_eq!(outcome.stderr, "");
    for name in ["blog", "shop"] {
        let errors = outcome.stdout.lines().filter(|line| line.contains(&format!("-{name}] Find dump")));
        assert_eq!(errors.filter(|line| line.contains("ERROR")).count(), 1, "{}", outcome.all());
    }
    let outcome = site.call("run", &["--json"]);
    let documents: Vec<Value> = serde_json::from_str(&outcome.stdout).unwrap();
    assert!(documents.len() == 2 && outcome.stderr.contains("Find dump"), "{}", outcome.all());
}
