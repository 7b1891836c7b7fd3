//! The installer recognizes and keeps the entries of its previous version.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use crate::{Machine, OTHER_LINES};

const OLD_COMMENT: &str =
    "# The line below was added by scripts/install_dependencies.sh, which replaces it when it runs again.";

/// The name of the user or group `id`, from the `database` passwd or group.
fn name(database: &str, id: u32) -> String {
    let output = Command::new("getent").args([database, &id.to_string()]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(':').next().unwrap().to_owned()
}

/// A machine with the entries of the previous version.
fn installed_by_previous_version() -> Machine {
    let machine = Machine::installing_to("prefix");
    let crontab = [OTHER_LINES, format!("{OLD_COMMENT}\n{}\n# end\n", machine.usual_line()).as_bytes()].concat();
    fs::write(machine.path("crontab"), crontab).unwrap();
    fs::create_dir(machine.path("logrotate.d")).unwrap();
    let home = fs::metadata(machine.home.path()).unwrap();
    let (user, group) = (name("passwd", home.uid()), name("group", home.gid()));
    let rotation = format!(
        "# Written by scripts/install_dependencies.sh of scripting-system.\n\"{}\" {{\n    su {user} {group}\n    \
         weekly\n    rotate 8\n    compress\n    delaycompress\n    missingok\n    notifempty\n    create 0640 {user} \
         {group}\n}}\n",
        machine.log().display()
    );
    fs::write(machine.rotation(), rotation).unwrap();
    machine
}

#[test]
fn entries_of_the_previous_version_are_kept_and_not_duplicated() {
    let machine = installed_by_previous_version();
    let (crontab, rotation) = (machine.crontab(), fs::read(machine.rotation()).unwrap());

    let printed = machine.install();
    machine.install();

    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let without_comments = |bytes: &[u8]| text(bytes).lines().filter(|line| !line.starts_with('#')).collect::<String>();
    assert_eq!(without_comments(&machine.crontab()), without_comments(&crontab));
    assert!(!text(&machine.crontab()).contains(OLD_COMMENT), "the old comment was kept");
    assert_eq!(text(&machine.crontab()).lines().count(), text(&crontab).lines().count());
    assert!(machine.crontab().starts_with(OTHER_LINES));
    assert_eq!(machine.rotations(), ["scripting-system"]);
    assert_eq!(fs::read(machine.rotation()).unwrap(), rotation);
    assert!(printed.contains("scripting-system (existed, kept)"), "{printed}");
    assert!(!printed.contains("changed by hand"), "{printed}");
}

#[test]
fn changed_entries_of_the_previous_version_are_kept() {
    for (from, to) in [("0 23 * * * /", "15 3 * * * /"), ("0 23 * * * /", "#0 23 * * * /")] {
        let machine = installed_by_previous_version();
        machine.edit_crontab(from, to);
        let jobs = machine.jobs();
        // Without this, the name of the log alone identifies the file.
        let rotation = fs::read_to_string(machine.rotation()).unwrap().replace("log.log", "nightly.log");
        fs::write(machine.rotation(), &rotation).unwrap();

        machine.install();

        assert_eq!(machine.jobs(), jobs);
        assert_eq!(machine.rotations(), ["scripting-system"]);
        assert_eq!(fs::read_to_string(machine.rotation()).unwrap(), rotation);
    }
}

#[test]
fn another_configuration_does_not_change_the_entries_of_the_previous_version() {
    let mut machine = installed_by_previous_version();
    let (crontab, rotation) = (machine.crontab(), fs::read(machine.rotation()).unwrap());

    machine.install_for("second/config.json");

    assert!(machine.crontab().starts_with(&crontab));
    assert_eq!(machine.jobs().len(), 2);
    assert_eq!(machine.rotations().len(), 2);
    assert_eq!(fs::read(machine.rotation()).unwrap(), rotation);
}

#[test]
fn entries_of_the_previous_version_can_be_uninstalled() {
    let machine = installed_by_previous_version();
    machine.script(&["--uninstall"]);
    assert_eq!(machine.crontab(), [OTHER_LINES, b"# end\n"].concat());
    assert!(machine.rotations().is_empty());
}
