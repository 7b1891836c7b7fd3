//! The configuration file: its syntax, its permissions, and the start of relative paths.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use scripting_system::config;
use scripting_system::config::{Environment, LoadError, LogTarget};
use serde_json::json;

use crate::fixture::{Fixture, minimal, with};

#[test]
fn a_trailing_comma_is_reported_with_line_and_column() {
    let fixture = Fixture::new();
    let error = fixture.load_bytes("{\n  \"source\": {\n    \"url\": \"x\",\n  }\n}\n").unwrap_err();
    let path = fixture.folder().join("config.json");
    assert_eq!(
        error.to_string(),
        format!("{}: not JSON at line 4, column 3: trailing comma; fix the file there", path.display())
    );
}

#[test]
fn a_syntax_error_is_reported_with_line_and_column() {
    let fixture = Fixture::new();
    for (text, position) in [
        ("", (1, 1)),
        (" \n\t\n", (1, 1)),
        ("\u{feff}", (1, 1)),
        ("{", (1, 1)),
        ("{} {}", (1, 4)),
        ("{\"a\": 'b'}", (1, 7)),
        ("// comment\n{}", (1, 1)),
        ("{\"a\": \"line\nbreak\"}", (2, 1)),
        ("{\"a\": NaN}", (1, 7)),
    ] {
        match fixture.load_bytes(text) {
            Err(LoadError::Syntax { line, column, .. }) => {
                assert_eq!((line, column), position, "{text}");
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[test]
fn a_byte_order_mark_is_accepted() {
    Fixture::new().load_bytes(format!("\u{feff}{}", minimal())).unwrap();
}

#[test]
fn a_file_that_cannot_be_a_configuration_is_refused_with_the_reason() {
    let fixture = Fixture::new();
    let load = |path: &Path| config::load(path, &fixture.environment()).unwrap_err();

    let missing = load(&fixture.folder().join("missing.json"));
    assert!(missing.to_string().contains("the configuration file cannot be read: No such file"), "{missing}");
    assert!(load(&fixture.folder()).to_string().contains("is not a regular file"));
    let refused = |bytes: &[u8]| fixture.load_bytes(bytes).unwrap_err().to_string();
    assert!(refused(b"{\"a\": \"\xff\"}").contains("is not UTF-8"));
    assert!(refused(&b" ".repeat(1024 * 1024 + 1)).contains("is larger than 1048576 bytes"));
}

#[test]
fn a_file_that_others_can_write_is_refused_with_the_command_that_fixes_it() {
    let fixture = Fixture::new();
    for mode in [0o622, 0o602, 0o777] {
        let path = fixture.file("config.json", minimal().to_string(), mode);
        let error = config::load(&path, &fixture.environment()).unwrap_err();
        assert!(matches!(error, LoadError::Permissions { .. }), "{error}");
        assert!(error.to_string().contains(&format!("chmod go-w {}", path.display())), "{error}");
    }
}

#[test]
fn a_plain_text_secret_that_anyone_can_read_is_refused_with_its_key() {
    for (value, key) in [
        (minimal(), "sftp.password"),
        (
            with(
                &with(&minimal(), "sftp.password", json!({"env": "P"})),
                "source.url",
                json!("https://a.example/d?token=abcd"),
            ),
            "source.url",
        ),
    ] {
        let fixture = Fixture::new().variable("P", "from-the-environment");
        let path = fixture.file("config.json", value.to_string(), 0o644);
        let Err(LoadError::Mistakes { mistakes, .. }) = config::load(&path, &fixture.environment()) else {
            panic!("should not load")
        };
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert_eq!(mistakes[0].path, key);
        assert_eq!(mistakes[0].fix, format!("chmod 600 {}", path.display()));
    }
    let fixture = Fixture::new();
    // The mode is reported together with the other mistakes.
    let path = fixture.file("config.json", with(&minimal(), "sftp.port", json!(0)).to_string(), 0o604);
    let error = config::load(&path, &fixture.environment()).unwrap_err();
    assert_eq!(error.lines().len(), 2, "{error}");
}

#[test]
fn a_plain_text_secret_that_the_group_can_read_is_a_warning() {
    let fixture = Fixture::new();
    let path = fixture.file("config.json", minimal().to_string(), 0o640);
    let config = config::load(&path, &fixture.environment()).unwrap();
    assert_eq!(config.warnings.len(), 1);
    assert!(config.warnings[0].contains("sftp.password"), "{:?}", config.warnings);
    assert!(config.warnings[0].contains(&format!("chmod 600 {}", path.display())), "{:?}", config.warnings);
    assert!(fixture.loaded(&minimal()).warnings.is_empty());
}

#[test]
fn a_configuration_without_plain_text_secrets_may_be_readable_by_anyone() {
    let fixture = Fixture::new().variable("P", "from-the-environment");
    let value = with(&minimal(), "sftp.password", json!({"env": "P"}));
    let value = with(&value, "source.proxy", json!("http://proxy.example:3128"));
    let path = fixture.file("config.json", value.to_string(), 0o644);
    let config = config::load(&path, &fixture.environment()).unwrap();
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn a_relative_path_starts_at_the_configurations_folder() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.folder().join("work")).unwrap();
    let value = with(&minimal(), "log.file", json!("./logs/nightly.log"));
    let value = with(&value, "archive.work_directory", json!("work"));
    let config = fixture.loaded(&value);
    assert_eq!(config.log.file.path(), Some(&*fixture.folder().join("logs/nightly.log")));
    assert_eq!(config.archive.work_directory, fixture.folder().join("work"));
}

#[test]
fn paths_are_absolute_if_the_folder_is_a_symbolic_link() {
    let fixture = Fixture::new();
    fixture.file("config.json", minimal().to_string(), 0o600);
    let link = fixture.home().join("link");
    symlink(fixture.folder(), &link).unwrap();
    let config = config::load(&link.join("config.json"), &fixture.environment()).unwrap();
    assert_eq!(config.log.file.path(), Some(&*fixture.folder().join("log.log")));
}

#[test]
fn a_tilde_is_the_home_folder() {
    let fixture = Fixture::new();
    let config = fixture.loaded(&with(&minimal(), "log.file", json!("~/nightly.log")));
    assert_eq!(config.log.file.path(), Some(&*fixture.home().join("nightly.log")));
    assert_eq!(config.sftp.known_hosts, fixture.home().join(".ssh/known_hosts"));

    let other = fixture.mistake(&with(&minimal(), "log.file", json!("~root/nightly.log")));
    assert_eq!(other.path, "log.file");
}

#[test]
fn without_a_home_folder_paths_in_it_are_mistakes() {
    let fixture = Fixture::new();
    let path = fixture.file("config.json", minimal().to_string(), 0o600);
    let none: [(&str, &str); 0] = [];
    let error = config::load(&path, &Environment::new(None, none)).unwrap_err();
    assert!(error.to_string().contains("sftp.known_hosts: \"~/.ssh/known_hosts\" needs a home folder"), "{error}");
}

#[test]
fn the_log_file_of_a_broken_configuration_is_found() {
    let fixture = Fixture::new();
    let log_file_of = |path: &Path| config::log_file_of_broken(path, &fixture.environment());
    let log_file = |content: &str, mode: u32| log_file_of(&fixture.file("config.json", content, mode));
    let file = |path: PathBuf| Some(LogTarget::File(path));
    let default = file(fixture.folder().join("log.log"));
    let folder = fixture.folder();
    assert_eq!(log_file(r#"{"log": {"file": "~/my.log"}, "typo": 1}"#, 0o600), file(fixture.home().join("my.log")));
    assert_eq!(log_file(r#"{"log": {"file": "my.log", "level": "loud"}}"#, 0o644), file(folder.join("my.log")));
    assert_eq!(log_file(r#"{"log": {"file": "-"}, "typo": 1}"#, 0o600), None);
    for content in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"log": "my.log"}"#,
        r#"{"log": {"file": 5}}"#,
        r#"{"log": {"file": ""}}"#,
        r#"{"log": {"file": "config.json"}}"#,
        r#"{"log": {"file": "."}}"#,
    ] {
        assert_eq!(log_file(content, 0o600), default, "{content}");
    }
    // A user who can write the configuration must not choose the log file.
    assert_eq!(log_file(r#"{"log": {"file": "/etc/passwd"}}"#, 0o666), default);

    assert_eq!(log_file_of(&fixture.folder().join("missing.json")), default);
    let nowhere = log_file_of(Path::new("/nonexistent/a/config.json"));
    assert_eq!(nowhere, file(PathBuf::from("/nonexistent/a/log.log")));
    // Others could have put a symbolic link there.
    fs::set_permissions(fixture.folder(), fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(log_file("{", 0o600), None);
}
