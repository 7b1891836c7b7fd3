//! The scripts for operators: what `install_dependencies.sh` leaves on a machine, and takes back.
//!
//! The program and `crontab` are stand-ins, so that nothing of the machine that runs the tests is touched.
#![allow(clippy::unwrap_used, reason = "a test may end where its own preparation fails")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// Stands in for the program: answers what the installer asks, and notes how it was run.
const PROGRAM: &str = r#"#!/bin/sh
case $1 in
--version) echo "scripting-system 0.0.0" ;;
gen-config) [ "$2" = --output ] && printf '%s' "${4:-template}" >"$3" ;;
man) [ "$2" = --output ] && printf 'page' | tee "$3/scripting-system.1" >"$3/scripting-system-run.1" ;;
completions) printf 'completion for %s' "$2" ;;
run) printf '%s\n' "$@" >"$HOME/ran" ;;
esac
"#;

/// Stands in for `crontab`: keeps the crontab in `$HOME/crontab`, and fails to read where `$HOME/locked` exists.
const CRONTAB: &str = r#"#!/bin/sh
case $1 in
-l) [ ! -e "$HOME/locked" ] || { echo "crontab: you are not allowed to use this program" >&2; exit 1; }
    cat "$HOME/crontab" 2>/dev/null || { echo "no crontab for you" >&2; exit 1; } ;;
-r) rm "$HOME/crontab" ;;
*) cp "$1" "$HOME/crontab" ;;
esac
"#;

const OTHER_LINES: &[u8] =
    b"# m h dom mon dow\nMAILTO=root\n5 5 * * * echo 50\\% caf\xe9 \"a  b\"  \n\n0 23 * * * other run --config x\n";

/// A machine of its own: a home, a place to install to, and the stand-ins first in the PATH.
struct Machine {
    home: TempDir,
    prefix: PathBuf,
    config: PathBuf,
}

