//! `--systemd`: the same units, user and folders as the Debian package, and the unit files themselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::machine::PROGRAM;
use crate::{Machine, mode, output_text, scripts};

const JOBS: &str = "etc/scripting-system/jobs";

/// An empty root folder to install into.
struct Root {
    machine: Machine,
    folder: TempDir,
}

impl Root {
    fn new() -> Self {
        assert!(rustix::process::geteuid().is_root(), "this test creates users: run the tests as root");
        let folder = TempDir::new().unwrap();
        for name in ["etc", "usr", "var/lib", "var/log"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        Self { machine: Machine::installing_to("prefix"), folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, options: &[&str]) -> Output {
        let mut command = Command::new(scripts().join("install_dependencies.sh"));
        command.args(["--systemd", "--no-packages", "--root"]).arg(self.folder.path()).args(options);
        command.arg("--binary").arg(self.machine.path("program"));
        self.machine.set_environment(&mut command);
        command.output().unwrap()
    }

    fn script(&self, options: &[&str]) -> String {
        let output = self.run(options);
        assert!(output.status.success(), "{options:?}: {}", output_text(&output));
        output_text(&output)
    }

    /// The user's number in the root folder.
    fn user(&self) -> Option<u32> {
        let users = fs::read_to_string(self.path("etc/passwd")).unwrap();
        let user = users.lines().find(|line| line.starts_with("scripting-system:"))?;
        assert!(user.ends_with(":/var/lib/scripting-system:/usr/sbin/nologin"), "{user}");
        Some(user.split(':').nth(2).unwrap().parse().unwrap())
    }

    /// Every file, without folders.
    fn files(&self) -> Vec<String> {
        let output = Command::new("find").arg(self.folder.path()).args(["!", "-type", "d", "-printf", "%P\n"]).output();
        let mut files: Vec<String> =
            String::from_utf8(output.unwrap().stdout).unwrap().lines().map(str::to_owned).collect();
        files.sort();
        files
    }
}

fn owner(path: &Path) -> (u32, u32) {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = fs::metadata(path).unwrap();
    (metadata.uid(), metadata.gid())
}

fn packaged(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name)).unwrap()
}

#[test]
fn systemd_runs_the_jobs_as_the_packages_user() {
    let root = Root::new();
    let printed = root.script(&[]);

    let user = root.user().unwrap();
    for (folder, expected_mode, expected_owner) in [
        (JOBS, 0o750, (0, user)),
        ("var/lib/scripting-system", 0o700, (user, user)),
        ("var/log/scripting-system", 0o750, (user, user)),
    ] {
        assert_eq!(mode(&root.path(folder)), expected_mode, "{folder}");
        assert_eq!(owner(&root.path(folder)), expected_owner, "{folder}");
    }
    assert_eq!(owner(&root.path(JOBS).join("_common.json")), (0, user));
    let unit = fs::read_to_string(root.path("etc/systemd/system/scripting-system.service")).unwrap();
    let expected = packaged("systemd/scripting-system.service")
        .replace("ExecStart=/usr/bin/scripting-system", "ExecStart=/usr/local/bin/scripting-system");
    assert_eq!(unit, expected);
    assert_eq!(fs::read_to_string(root.path("usr/local/bin/scripting-system")).unwrap(), PROGRAM);
    let wanted = root.path("etc/systemd/system/timers.target.wants/scripting-system.timer");
    assert!(wanted.is_symlink(), "the timer is not enabled: {printed}");
    assert!(!root.machine.path("crontab").exists(), "a crontab line runs the jobs a second time");
}

#[test]
fn installing_with_systemd_again_keeps_the_operators_edits() {
    let root = Root::new();
    root.script(&[]);
    let edited = [format!("{JOBS}/_common.json"), "etc/logrotate.d/scripting-system-jobs".to_owned()];
    for file in &edited {
        fs::write(root.path(file), "the operator's").unwrap();
    }
    fs::write(root.path(JOBS).join("shop.json"), "{}").unwrap();
    let before = root.files();
    root.script(&[]);
    assert_eq!(root.files(), before);
    for file in &edited {
        assert_eq!(fs::read_to_string(root.path(file)).unwrap(), "the operator's");
    }
}

