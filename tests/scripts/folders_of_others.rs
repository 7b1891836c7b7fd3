//! Root does not write where another user could put a link. These tests require root.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{Machine, PROGRAM, mode, output_text, scripts};

/// A user without an account, alone in its group.
const USER: u32 = 54_321;

/// A machine where root runs the installer, with the folder `home` of [`USER`].
fn machine() -> Machine {
    assert!(rustix::process::geteuid().is_root(), "this test changes users: run the tests as root");
    let machine = Machine::installing_to("prefix");
    fs::set_permissions(machine.home.path(), Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(machine.path("home")).unwrap();
    chown(machine.path("home"), Some(USER), Some(USER)).unwrap();
    machine
}

/// Runs `command` as [`USER`].
fn as_user(command: &mut Command) -> Output {
    let mut other = Command::new("setpriv");
    other.args([&format!("--reuid={USER}"), &format!("--regid={USER}"), "--clear-groups"]);
    other.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => other.env(name, value),
            None => other.env_remove(name),
        };
    }
    let output = other.output().unwrap();
    assert!(output.status.success(), "{}", output_text(&output));
    output
}

fn link_as_user(target: &Path, link: &Path) {
    as_user(Command::new("ln").arg("-s").arg(target).arg(link));
}

/// Creates files of root that must not be changed.
fn create_protected_files(machine: &Machine) -> PathBuf {
    let folder = machine.path("protected");
    fs::create_dir(&folder).unwrap();
    for name in ["file", "config.json", "log.log"] {
        fs::write(folder.join(name), "protected").unwrap();
        fs::set_permissions(folder.join(name), Permissions::from_mode(0o604)).unwrap();
    }
    folder
}

fn assert_unchanged(folder: &Path) {
    assert_eq!(fs::read_dir(folder).unwrap().count(), 3);
    for name in ["file", "config.json", "log.log"] {
        assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), "protected");
        assert_eq!(mode(&folder.join(name)), 0o604, "{name}");
    }
}

fn assert_refused(machine: &Machine, output: &Output, reason: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", output_text(output));
    assert!(output_text(output).contains("root does not write there: "), "{}", output_text(output));
    assert!(output_text(output).contains(reason), "{reason}: {}", output_text(output));
    assert!(!machine.path("crontab").exists(), "a job was installed");
    assert!(!machine.prefix.exists(), "a program was installed");
}

#[test]
fn root_follows_no_link_in_a_users_folder() {
    for link in ["config.json", "log.log", "job", "none"] {
        for config in ["home/config.json", "home/job/config.json"] {
            let mut machine = machine();
            let protected = create_protected_files(&machine);
            match link {
                "none" => {}
                "job" => link_as_user(&protected, &machine.path("home/job")),
                file => link_as_user(&protected.join("file"), &machine.path("home").join(file)),
            }
            machine.config = machine.path(config);

            let output = machine.try_install();

            let reason = format!("{} belongs to user {USER}", machine.path("home").display());
            assert_refused(&machine, &output, &reason);
            assert_unchanged(&protected);
            assert_eq!(mode(&machine.path("home")), 0o755, "{link}");
            let output = machine.try_script(&["--uninstall", "--purge"]);
            assert_eq!(output.status.code(), Some(1), "{}", output_text(&output));
            assert_unchanged(&protected);
        }
    }
}

#[test]
fn a_link_into_a_users_folder_is_refused_before_anything_is_written() {
    let mut machine = machine();
    fs::create_dir(machine.path("etc")).unwrap();
    symlink("../home/../home/conf", machine.path("etc/job")).unwrap();
    as_user(Command::new("mkdir").arg(machine.path("home/conf")));
    machine.config = machine.path("etc/job/config.json");

    let output = machine.try_install();

    assert_refused(&machine, &output, &format!("home belongs to user {USER}"));
    assert_eq!(fs::read_dir(machine.path("home/conf")).unwrap().count(), 0);
}

#[test]
fn circular_links_end_the_installation() {
    let mut machine = machine();
    symlink("circle", machine.path("circle")).unwrap();
    machine.config = machine.path("circle/config.json");
    let output = machine.try_install();
    assert_eq!(output.status.code(), Some(1));
    assert!(output_text(&output).contains("too many links"), "{}", output_text(&output));
}

