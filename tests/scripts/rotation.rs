//! Log rotation: one file per configuration; the operator's changes are kept.

use std::fs;

use crate::{Machine, mode};

#[test]
fn the_log_is_rotated_weekly_and_keeps_its_mode() {
    let machine = Machine::installing_to("prefix");
    machine.install();

    let rotation = fs::read_to_string(machine.rotation()).unwrap();
    assert!(rotation.contains(&format!("\"{}\" {{", machine.log().display())), "{rotation}");
    for line in ["su ", "weekly", "rotate 8", "compress", "missingok", "notifempty", "create 0640 "] {
        assert!(
            rotation.lines().any(|written| written.trim_start().starts_with(line)),
            "{line} is missing in {rotation}"
        );
    }
    assert_eq!(mode(&machine.rotation()), 0o644);
}

fn replace_in(file: &std::path::Path, from: &str, to: &str) -> String {
    let changed = fs::read_to_string(file).unwrap().replace(from, to);
    fs::write(file, &changed).unwrap();
    changed
}

#[test]
fn each_configuration_has_a_rotation() {
    let mut machine = Machine::installing_to("prefix");
    for _ in 0..2 {
        for config in ["a/config.json", "a b/100%/config.json", "c/config.json"] {
            machine.install_for(config);
        }
    }

    let files = machine.rotations();
    assert_eq!(files.len(), 3, "{files:?}");
    assert_eq!(files[0], "scripting-system");
    let all: String =
        files.iter().map(|name| fs::read_to_string(machine.path("logrotate.d").join(name)).unwrap()).collect();
    for folder in ["a", "a b/100%", "c"] {
        let log = format!("\"{}\" {{", machine.path(folder).join("log.log").display());
        assert_eq!(all.matches(&log).count(), 1, "{log} in {all}");
    }

    machine.config = machine.path("a/config.json");
    machine.script(&["--uninstall"]);
    assert_eq!(machine.rotations(), files[1..]);
}

#[test]
fn two_configurations_in_one_folder_share_the_rotation_of_their_log() {
    // logrotate skips a file with a log that another file names.
    let mut machine = Machine::installing_to("prefix");
    machine.install_for("etc/a.json");
    machine.install_for("etc/b.json");
    assert_eq!(machine.rotations(), ["scripting-system"]);

    machine.config = machine.path("etc/a.json");
    let printed = machine.script(&["--uninstall", "--purge"]);
    assert_eq!(machine.rotations(), ["scripting-system"], "{printed}");
    assert!(machine.log().exists() && machine.schema().exists(), "the other configuration uses them: {printed}");

    machine.config = machine.path("etc/b.json");
    machine.script(&["--uninstall", "--purge"]);
    assert!(machine.rotations().is_empty());
    assert!(!machine.log().exists());
}

#[test]
fn a_changed_rotation_is_kept_and_reported() {
    for (from, to, expected) in [
        ("rotate 8", "rotate 30", "existed with changes, kept"),
        ("log.log\" {", "other.log\" {", "existed with changes, kept"),
        ("\n", "\n#", "disabled, not changed"),
    ] {
        let machine = Machine::installing_to("prefix");
        let printed = machine.install();
        assert!(!printed.contains("existed"), "{printed}");
        assert!(machine.install().contains("scripting-system (existed, kept)"));
        let changed = replace_in(&machine.rotation(), from, to);

        let printed = machine.install();

        assert_eq!(machine.rotations(), ["scripting-system"], "{to}");
        assert_eq!(fs::read_to_string(machine.rotation()).unwrap(), changed);
        assert!(printed.contains(expected), "{printed}");
    }
}

#[test]
fn a_rotation_that_is_disabled_by_its_name_remains_disabled() {
    let machine = Machine::installing_to("prefix");
    machine.install();
    fs::copy(machine.rotation(), machine.path("logrotate.d/scripting-system-copy.bak")).unwrap();
    assert!(machine.install().contains("logrotate.d/scripting-system (existed, kept)"));
    fs::remove_file(machine.path("logrotate.d/scripting-system-copy.bak")).unwrap();
    fs::rename(machine.rotation(), machine.rotation().with_extension("disabled")).unwrap();

    let printed = machine.install();

    assert_eq!(machine.rotations(), ["scripting-system.disabled"]);
    assert!(printed.contains("disabled, not changed"), "{printed}");
}

#[test]
fn a_log_in_the_pattern_of_another_rotation_is_not_rotated_twice() {
    let machine = Machine::installing_to("prefix");
    fs::create_dir(machine.path("logrotate.d")).unwrap();
    let pattern = machine.config.with_file_name("*.log");
    fs::write(machine.path("logrotate.d/own"), format!("{} {{\n daily\n}}\n", pattern.display())).unwrap();

    machine.install();
    assert_eq!(machine.rotations(), ["own"]);
    machine.script(&["--uninstall"]);
    assert_eq!(machine.rotations(), ["own"], "other rotations are kept");
}

#[test]
fn a_rotation_to_which_the_operator_added_a_log_is_not_removed() {
    let machine = Machine::installing_to("prefix");
    machine.install();
    let with_another = fs::read_to_string(machine.rotation()).unwrap() + "/var/log/own {\n daily\n}\n";
    fs::write(machine.rotation(), &with_another).unwrap();

    let printed = machine.script(&["--uninstall"]);

    assert_eq!(fs::read_to_string(machine.rotation()).unwrap(), with_another);
    assert!(printed.contains("because it contains more than this script wrote"), "{printed}");
}
