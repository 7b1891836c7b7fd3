//! The rotation of the log: one file per configuration; the operator's changes are kept.

use std::fs;

use crate::{Machine, mode};

#[test]
fn the_log_is_rotated_weekly_and_keeps_its_mode() {
    let machine = Machine::installing_to("prefix");
    machine.install();

    let rotation = fs::read_to_string(machine.rotation()).unwrap();
    assert!(rotation.contains(&format!("\"{}\" {{", machine.log().display())), "{rotation}");
    for line in ["su ", "weekly", "rotate 8", "compress", "missingok", "notifempty", "create 0640 "] {
        assert!(rotation.lines().any(|found| found.trim_start().starts_with(line)), "{line} is in {rotation}");
    }
    assert_eq!(mode(&machine.rotation()), 0o644);
}

fn change(file: &std::path::Path, from: &str, to: &str) -> String {
    let changed = fs::read_to_string(file).unwrap().replace(from, to);
    fs::write(file, &changed).unwrap();
    changed
}

#[test]
fn two_configurations_have_a_rotation_each() {
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
        assert_eq!(all.matches(&log).count(), 1, "{log} is in {all}");
    }

    machine.config = machine.path("a/config.json");
    machine.script(&["--uninstall"]);
    assert_eq!(machine.rotations(), files[1..]);
}

#[test]
fn two_configurations_in_one_folder_share_the_rotation_of_their_log() {
    // logrotate skips a file that names a log for the second time.
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
        ("rotate 8", "rotate 30", "was there with changes, kept"),
        ("log.log\" {", "other.log\" {", "was there with changes, kept"),
        ("\n", "\n#", "was switched off, left so"),
    ] {
        let machine = Machine::installing_to("prefix");
        let printed = machine.install();
        assert!(!printed.contains("was there"), "{printed}");
        assert!(machine.install().contains("scripting-system (was there, kept)"));
        let changed = change(&machine.rotation(), from, to);

        let printed = machine.install();

        assert_eq!(machine.rotations(), ["scripting-system"], "{to}");
        assert_eq!(fs::read_to_string(machine.rotation()).unwrap(), changed);
        assert!(printed.contains(expected), "{printed}");
    }
}

#[test]
fn a_rotation_disabled_by_its_name_stays_disabled() {
    let machine = Machine::installing_to("prefix");
    machine.install();
    fs::copy(machine.rotation(), machine.path("logrotate.d/scripting-system-copy.bak")).unwrap();
    assert!(machine.install().contains("logrotate.d/scripting-system (was there, kept)"));
    fs::remove_file(machine.path("logrotate.d/scripting-system-copy.bak")).unwrap();
    fs::rename(machine.rotation(), machine.rotation().with_extension("disabled")).unwrap();

    let printed = machine.install();

    assert_eq!(machine.rotations(), ["scripting-system.disabled"]);
    assert!(printed.contains("was switched off, left so"), "{printed}");
}

#[test]
fn a_log_that_another_file_rotates_by_a_pattern_is_not_rotated_twice() {
    let machine = Machine::installing_to("prefix");
    fs::create_dir(machine.path("logrotate.d")).unwrap();
    let pattern = machine.config.with_file_name("*.log");
    fs::write(machine.path("logrotate.d/mine"), format!("{} {{\n daily\n}}\n", pattern.display())).unwrap();

    machine.install();
    assert_eq!(machine.rotations(), ["mine"]);
    machine.script(&["--uninstall"]);
    assert_eq!(machine.rotations(), ["mine"], "files of others are kept");
}

#[test]
fn a_rotation_with_another_log_added_by_the_operator_is_not_removed() {
    let machine = Machine::installing_to("prefix");
    machine.install();
    let with_another = fs::read_to_string(machine.rotation()).unwrap() + "/var/log/mine {\n daily\n}\n";
    fs::write(machine.rotation(), &with_another).unwrap();

    let printed = machine.script(&["--uninstall"]);

    assert_eq!(fs::read_to_string(machine.rotation()).unwrap(), with_another);
    assert!(printed.contains("because it holds more than this script wrote"), "{printed}");
}