#[test]
fn root_does_not_install_the_program_where_a_user_could_replace_it() {
    for inside in ["home/local", "home"] {
        let mut machine = machine();
        machine.prefix = machine.path(inside);
        let output = machine.try_install();
        assert_eq!(output.status.code(), Some(1), "{}", output_text(&output));
        assert!(
            output_text(&output).contains("Choose a folder that only root controls with --prefix"),
            "{}",
            output_text(&output)
        );
        assert_eq!(fs::read_dir(machine.path("home")).unwrap().count(), 0);
    }
}

#[test]
fn folders_that_others_can_write_are_refused() {
    let group_with_others = {
        // The group of a user other than root.
        let passwd = Command::new("getent").arg("passwd").output().unwrap();
        let passwd = String::from_utf8(passwd.stdout).unwrap();
        let nobody = passwd.lines().find(|line| line.starts_with("nobody:")).unwrap();
        nobody.split(':').nth(3).unwrap().parse().unwrap()
    };
    for (folder_mode, group, accepted) in [
        (0o755, 0, true),
        (0o775, 0, true),
        (0o775, USER, true),
        (0o1777, 0, true),
        (0o777, 0, false),
        (0o775, group_with_others, false),
    ] {
        let mut machine = machine();
        fs::create_dir(machine.path("etc")).unwrap();
        chown(machine.path("etc"), Some(0), Some(group)).unwrap();
        fs::set_permissions(machine.path("etc"), Permissions::from_mode(folder_mode)).unwrap();
        symlink("etc", machine.path("link")).unwrap();
        machine.config = machine.path("link/job/config.json");

        let output = machine.try_install();

        if accepted {
            assert!(output.status.success(), "{folder_mode:o}, group {group}: {}", output_text(&output));
            assert_eq!(mode(&machine.config), 0o600);
        } else {
            assert_refused(&machine, &output, &format!("can write {}", machine.path("etc").display()));
        }
    }
}

#[test]
fn nothing_is_changed_in_a_trusted_folder_of_a_user() {
    let mut machine = machine();
    let protected = create_protected_files(&machine);
    machine.config = machine.path("home/config.json");
    link_as_user(&protected.join("file"), &machine.config);
    link_as_user(&protected.join("file"), &machine.path("home/log.log"));
    link_as_user(&protected.join("file"), &machine.path("home/config.schema.json"));

    let program = machine.path("program");
    let mut command = machine.command(&["--no-packages", "--binary", program.to_str().unwrap()]);
    let output = command.env("SCRIPTING_SYSTEM_TRUST_FILES", "1").output().unwrap();

    assert!(output.status.success(), "{}", output_text(&output));
    assert!(output_text(&output).contains("Nothing in its folder was changed"), "{}", output_text(&output));
    assert_unchanged(&protected);
    assert_eq!(fs::read_dir(machine.path("home")).unwrap().count(), 3);
    assert_eq!(machine.jobs(), [machine.usual_line()]);
    assert!(!machine.path("logrotate.d").exists(), "root must not rotate a log there");
}

#[test]
fn a_user_installs_without_root() {
    let mut machine = machine();
    // The user may lack permission to read the folder of the scripts.
    let copy = machine.path("scripts");
    assert!(Command::new("cp").arg("-r").arg(scripts()).arg(&copy).status().unwrap().success());
    machine.prefix = machine.path("home/.local");
    machine.config = machine.path("home/.config/scripting-system/config.json");
    let install = |machine: &Machine| {
        let mut command = Command::new(copy.join("install_dependencies.sh"));
        command.args(["--no-packages", "--binary"]).arg(machine.path("program"));
        machine.set_environment(&mut command);
        command.env("HOME", machine.path("home"));
        output_text(&as_user(&mut command))
    };

    install(&machine);
    let printed = install(&machine);

    assert_eq!(fs::read_to_string(machine.installed()).unwrap(), PROGRAM);
    assert_eq!(mode(&machine.config), 0o600);
    let crontab = fs::read_to_string(machine.path("home/crontab")).unwrap();
    assert_eq!(crontab.lines().filter(|line| *line == machine.usual_line()).count(), 1);
    assert_eq!(crontab.lines().count(), 2);
    assert!(printed.contains("Log rotation:   not set up, because that requires root."), "{printed}");
}
