//! The configurations in the documents load, and mistakes are reported as documented.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use scripting_system::config::{self, Environment};
use serde_json::{Value, json};

use super::assert_no_problem;
use super::document::{self, Document, top};

/// The configuration in the README.
fn sample() -> Value {
    let readme = Document::parse("README.md", &fs::read_to_string(top().join("README.md")).unwrap());
    let block = readme.blocks(&["json"]).next().expect("the README shows a configuration");
    serde_json::from_str(&block.text).unwrap()
}

fn write_private(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Writes the files in `value` below `folder`.
fn write_named_files(folder: &Path, value: &Value) {
    let Some(members) = value.as_object() else { return };
    for (key, member) in members {
        match (key.as_str(), member.as_str()) {
            ("extends", Some(name)) => {
                write_private(&folder.join("id_ed25519"), "a private key");
                let sftp = json!({"host": "sftp.example.com", "username": "backup", "private_key": "id_ed25519"});
                write_private(&folder.join(name), &json!({"sftp": sftp}).to_string());
            }
            ("private_key", Some(name)) => write_private(&folder.join(name), "a private key"),
            ("file", Some(name)) => write_private(&folder.join(name), "https://www.example.com/secret"),
            ("command", None) => {
                let program = folder.join(member[0].as_str().unwrap());
                write_private(&program, "#!/bin/sh\n");
                fs::set_permissions(program, fs::Permissions::from_mode(0o700)).unwrap();
            }
            _ => write_named_files(folder, member),
        }
    }
}

/// Why `text`, a configuration or some of its sections, does not load.
fn refusal(text: &str) -> Option<String> {
    let is_whole = text.starts_with('{');
    let text = if is_whole { text.to_owned() } else { format!("{{{text}}}") };
    let mut value: Value = match serde_json::from_str(&text) {
        Ok(value) => value,
        Err(error) => return Some(error.to_string()),
    };
    if !is_whole {
        let mut whole = sample();
        whole.as_object_mut().unwrap().append(value.as_object_mut().unwrap());
        value = whole;
    }
    let folder = tempfile::tempdir().unwrap();
    write_named_files(folder.path(), &value);
    let path = folder.path().join("config.json");
    write_private(&path, &value.to_string());
    let environment = Environment::new(Some(folder.path().to_owned()), [("TZ", "UTC")]);
    let has_source = value.get("source").is_some();
    let error = if has_source {
        config::load(&path, &environment).err()
    } else {
        config::load_to_read_back(&path, &environment).err()
    };
    error.map(|error| error.to_string())
}

#[test]
fn each_configuration_loads() {
    assert_no_problem(|document| document.blocks(&["json"]).filter_map(|block| refusal(&block.text)).collect());
}

#[test]
fn a_configuration_with_a_mistake_is_detected() {
    assert!(refusal("{\"sftp\": {}}").is_some() && refusal("\"metrics\": {}").is_some());
}

#[test]
fn mistakes_are_reported_as_documented() {
    let mut value = sample();
    value["source"]["url"] = "ftp://x".into();
    value["source"]["dumpp"] = "dumpfile.sql".into();
    value["sftp"]["port"] = 0.into();
    let folder = tempfile::tempdir().unwrap();
    write_named_files(folder.path(), &value);
    write_private(&folder.path().join("config.json"), &value.to_string());
    let output = Command::new(env!("CARGO_BIN_EXE_scripting-system"))
        .args(["run", "--config", "config.json"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let printed = String::from_utf8(output.stderr).unwrap();
    let documents = document::all();
    let is_shown = |block: &document::Block| block.text == printed;
    assert!(documents.iter().any(|document| document.blocks(&["text"]).any(is_shown)), "no document shows:\n{printed}");
}
