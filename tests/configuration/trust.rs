//! The trust in files: each file that controls the job, each way in which others could change it, each exception.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::Command;

use scripting_system::config;
use scripting_system::config::LoadError;
use serde_json::{Value, json};
use testkit::SmallDisk;

use crate::fixture::{CERTIFICATE, Fixture, PRIVATE_KEY, minimal, with, with_reports};

/// A user and a group without an account.
pub(crate) const OTHER_USER: u32 = 54_321;

/// Every file that controls the job, as its key, and whether it contains a secret. `config` is the configuration itself.
const FILES: [(&str, bool); 10] = [
    ("config", false),
    ("source.ca_file", false),
    ("source.client_certificate", false),
    ("source.client_key", true),
    ("sftp.password", true),
    ("sftp.private_key", true),
    ("sftp.known_hosts", false),
    ("email.server.ca_file", false),
    ("mattermost.ca_file", false),
    ("monitor.ca_file", false),
];

pub(crate) fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn owner(path: &Path, user: u32) {
    chown(path, Some(user), None).expect("this test changes owners: run the tests as root");
}

/// Writes the file `path` for `key`, and its folders. Returns a configuration that names it.
fn write_and_name(fixture: &Fixture, key: &str, path: &Path) -> Value {
    let content = match key {
        "source.client_key" | "sftp.private_key" => PRIVATE_KEY,
        "sftp.password" => "sftp-secret",
        "sftp.known_hosts" => "",
        _ => CERTIFICATE,
    };
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    mode(path, 0o600);
    fixture.file("certificate", CERTIFICATE, 0o644);
    fixture.file("key", PRIVATE_KEY, 0o600);
    config_with(key, path)
}

fn config_with(key: &str, path: &Path) -> Value {
    let value = with_reports();
    match key {
        "config" => value,
        "sftp.password" => with(&value, key, json!({"file": path})),
        "source.client_certificate" => with(&with(&value, key, json!(path)), "source.client_key", json!("key")),
        "source.client_key" => with(&with(&value, key, json!(path)), "source.client_certificate", json!("certificate")),
        _ => with(&value, key, json!(path)),
    }
}

/// The reasons not to trust the file of `key`, each with its fix. `path` is the configuration if `key` is `config`.
fn reasons(fixture: &Fixture, key: &str, path: &Path, value: &Value) -> Vec<String> {
    let config = if key == "config" { path.to_owned() } else { fixture.folder().join("config.json") };
    fs::write(&config, value.to_string()).unwrap();
    if key != "config" {
        mode(&config, 0o600);
    }
    match config::load(&config, &fixture.environment()) {
        Ok(config) => {
            assert_eq!(config.warnings, [""; 0], "{key}");
            Vec::new()
        }
        Err(LoadError::Permissions { reasons, .. }) if key == "config" => reasons,
        Err(LoadError::Mistakes { mistakes, .. }) => {
            assert!(mistakes.iter().all(|mistake| mistake.path == key), "{mistakes:?}");
            mistakes.iter().map(|mistake| format!("{}; {}", mistake.problem, mistake.fix)).collect()
        }
        Err(other) => panic!("{key}: {other}"),
    }
}

#[test]
fn a_file_that_others_can_write_or_replace_is_refused_with_its_path_and_the_fix() {
    type Change = fn(&Path, &Path, &Path);
    let changes: [(&str, &str, Change); 7] = [
        ("FILE can be written by others (mode 0602)", "go-w FILE", |file, _, _| mode(file, 0o602)),
        ("FILE belongs to user 54321", "chown root FILE", |file, _, _| owner(file, OTHER_USER)),
        ("the folder FOLDER can be written by its group and others", "chmod go-w FOLDER", |file, folder, _| {
            chown(folder, None, Some(OTHER_USER)).unwrap();
            mode(file, 0o600);
            mode(folder, 0o777);
        }),
        ("the folder FOLDER can be written by its group (mode 0775)", "chmod go-w FOLDER", |_, folder, _| {
            chown(folder, None, Some(OTHER_USER)).unwrap();
            mode(folder, 0o775);
        }),
        ("the folder FOLDER belongs to user 54321", "chown root FOLDER", |_, folder, _| owner(folder, OTHER_USER)),
        ("the folder ABOVE can be written by others (mode 0757)", "chmod go-w ABOVE", |_, _, above| mode(above, 0o757)),
        ("the folder ABOVE belongs to user 54321", "chown root ABOVE", |_, _, above| owner(above, OTHER_USER)),
    ];
    for (key, is_secret) in FILES {
        for (problem, fix, change) in &changes {
            let fixture = Fixture::new();
            let above = fixture.folder().join("above");
            let (folder, file) = (above.join("folder"), above.join("folder/file"));
            let value = write_and_name(&fixture, key, &file);
            assert_eq!(reasons(&fixture, key, &file, &value), [""; 0], "{key}");
            change(&file, &folder, &above);
            let reported = reasons(&fixture, key, &file, &value);
            let with_paths = |text: &str| {
                let text = text.replace("FILE", file.to_str().unwrap()).replace("FOLDER", folder.to_str().unwrap());
                text.replace("ABOVE", above.to_str().unwrap())
            };
            let fix = if is_secret && *fix == "go-w FILE" { "chmod 600 FILE" } else { fix };
            assert_eq!(reported.len(), 1, "{key}, {problem}: {reported:?}");
            assert!(
                reported[0].starts_with(&with_paths(problem)) && reported[0].ends_with(&with_paths(fix)),
                "{key}: {reported:?}"
            );
        }
    }
}

