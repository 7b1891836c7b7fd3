//! A test machine for the installer: a home folder, an installation folder, and stand-ins for the program and `crontab`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A stand-in for the program that records its arguments.
pub(crate) const PROGRAM: &str = r#"#!/bin/sh
case $1 in
--version) echo "scripting-system 0.0.0" ;;
gen-config) [ "$2" = --output ] && printf '%s' "${4:-template}" >"$3" ;;
man) [ "$2" = --output ] && printf 'page' | tee "$3/scripting-system.1" >"$3/scripting-system-run.1" ;;
completions) printf 'completion for %s' "$2" ;;
check) echo "$3" >>"$HOME/checked" ;;
run) printf '%s\n' "$@" >"$HOME/ran" ;;
esac
"#;

/// A stand-in for `crontab` that uses `$HOME/crontab`, and fails to read it if `$HOME/locked` exists.
const CRONTAB: &str = r#"#!/bin/sh
case $1 in
-l) [ ! -e "$HOME/locked" ] || { echo "crontab: you are not allowed to use this program" >&2; exit 1; }
    cat "$HOME/crontab" 2>/dev/null || { echo "no crontab for you" >&2; exit 1; } ;;
-r) rm "$HOME/crontab" ;;
*) cp "$1" "$HOME/crontab" ;;
esac
"#;

pub(crate) const OTHER_LINES: &[u8] =
    b"# m h dom mon dow\nMAILTO=root\n5 5 * * * echo 50\\% caf\xe9 \"a  b\"  \n\n0 23 * * * other run --config x\n";

pub(crate) struct Machine {
    pub(crate) home: TempDir,
    pub(crate) prefix: PathBuf,
    pub(crate) config: PathBuf,
}

impl Machine {
    /// Installs the program to `folder`, and its configuration to `folder/etc`.
    pub(crate) fn installing_to(folder: &str) -> Self {
        let home = TempDir::new().unwrap();
        let prefix = home.path().join(folder);
        let config = prefix.join("etc/config.json");
        let machine = Self { home, prefix, config };
        fs::create_dir(machine.path("bin")).unwrap();
        machine.add_command("program", PROGRAM);
        machine.add_command("bin/crontab", CRONTAB);
        machine
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn add_command(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn installed(&self) -> PathBuf {
        self.prefix.join("bin/scripting-system")
    }

    pub(crate) fn schema(&self) -> PathBuf {
        self.config.with_file_name("config.schema.json")
    }

    pub(crate) fn documents(&self) -> [PathBuf; 3] {
        let share = self.prefix.join("share");
        [
            "man/man1/scripting-system.1",
            "man/man1/scripting-system-run.1",
            "bash-completion/completions/scripting-system",
        ]
        .map(|name| share.join(name))
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.config.with_file_name("log.log")
    }

    pub(crate) fn rotation(&self) -> PathBuf {
        self.path("logrotate.d/scripting-system")
    }

    pub(crate) fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(scripts().join("install_dependencies.sh"));
        command.args(options).arg("--prefix").arg(&self.prefix).arg("--config").arg(&self.config);
        command.arg("--logrotate-folder").arg(self.path("logrotate.d"));
        self.set_environment(&mut command);
        command
    }

    /// Sets the machine's HOME, and a PATH with the stand-ins first.
    pub(crate) fn set_environment(&self, command: &mut Command) {
        command.env("HOME", self.home.path()).env_remove("SCRIPTING_SYSTEM_TRUST_FILES");
        command.env("PATH", format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap()));
    }

    pub(crate) fn try_script(&self, options: &[&str]) -> Output {
        self.command(options).output().unwrap()
    }

    pub(crate) fn try_install(&self) -> Output {
        self.try_script(&["--no-packages", "--binary", self.path("program").to_str().unwrap()])
    }

    pub(crate) fn install_for(&mut self, config: &str) -> String {
        self.config = self.path(config);
        self.install()
    }

    /// Runs the script, which must succeed, and returns its standard output.
    pub(crate) fn script(&self, options: &[&str]) -> String {
        let output = self.try_script(options);
        assert!(output.status.success(), "{options:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn install(&self) -> String {
        self.script(&["--no-packages", "--binary", self.path("program").to_str().unwrap()])
    }

    /// Replaces the first `from` in the crontab with `to`.
    pub(crate) fn edit_crontab(&self, from: &str, to: &str) {
        // One character for each byte, because a crontab may not be UTF-8.
        let before: String = self.crontab().into_iter().map(char::from).collect();
        assert!(before.contains(from), "{from} is missing in {before}");
        let after: Vec<u8> =
            before.replacen(from, to, 1).chars().map(|character| u8::try_from(character).unwrap()).collect();
        fs::write(self.path("crontab"), after).unwrap();
    }

    /// The line that the installer writes for the configuration.
    pub(crate) fn usual_line(&self) -> String {
        format!("0 23 * * * {} run --config {}", self.installed().display(), self.config.display())
    }

    /// The names in logrotate's folder, sorted.
    pub(crate) fn rotations(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("logrotate.d")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn crontab(&self) -> Vec<u8> {
        fs::read(self.path("crontab")).unwrap()
    }

    /// The crontab's lines that run the program.
    pub(crate) fn jobs(&self) -> Vec<String> {
        let crontab = self.crontab();
        let text = String::from_utf8_lossy(&crontab);
        text.lines().filter(|line| line.contains("bin/scripting-system")).map(str::to_owned).collect()
    }
}

pub(crate) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts")
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Standard output and standard error.
pub(crate) fn output_text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
