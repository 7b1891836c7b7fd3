//! The installed files, their modes, and uninstalling.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::{Machine, OTHER_LINES, PROGRAM, mode};

#[test]
fn installed_files_have_the_expected_content_and_modes() {
    let machine = Machine::installing_to("prefix");
    machine.install();

    assert_eq!(fs::read_to_string(machine.installed()).unwrap(), PROGRAM);
    assert_eq!(mode(&machine.installed()), 0o755);
    assert_eq!(fs::read_to_string(&machine.config).unwrap(), "template");
    assert_eq!(mode(&machine.config), 0o600);
    assert_eq!(mode(&machine.log()), 0o640);
    assert_eq!(fs::read_to_string(machine.schema()).unwrap(), "--schema");
    assert_eq!(mode(&machine.schema()), 0o644);
    for (file, content) in machine.documents().iter().zip(["page", "page", "completion for bash"]) {
        assert_eq!(fs::read_to_string(file).unwrap(), content);
        assert_eq!(mode(file), 0o644);
    }
    assert_eq!(fs::read_dir(machine.config.parent().unwrap()).unwrap().count(), 3, "a temporary file was left behind");
    assert_eq!(fs::read_dir(machine.prefix.join("bin")).unwrap().count(), 1, "a temporary file was left behind");
}

#[test]
fn an_existing_configuration_and_log_are_kept_with_restricted_modes() {
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
fn uninstalling_keeps_only_the_operators_data() {
    let machine = Machine::installing_to("prefix");
    fs::write(machine.path("crontab"), OTHER_LINES).unwrap();
    machine.install();

    let printed = machine.script(&["--uninstall"]);

    assert_eq!(machine.crontab(), OTHER_LINES);
    assert!(!machine.rotation().exists());
    assert!(!machine.installed().exists());
    assert!(machine.documents().iter().all(|file| !file.exists()));
    for kept in [&machine.config, &machine.schema(), &machine.log()] {
        assert!(kept.exists());
        assert!(printed.contains(&format!("Kept:           {}", kept.display())), "{printed}");
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
    let remaining: Vec<_> =
        fs::read_dir(machine.config.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(remaining, ["password"], "the script removes only its own files");
}

#[test]
fn a_program_without_manual_pages_is_still_installed() {
    let machine = Machine::installing_to("prefix");
    machine.add_command("program", &PROGRAM.replace("man)", "man) echo 'no pages here' >&2; exit 4 ;;\nnever)"));
    let printed = machine.install();
    assert!(printed.contains("Manual pages:   not installed"), "{printed}");
    assert_eq!(machine.jobs().len(), 1);
}

#[test]
fn an_invalid_command_line_changes_nothing() {
    let machine = Machine::installing_to("prefix");
    for wrong in [&["--no-such-option"][..], &["--purge"], &["--binary", ""]] {
        let output = machine.try_script(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
    assert!(!machine.prefix.exists());
    assert!(!machine.path("crontab").exists());
}