impl Machine {
    /// A machine on which the program goes to the folder `place`, its configuration to `etc` in there.
    fn installing_to(place: &str) -> Self {
        let home = TempDir::new().unwrap();
        let prefix = home.path().join(place);
        let config = prefix.join("etc/config.json");
        let machine = Self { home, prefix, config };
        fs::create_dir(machine.path("bin")).unwrap();
        machine.add_command("program", PROGRAM);
        machine.add_command("bin/crontab", CRONTAB);
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn add_command(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), Permissions::from_mode(0o755)).unwrap();
    }

    fn installed(&self) -> PathBuf {
        self.prefix.join("bin/scripting-system")
    }

    fn schema(&self) -> PathBuf {
        self.config.with_file_name("config.schema.json")
    }

    /// The manual pages and the completion.
    fn comfort(&self) -> [PathBuf; 3] {
        let share = self.prefix.join("share");
        [
            "man/man1/scripting-system.1",
            "man/man1/scripting-system-run.1",
            "bash-completion/completions/scripting-system",
        ]
        .map(|name| share.join(name))
    }

    fn log(&self) -> PathBuf {
        self.config.with_file_name("log.log")
    }

    fn rotation(&self) -> PathBuf {
        self.path("logrotate.d/scripting-system")
    }

    fn try_script(&self, options: &[&str]) -> Output {
        Command::new(scripts().join("install_dependencies.sh"))
            .args(options)
            .arg("--prefix")
            .arg(&self.prefix)
            .arg("--config")
            .arg(&self.config)
            .arg("--logrotate-folder")
            .arg(self.path("logrotate.d"))
            .env("HOME", self.home.path())
            .env("PATH", format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap()))
            .output()
            .unwrap()
    }

    /// Runs the script, which must succeed, and gives what it said.
    fn script(&self, options: &[&str]) -> String {
        let output = self.try_script(options);
        assert!(output.status.success(), "{options:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn install(&self) -> String {
        self.script(&["--no-packages", "--binary", self.path("program").to_str().unwrap()])
    }

    fn crontab(&self) -> Vec<u8> {
        fs::read(self.path("crontab")).unwrap()
    }

    /// The crontab's lines that run the program.
    fn jobs(&self) -> Vec<String> {
        let crontab = self.crontab();
        let text = String::from_utf8_lossy(&crontab);
        text.lines().filter(|line| line.contains("bin/scripting-system")).map(str::to_owned).collect()
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn installing_three_times_leaves_one_nightly_run_and_the_other_lines_as_they_were() {
    let machine = Machine::installing_to("prefix");
    fs::write(machine.path("crontab"), OTHER_LINES).unwrap();

    let told: Vec<String> = (0..3).map(|_| machine.install()).collect();

    let expected = format!("0 23 * * * {} run --config {}", machine.installed().display(), machine.config.display());
    assert_eq!(machine.jobs(), [expected.as_str()]);
    assert!(machine.crontab().starts_with(OTHER_LINES));
    assert!(told.iter().all(|words| words.contains(&expected)), "the line is shown: {told:?}");
}

#[test]
fn what_is_installed_has_the_modes_that_protect_it() {
    let machine = Machine::installing_to("prefix");
    machine.install();

    assert_eq!(fs::read_to_string(machine.installed()).unwrap(), PROGRAM);
    assert_eq!(mode(&machine.installed()), 0o755);
    assert_eq!(fs::read_to_string(&machine.config).unwrap(), "template");
    assert_eq!(mode(&machine.config), 0o600);
    assert_eq!(mode(&machine.log()), 0o640);
    assert_eq!(fs::read_to_string(machine.schema()).unwrap(), "--schema");
    assert_eq!(mode(&machine.schema()), 0o644);
    for (file, content) in machine.comfort().iter().zip(["page", "page", "completion for bash"]) {
        assert_eq!(fs::read_to_string(file).unwrap(), content);
        assert_eq!(mode(file), 0o644);
    }
    assert_eq!(fs::read_dir(machine.config.parent().unwrap()).unwrap().count(), 3, "nothing temporary is left");
    assert_eq!(fs::read_dir(machine.prefix.join("bin")).unwrap().count(), 1, "nothing temporary is left");
}

#[test]
fn the_log_is_rotated_weekly_under_its_own_mode() {
    let machine = Machine::installing_to("prefix");
    machine.install();

    let rotation = fs::read_to_string(machine.rotation()).unwrap();
    assert!(rotation.contains(&format!("\"{}\" {{", machine.log().display())), "{rotation}");
    for line in ["su ", "weekly", "rotate 8", "compress", "missingok", "notifempty", "create 0640 "] {
        assert!(rotation.lines().any(|found| found.trim_start().starts_with(line)), "{line} is in {rotation}");
    }
    assert_eq!(mode(&machine.rotation()), 0o644);
}

#[test]
fn a_configuration_and_a_log_that_were_there_are_kept_and_closed_to_others() {
    let machine = Machine::installing_to("prefix");
    fs::create_dir_all(machine.config.parent().unwrap()).unwrap();
    for file in [&machine.config, &machine.log()] {
        fs::write(file, "the operator's").unwrap();
        fs::set_permissions(file, Permissions::from_mode(0o777)).unwrap();
    }
    fs::write(machine.schema(), "an older program's").unwrap();
    machine.install();

    assert_eq!(fs::read_to_string(machine.schema()).unwrap(), "--schema");
    assert_eq!(fs::read_to_string(&machine.config).unwrap(), "the operator's");
    assert_eq!(mode(&machine.config), 0o600);
    assert_eq!(fs::read_to_string(machine.log()).unwrap(), "the operator's");
    assert_eq!(mode(&machine.log()), 0o640);
}

#[test]
fn cron_can_run_a_program_whose_path_has_a_space_and_a_percent_sign() {
    let machine = Machine::installing_to("my programs 100%");
    machine.install();
    machine.install();

    let [line] = machine.jobs().try_into().unwrap();
    let command = line.strip_prefix("0 23 * * * ").unwrap();
    // What cron does with a command, crontab(5): an escaped percent sign loses its backslash, a bare one ends it.
    let escaped = command.replace("\\%", "\0");
    let seen_by_shell = escaped.split('%').next().unwrap().replace('\0', "%");
    let status = Command::new("sh").arg("-c").arg(seen_by_shell).env("HOME", machine.home.path()).status().unwrap();

    assert!(status.success());
    let arguments = fs::read_to_string(machine.path("ran")).unwrap();
    assert_eq!(arguments, format!("run\n--config\n{}\n", machine.config.display()));
}

#[test]
fn installing_to_another_place_replaces_the_nightly_run_where_it_stood() {
    let mut machine = Machine::installing_to("old");
    machine.install();
    let mut crontab = machine.crontab();
    crontab.extend_from_slice(OTHER_LINES);
    fs::write(machine.path("crontab"), crontab).unwrap();

    machine.prefix = machine.path("new");
    machine.install();

    let [line] = machine.jobs().try_into().unwrap();
    assert!(line.contains("/new/bin/scripting-system"), "{line}");
    assert!(machine.crontab().ends_with(OTHER_LINES));
}

#[test]
fn a_line_that_the_operator_had_written_by_hand_is_not_doubled() {
    let machine = Machine::installing_to("prefix");
    let by_hand = format!("0 23 * * * {} run --config {}\n", machine.installed().display(), machine.config.display());
    fs::write(machine.path("crontab"), by_hand).unwrap();
    machine.install();

    assert_eq!(machine.jobs().len(), 1);
}

#[test]
fn a_crontab_that_cannot_be_read_is_not_replaced() {
    let machine = Machine::installing_to("prefix");
    fs::write(machine.path("crontab"), OTHER_LINES).unwrap();
    fs::write(machine.path("locked"), "").unwrap();

    let program = machine.path("program");
    let output = machine.try_script(&["--no-packages", "--binary", program.to_str().unwrap()]);

    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("you are not allowed to use this program"), "{said}");
    assert_eq!(machine.crontab(), OTHER_LINES);
}

#[test]
fn uninstalling_takes_back_all_but_the_operators_data() {
    let machine = Machine::installing_to("prefix");
    fs::write(machine.path("crontab"), OTHER_LINES).unwrap();
    machine.install();

    let told = machine.script(&["--uninstall"]);

    assert_eq!(machine.crontab(), OTHER_LINES);
    assert!(!machine.rotation().exists());
    assert!(!machine.installed().exists());
    assert!(machine.comfort().iter().all(|file| !file.exists()));
    for kept in [&machine.config, &machine.schema(), &machine.log()] {
        assert!(kept.exists());
        assert!(told.contains(&format!("Kept:           {}", kept.display())), "{told}");
    }
    machine.script(&["--uninstall"]);
}

#[test]
fn purging_removes_the_configuration_and_every_log_too() {
    let machine = Machine::installing_to("prefix");
    machine.install();
    fs::write(machine.config.with_file_name("log.log.2.gz"), "").unwrap();
    fs::write(machine.config.with_file_name("password"), "").unwrap();

    machine.script(&["--uninstall", "--purge"]);

    assert!(!machine.path("crontab").exists(), "there was no crontab before");
    let left: Vec<_> =
        fs::read_dir(machine.config.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["password"], "what the script did not make stays");
}

#[test]
fn a_program_that_does_not_run_here_does_not_replace_one_that_does() {
    let machine = Machine::installing_to("prefix");
    machine.install();
    machine.add_command("broken", "#!/bin/sh\nexit 1\n");

    let broken = machine.path("broken");
    let output = machine.try_script(&["--no-packages", "--binary", broken.to_str().unwrap()]);

    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read_to_string(machine.installed()).unwrap(), PROGRAM);
    assert_eq!(fs::read_dir(machine.prefix.join("bin")).unwrap().count(), 1, "nothing temporary is left");
}