#[test]
fn purging_removes_everything_but_the_operators_files() {
    let root = Root::new();
    root.script(&[]);
    fs::write(root.path("var/log/scripting-system/log.log"), "").unwrap();
    fs::write(root.path("var/lib/scripting-system/0123abcd.lock"), "").unwrap();
    fs::write(root.path(JOBS).join("shop.json"), "{}").unwrap();

    root.script(&["--uninstall"]);
    assert!(root.path(JOBS).join("_common.json").exists());
    assert!(root.path("var/log/scripting-system/log.log").exists());
    assert!(root.user().is_some());
    assert!(!root.path("usr/local/bin/scripting-system").exists());

    root.script(&["--uninstall", "--purge"]);
    let accounts = ["etc/.pwd.lock", "etc/group", "etc/gshadow", "etc/passwd", "etc/shadow"];
    let left: Vec<String> =
        root.files().into_iter().filter(|name| !accounts.contains(&name.trim_end_matches('-'))).collect();
    assert_eq!(left, [format!("{JOBS}/shop.json")]);
    assert_eq!(root.user(), None);
    assert!(!root.path("var/lib/scripting-system").exists());
}

#[test]
fn a_user_who_may_read_the_operators_files_is_not_removed() {
    let root = Root::new();
    root.script(&[]);
    let job = root.path(JOBS).join("shop.json");
    fs::write(&job, "{}").unwrap();
    std::os::unix::fs::chown(&job, None, root.user()).unwrap();
    let printed = root.script(&["--uninstall", "--purge"]);
    assert!(root.user().is_some());
    assert!(
        printed.contains(&format!("is kept, because files of the operator belong to it:\n{}", job.display())),
        "{printed}"
    );
}

#[test]
fn options_for_one_configuration_are_refused_with_systemd() {
    let root = Root::new();
    for wrong in [&["--config", "/etc/x.json"][..], &["--logrotate-folder", "/etc/logrotate.d"]] {
        assert_eq!(root.run(wrong).status.code(), Some(2), "{wrong:?}");
    }
    assert!(root.files().is_empty());
}

#[test]
fn the_units_are_valid_and_confine_the_program() {
    let folder = TempDir::new().unwrap();
    let program = folder.path().join("scripting-system");
    fs::copy(testkit::program(), &program).unwrap();
    for name in ["scripting-system.service", "scripting-system.timer"] {
        let unit = packaged(&format!("systemd/{name}"))
            .replace("ExecStart=/usr/bin/scripting-system", &format!("ExecStart={}", program.display()));
        fs::write(folder.path().join(name), unit).unwrap();
    }
    let analyze = |arguments: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        let output = command.args(arguments).current_dir(folder.path()).env("SYSTEMD_COLORS", "0").output();
        output.unwrap_or_else(|error| panic!("systemd-analyze of the Debian package systemd: {error}"))
    };
    let verified = analyze(&["verify", "--man=no", "./scripting-system.service", "./scripting-system.timer"]);
    assert!(verified.status.success() && output_text(&verified).is_empty(), "{}", output_text(&verified));
    let rated = output_text(&analyze(&["security", "--offline=yes", "--no-pager", "./scripting-system.service"]));
    let exposure = rated.rsplit_once("service: ").and_then(|(_, text)| text.split(' ').next()?.parse::<f64>().ok());
    assert!(exposure.is_some_and(|exposure| exposure <= 2.0), "{rated}");
}

#[test]
fn the_service_starts_only_if_there_is_a_job() {
    let folder = TempDir::new().unwrap();
    let unit = packaged("systemd/scripting-system.service");
    let condition =
        unit.lines().find(|line| line.starts_with("ConditionPathExistsGlob=/etc/scripting-system/jobs/")).unwrap();
    let condition = condition.replace("/etc/scripting-system/jobs", folder.path().to_str().unwrap());
    let holds = || {
        let mut command = Command::new("systemd-analyze");
        command.args(["condition", &condition]).output().unwrap().status.success()
    };
    for name in ["_common.json", ".shop.json.swp", ".shop.json", "shop.json.bak"] {
        fs::write(folder.path().join(name), "{}").unwrap();
    }
    assert!(!holds());
    fs::write(folder.path().join("shop.json"), "{}").unwrap();
    assert!(holds());
}
