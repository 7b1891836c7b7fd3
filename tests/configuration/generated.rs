//! The generated documents, and the files that `gen-config` writes.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use scripting_system::commands::gen_config;
use scripting_system::commands::gen_config::GenConfigError;
use scripting_system::{cli, config};

use crate::fixture::Fixture;
use crate::reference;

fn gen_config(output: Option<&Path>, force: bool, stdout: &mut dyn Write) -> Result<(), GenConfigError> {
    let arguments = cli::GenConfig { output: output.map(Path::to_owned), force, schema: false };
    gen_config::gen_config(&arguments, stdout)
}

fn printed() -> String {
    let mut printed = Vec::new();
    gen_config(None, false, &mut printed).unwrap();
    String::from_utf8(printed).unwrap()
}

#[test]
fn the_documents_in_the_repository_are_current() {
    for (file, current) in [
        ("config.example.json", (|_| config::template()) as fn(&str) -> String),
        ("docs/config.schema.json", |_| config::json_schema()),
        ("docs/configuration.md", reference::update),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let written = fs::read_to_string(&path).unwrap_or_default();
        let current = current(&written);
        if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
            fs::write(&path, &current).unwrap();
        } else {
            let command = "UPDATE_DOCUMENTS=1 cargo test --test configuration documents";
            assert!(written == current, "{file} is not current; run {command}");
        }
    }
}

#[test]
fn the_template_loads_once_its_secret_files_exist() {
    let fixture = Fixture::new();
    let path = fixture.folder().join("config.json");
    gen_config(Some(&path), false, &mut std::io::sink()).unwrap();

    let error = config::load(&path, &fixture.environment()).unwrap_err();
    assert_eq!(error.lines().len(), 6, "{error}");

    fixture.file("id_ed25519", "a key", 0o600);
    for secret in ["source-password", "mail-password"] {
        fixture.file(&format!("secrets/{secret}"), "hunter22\n", 0o600);
    }
    fixture.file("secrets/mattermost-webhook-url", "https://chat.example.com/hooks/x\n", 0o600);
    fixture.file("secrets/monitor-ping-url", "https://ping.example.com/x\n", 0o600);
    fixture.file("secrets/drill-ping-url", "https://ping.example.com/y\n", 0o600);
    let config = config::load(&path, &fixture.environment()).unwrap_or_else(|error| panic!("{error}"));
    assert!(config.warnings.is_empty());
    assert_eq!(config.sftp.directory, "TSE-INFORX");
}

#[test]
fn a_written_configuration_is_private_to_its_owner() {
    let fixture = Fixture::new();
    let path = fixture.folder().join("config.json");
    let mut stdout = Vec::new();
    gen_config(Some(&path), false, &mut stdout).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(fs::read_to_string(&path).unwrap(), printed());
    assert!(stdout.is_empty());
    assert_eq!(fs::read_dir(fixture.folder()).unwrap().count(), 1);
}

#[test]
fn an_existing_file_is_kept_unless_forced() {
    let fixture = Fixture::new();
    let path = fixture.file("config.json", "existing work", 0o644);
    let error = gen_config(Some(&path), false, &mut std::io::sink()).unwrap_err();
    assert!(matches!(error, GenConfigError::Exists(_)));
    assert!(error.to_string().contains("already exists") && error.to_string().contains("--force"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "existing work");
    assert_eq!(fs::read_dir(fixture.folder()).unwrap().count(), 1);

    gen_config(Some(&path), true, &mut std::io::sink()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), printed());
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
}

#[test]
fn a_symbolic_link_is_never_followed() {
    let fixture = Fixture::new();
    let target = fixture.file("target", "precious", 0o600);
    let link = fixture.folder().join("config.json");
    for link_target in [target.clone(), fixture.folder().join("missing")] {
        symlink(&link_target, &link).unwrap();
        let refused = gen_config(Some(&link), false, &mut std::io::sink());
        assert!(matches!(refused, Err(GenConfigError::Exists(_))), "{refused:?}");
        gen_config(Some(&link), true, &mut std::io::sink()).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_file());
        fs::remove_file(&link).unwrap();
    }
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    assert!(!fixture.folder().join("missing").exists());
}

#[test]
fn a_missing_folder_is_reported_with_the_file() {
    let fixture = Fixture::new();
    let path = fixture.folder().join("missing/config.json");
    let error = gen_config(Some(&path), true, &mut std::io::sink()).unwrap_err();
    assert!(matches!(error, GenConfigError::Write { .. }));
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
}