#[test]
fn a_program_without_manual_pages_is_installed_all_the_same() {
    let machine = Machine::installing_to("prefix");
    machine.add_command("program", &PROGRAM.replace("man)", "man) echo 'no pages here' >&2; exit 4 ;;\nnever)"));
    let told = machine.install();
    assert!(told.contains("Manual pages:   none"), "{told}");
    assert_eq!(machine.jobs().len(), 1);
}

#[test]
fn a_wrong_command_line_changes_nothing() {
    let machine = Machine::installing_to("prefix");
    for wrong in [&["--no-such-option"][..], &["--purge"], &["--binary", ""]] {
        let output = machine.try_script(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
    assert!(!machine.prefix.exists());
    assert!(!machine.path("crontab").exists());
}

#[test]
fn the_template_is_written_to_the_current_folder_unless_told_otherwise() {
    let machine = Machine::installing_to("prefix");
    machine.add_command("bin/scripting-system", "#!/bin/sh\nprintf '%s ' \"$@\"\n");
    let said = |options: &[&str]| {
        let output = Command::new(scripts().join("gen_config.sh"))
            .args(options)
            .env("PATH", format!("{}:/usr/bin:/bin", machine.path("bin").display()))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };

    assert_eq!(said(&["--force"]), "gen-config --output config.json --force ");
    assert_eq!(said(&["--output", "other.json"]), "gen-config --output other.json ");
    assert_eq!(said(&["--from", "old.json"]), "gen-config --output config.json --from old.json ");
    assert_eq!(said(&["--schema"]), "gen-config --output config.schema.json --schema ");
    assert_eq!(said(&["--output", "other.json", "--schema"]), "gen-config --output other.json --schema ");
}

#[test]
fn every_script_is_executable_and_can_be_parsed() {
    let mut checked = 0;
    let ci = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/run");
    let entries = fs::read_dir(scripts()).unwrap().map(|entry| entry.unwrap().path());
    for script in entries.chain([ci]) {
        let output = Command::new("bash").arg("-n").arg(&script).output().unwrap();
        assert!(output.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&output.stderr));
        assert_eq!(mode(&script) & 0o111, 0o111, "{}", script.display());
        checked += 1;
    }
    assert!(checked >= 7, "{checked} scripts were found");
}

#[test]
fn every_script_that_is_run_by_hand_explains_itself() {
    for name in [
        "install_dependencies.sh",
        "gen_config.sh",
        "server.sh",
        "demo.sh",
        "test.sh",
        "bench.sh",
        "interop.sh",
        "kill_sweep.sh",
        "soak.sh",
        "fuzz.sh",
        "mail_pictures.sh",
    ] {
        let output = Command::new(scripts().join(name)).arg("--help").output().unwrap();
        assert!(output.status.success(), "{name}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(&format!("Usage: scripts/{name}")), "{said}");
        assert!(!said.contains("shellcheck source"), "{name} shows its help and nothing else: {said}");
    }
}