#[test]
fn a_link_and_its_target_are_both_judged() {
    for (key, _) in FILES {
        let fixture = Fixture::new();
        let folder = fixture.folder();
        let file = folder.join("target/folder/file");
        write_and_name(&fixture, key, &file);
        fs::create_dir(folder.join("links")).unwrap();
        let (to_file, to_folder) = (folder.join("links/to-file"), folder.join("links/to-folder"));
        symlink("../target/folder/file", &to_file).unwrap();
        symlink(folder.join("target"), &to_folder).unwrap();
        let paths = [to_file.clone(), to_folder.join("folder/file"), folder.join("links/../links/to-file")];
        let reported = |path: &Path| reasons(&fixture, key, path, &config_with(key, path));
        for path in &paths {
            assert_eq!(reported(path), [""; 0], "{key}");
        }
        for folder_name in ["links", "target/folder", "target"] {
            mode(&folder.join(folder_name), 0o757);
            for path in &paths {
                let reported = reported(path);
                let start = format!("the folder {} can be written", folder.join(folder_name).display());
                assert!(
                    !reported.is_empty() && reported.iter().all(|reason| reason.starts_with(&start)),
                    "{key}, {path:?}: {reported:?}"
                );
            }
            mode(&folder.join(folder_name), 0o755);
        }
        std::os::unix::fs::lchown(&to_file, Some(OTHER_USER), None).unwrap();
        let reported = reported(&to_file);
        assert!(reported[0].ends_with(&format!("chown -h root {}", to_file.display())), "{key}: {reported:?}");
    }
}

#[test]
fn all_untrusted_files_are_reported_at_once() {
    let fixture = Fixture::new();
    let mut value = minimal();
    for (key, content) in [
        ("source.ca_file", CERTIFICATE),
        ("source.client_certificate", CERTIFICATE),
        ("source.client_key", PRIVATE_KEY),
        ("sftp.private_key", PRIVATE_KEY),
        ("sftp.known_hosts", ""),
    ] {
        fixture.file(key, content, 0o622);
        value = with(&value, key, json!(key));
    }
    let paths: Vec<String> = fixture.mistakes(&value).into_iter().map(|mistake| mistake.path).collect();
    let expected = ["source.ca_file", "source.client_certificate", "source.client_key", "sftp.private_key"];
    assert_eq!(paths[..4], expected);
    assert_eq!(paths[4..], ["sftp.known_hosts"]);
}

#[test]
fn a_relative_path_is_judged_from_the_root() {
    let fixture = Fixture::new();
    fixture.file("a/config.json", "{}", 0o600);
    mode(&fixture.folder(), 0o777);
    for (folder, path) in [("a", "config.json"), ("a", "./config.json"), ("", "a/config.json")] {
        let mut check = Command::new(testkit::program());
        let output =
            check.args(["check", "--config", path]).current_dir(fixture.folder().join(folder)).output().unwrap();
        let reported = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{reported}");
        assert!(reported.contains(&format!("chmod go-w {}", fixture.folder().display())), "{reported}");
    }
}

