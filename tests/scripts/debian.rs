//! The Debian package's files and maintainer scripts, installed by dpkg into another root folder.
//! `scripts/dev/try_packages.sh` builds the package itself, and installs it in a chroot.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::{mode, output_text};

const COMMON: &str = "etc/scripting-system/jobs/_common.json";
const ROTATION: &str = "etc/logrotate.d/scripting-system-jobs";
const UNIT: &str = "usr/lib/systemd/system/scripting-system.service";
const TIMER: &str = "etc/systemd/system/timers.target.wants/scripting-system.timer";
const LOG: &str = "var/log/scripting-system/log.log";

struct Root {
    folder: TempDir,
}

impl Root {
    fn new() -> Self {
        assert!(rustix::process::geteuid().is_root(), "this test creates users: run the tests as root");
        let folder = TempDir::new().unwrap();
        for name in ["etc", "usr", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("var/lib/dpkg/status"), "").unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs dpkg as apt does without a terminal.
    fn dpkg(&self, arguments: &[&str]) {
        let mut command = Command::new("dpkg");
        command.args(["--force-script-chrootless", "--force-unsafe-io", "--force-confold", "--force-confdef"]);
        command.arg(format!("--root={}", self.folder.path().display()));
        command.arg(format!("--log={}", self.path("var/lib/dpkg/log").display()));
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", output_text(&output));
    }

    fn install(&self, version: &str, change: impl Fn(&str, String) -> String) {
        let package = TempDir::new().unwrap();
        build(package.path(), version, change);
        self.dpkg(&["--install", package.path().join("package.deb").to_str().unwrap()]);
    }

    fn has_user(&self) -> bool {
        self.read("etc/passwd").contains("scripting-system:")
    }

    /// Every file except dpkg's, and those of the user database.
    fn files(&self) -> Vec<String> {
        let output = Command::new("find").arg(self.folder.path()).args(["!", "-type", "d", "-printf", "%P\n"]).output();
        let text = String::from_utf8(output.unwrap().stdout).unwrap();
        let is_other = |name: &&str| {
            let accounts = ["etc/.pwd.lock", "etc/passwd", "etc/shadow", "etc/group", "etc/gshadow"];
            !name.starts_with("var/lib/dpkg/") && !accounts.contains(&name.trim_end_matches('-'))
        };
        let mut files: Vec<String> = text.lines().filter(is_other).map(str::to_owned).collect();
        files.sort();
        files
    }
}

/// Builds `folder/package.deb` from the assets in Cargo.toml that exist without a build; `change` gets each one's path in the
/// package and its text.
fn build(folder: &Path, version: &str, change: impl Fn(&str, String) -> String) {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tree = folder.join("tree");
    let mut conffiles = String::new();
    for line in fs::read_to_string(top.join("Cargo.toml")).unwrap().lines() {
        let Some(line) = line.trim().strip_suffix(',').filter(|line| line.starts_with("[\"packaging/")) else {
            continue;
        };
        let [source, target, mode]: [String; 3] = serde_json::from_str(line).unwrap();
        let name = Path::new(&source).file_name().unwrap().to_str().unwrap();
        let path = if target.ends_with('/') { target + name } else { target };
        let installed = tree.join(&path);
        fs::create_dir_all(installed.parent().unwrap()).unwrap();
        fs::write(&installed, change(&path, fs::read_to_string(top.join(&source)).unwrap())).unwrap();
        fs::set_permissions(&installed, Permissions::from_mode(u32::from_str_radix(&mode, 8).unwrap())).unwrap();
        if path.starts_with("etc/") {
            conffiles += &format!("/{path}\n");
        }
    }
    let control = tree.join("DEBIAN");
    fs::create_dir(&control).unwrap();
    for script in ["postinst", "prerm", "postrm"] {
        fs::copy(top.join("packaging/debian").join(script), control.join(script)).unwrap();
    }
    fs::write(control.join("conffiles"), conffiles).unwrap();
    let fields = format!(
        "Package: scripting-system\nVersion: {version}\nArchitecture: all\nMaintainer: A B <a@example.org>\nDescription: test\n"
    );
    fs::write(control.join("control"), fields).unwrap();
    let mut command = Command::new("dpkg-deb");
    command.args(["--build", "--root-owner-group", "-Znone"]).arg(&tree).arg(folder.join("package.deb"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", output_text(&output));
}

fn unchanged(_: &str, text: String) -> String {
    text
}

fn next_version(path: &str, text: String) -> String {
    match path {
        COMMON => text.replace("\"log\": {", "\"log\": {\"level\": \"info\", "),
        UNIT => text.replace("Description=", "Description=Next: "),
        _ => text,
    }
}

#[test]
fn an_upgrade_keeps_the_operators_edits_and_replaces_the_rest() {
    let root = Root::new();
    root.install("1", unchanged);
    assert!(root.path(TIMER).is_symlink(), "the timer is not enabled");
    assert_eq!(mode(&root.path("etc/scripting-system/jobs")), 0o750);
    assert_eq!(mode(&root.path(COMMON)), 0o640);
    assert_eq!(mode(&root.path("var/lib/scripting-system")), 0o700);

    root.write(ROTATION, "# the operator's\n");
    root.write(COMMON, "{\"retry\": {\"attempts\": 5}}\n");
    root.write("etc/scripting-system/jobs/shop.json", "{}");
    fs::set_permissions(root.path("etc/scripting-system/jobs"), Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(root.path(TIMER)).unwrap();
    root.install("2", next_version);

    assert_eq!(root.read(ROTATION), "# the operator's\n");
    assert_eq!(root.read(COMMON), "{\"retry\": {\"attempts\": 5}}\n");
    assert!(root.read(&format!("{COMMON}.dpkg-dist")).contains("\"level\""));
    assert_eq!(root.read("etc/scripting-system/jobs/shop.json"), "{}");
    assert_eq!(mode(&root.path("etc/scripting-system/jobs")), 0o755);
    assert!(root.read(UNIT).contains("Description=Next: "));
    assert!(!root.path(TIMER).is_symlink(), "a disabled timer was enabled again");
}

#[test]
fn an_upgrade_replaces_a_configuration_that_was_not_edited() {
    let root = Root::new();
    root.install("1", unchanged);
    root.install("2", next_version);
    assert!(root.read(COMMON).contains("\"level\""));
    assert_eq!(mode(&root.path(COMMON)), 0o640);
}

#[test]
fn removing_keeps_the_configuration_and_the_log_and_purging_removes_only_the_packages_files() {
    let root = Root::new();
    root.install("1", unchanged);
    root.write(LOG, "a run");
    root.write(&format!("{LOG}.1.gz"), "");
    root.write("var/lib/scripting-system/0123abcd.lock", "");
    root.write("etc/scripting-system/jobs/shop.json", "{}");

    root.dpkg(&["--remove", "scripting-system"]);
    for kept in [COMMON, ROTATION, LOG, "etc/scripting-system/jobs/shop.json"] {
        assert!(root.path(kept).exists(), "{kept}");
    }
    assert!(!root.path(UNIT).exists());
    assert!(root.has_user());

    root.dpkg(&["--purge", "scripting-system"]);
    assert_eq!(root.files(), ["etc/scripting-system/jobs/shop.json"]);
    assert!(!root.has_user());
    assert!(!root.path("var/lib/scripting-system").exists() && !root.path("var/log/scripting-system").exists());

    fs::remove_file(root.path("etc/scripting-system/jobs/shop.json")).unwrap();
    root.install("1", unchanged);
    root.dpkg(&["--purge", "scripting-system"]);
    assert_eq!(root.files(), Vec::<String>::new());
    assert!(!root.path("etc/scripting-system").exists());
}