#[test]
fn a_path_with_spaces_is_quoted_in_the_command() {
    let fixture = Fixture::new();
    let file = fixture.file("CA files/root's.pem", CERTIFICATE, 0o666);
    let mistake = fixture.mistake(&with(&minimal(), "source.ca_file", json!(file)));
    assert!(mistake.fix.contains("CA files") && !mistake.fix.ends_with(file.to_str().unwrap()), "{mistake}");
    assert!(Command::new("sh").arg("-c").arg(&mistake.fix).status().unwrap().success(), "{mistake}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn missing_known_hosts_are_judged_by_the_nearest_existing_folder() {
    let fixture = Fixture::new();
    let shared = fixture.folder().join("shared");
    fs::create_dir(&shared).unwrap();
    let value = with(&minimal(), "sftp.known_hosts", json!("shared/.ssh/known_hosts"));
    assert!(fixture.loaded(&value).warnings.is_empty());
    mode(&shared, 0o777);
    assert_eq!(fixture.mistake(&value).fix, format!("chmod go-w {}", shared.display()));
    // In a folder such as /tmp, others can create a missing file, but cannot replace an existing one.
    mode(&shared, 0o1777);
    let mistake = fixture.mistake(&value);
    assert!(mistake.problem.contains("could create") && mistake.fix.starts_with("install -D -m 600"), "{mistake}");
    assert!(Command::new("sh").arg("-c").arg(&mistake.fix).status().unwrap().success());
    assert!(fixture.loaded(&value).warnings.is_empty());
}

#[test]
fn in_a_sticky_folder_only_ones_own_files_are_trusted() {
    for (key, _) in FILES {
        let fixture = Fixture::new();
        let sticky = fixture.folder().join("sticky");
        let file = sticky.join("file");
        let value = write_and_name(&fixture, key, &file);
        mode(&sticky, 0o1777);
        assert_eq!(reasons(&fixture, key, &file, &value), [""; 0], "{key}");
        owner(&file, OTHER_USER);
        assert_eq!(reasons(&fixture, key, &file, &value).len(), 1, "{key}");
    }
}

#[test]
fn a_group_without_other_members_may_write_but_not_through_an_access_control_list() {
    for (key, is_secret) in FILES {
        let fixture = Fixture::new();
        let folder = fixture.folder().join("folder");
        let file = folder.join("file");
        let value = write_and_name(&fixture, key, &file);
        mode(&folder, 0o775);
        if !is_secret && key != "config" {
            mode(&file, 0o664);
        }
        assert_eq!(reasons(&fixture, key, &file, &value), [""; 0], "{key}");
        rustix::fs::setxattr(&folder, "system.posix_acl_access", &acl(), rustix::fs::XattrFlags::empty()).unwrap();
        let reported = reasons(&fixture, key, &file, &value);
        assert!(reported.len() == 1 && reported[0].contains("chmod go-w"), "{key}: {reported:?}");
    }
}

/// user::rwx, user:54321:rwx, group::r-x, mask::rwx, other::r-x, in the kernel's format: version 2, then tag, permissions, id.
fn acl() -> Vec<u8> {
    let entries =
        [(1_u16, 7_u16, u32::MAX), (2, 7, OTHER_USER), (4, 5, u32::MAX), (16, 7, u32::MAX), (32, 5, u32::MAX)];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend([&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat());
    }
    bytes
}

#[test]
fn on_a_read_only_mount_neither_owner_nor_mode_is_judged() {
    for (key, _) in FILES {
        let fixture = Fixture::new();
        let mount = fixture.folder().join("mount");
        fs::create_dir(&mount).unwrap();
        let _disk = SmallDisk::over(&mount, "mode=0777");
        let file = mount.join("file");
        let value = write_and_name(&fixture, key, &file);
        if key == "config" {
            fs::write(&file, value.to_string()).unwrap();
        }
        mode(&file, 0o666);
        owner(&file, OTHER_USER);
        assert!(!reasons_of_loading(&fixture, key, &file, &value).is_empty(), "{key}");
        let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&mount).status().unwrap();
        assert!(remounted.success());
        assert_eq!(reasons_of_loading(&fixture, key, &file, &value), [""; 0], "{key}");
    }
}

/// Like [`reasons`], but does not write the configuration if `key` is `config`.
fn reasons_of_loading(fixture: &Fixture, key: &str, path: &Path, value: &Value) -> Vec<String> {
    if key != "config" {
        return reasons(fixture, key, path, value);
    }
    config::load(path, &fixture.environment()).err().map(|error| error.lines()).unwrap_or_default()
}

#[test]
fn systemds_credentials_are_never_judged() {
    let fixture = Fixture::new();
    let folder = fixture.folder().join("credentials");
    let fixture = fixture.variable("CREDENTIALS_DIRECTORY", folder.to_str().unwrap());
    for (key, _) in FILES {
        let file = folder.join("file");
        let value = write_and_name(&fixture, key, &file);
        if key == "config" {
            fs::write(&file, value.to_string()).unwrap();
        }
        mode(&file, 0o440);
        owner(&file, OTHER_USER);
        owner(&folder, OTHER_USER);
        let reported = reasons_of_loading(&fixture, key, &file, &value);
        assert_eq!(reported, [""; 0], "{key}");
        fs::remove_dir_all(&folder).unwrap();
    }
    fixture.file("outside/file", "sftp-secret", 0o644);
    let value = with(&minimal(), "sftp.password", json!({"file": folder.join("../outside/file")}));
    assert!(config::load(&fixture.file("config.json", value.to_string(), 0o600), &fixture.environment()).is_err());
}

#[test]
fn trust_files_turns_refusals_into_warnings() {
    for (key, _) in FILES {
        for (value_of_variable, is_lenient) in [("1", true), ("0", false), ("", false)] {
            let fixture = Fixture::new().variable("SCRIPTING_SYSTEM_TRUST_FILES", value_of_variable);
            let file = fixture.folder().join("folder/file");
            let value = write_and_name(&fixture, key, &file);
            mode(&fixture.folder().join("folder"), 0o777);
            let config = if key == "config" { file.clone() } else { fixture.folder().join("config.json") };
            fs::write(&config, value.to_string()).unwrap();
            mode(&config, 0o600);
            match config::load(&config, &fixture.environment()) {
                Ok(config) => {
                    assert!(is_lenient, "{key}");
                    assert!(config.warnings.len() == 1 && config.warnings[0].contains("chmod go-w"), "{key}");
                }
                Err(error) => assert!(!is_lenient, "{key}: {error}"),
            }
        }
    }
}
