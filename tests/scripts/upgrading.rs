//! A new program replaces the installed one only if its `check` accepts the configurations.

use std::fs;

use crate::{Machine, PROGRAM, output_text};

#[test]
fn a_program_that_does_not_run_is_not_installed() {
    let machine = Machine::installing_to("prefix");
    machine.install();
    machine.add_command("broken", "#!/bin/sh\nexit 1\n");

    let broken = machine.path("broken");
    let output = machine.try_script(&["--no-packages", "--binary", broken.to_str().unwrap()]);

    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read_to_string(machine.installed()).unwrap(), PROGRAM);
    assert_eq!(fs::read_dir(machine.prefix.join("bin")).unwrap().count(), 1, "a temporary file was left behind");
}

/// A machine with an installed program, and a newer one: for configurations with `bad` in their name, its `check` prints
/// `words` and exits with `code`.
fn with_newer_program(bad: &str, words: &str, code: i32) -> Machine {
    let machine = Machine::installing_to("prefix");
    machine.install();
    let check = format!("check) case $3 in *{bad}*) echo '{words}'; exit {code} ;; esac ;;\nchecked)");
    machine.add_command("program", &PROGRAM.replace("check)", &check));
    machine
}

fn installed_text(machine: &Machine) -> String {
    fs::read_to_string(machine.installed()).unwrap()
}

#[test]
fn a_program_that_refuses_an_accepted_configuration_is_not_installed() {
    let machine = with_newer_program("config", "sftp.host is missing", 3);
    fs::remove_file(machine.schema()).unwrap();

    let output = machine.try_install();

    assert_eq!(output.status.code(), Some(1));
    assert_eq!(installed_text(&machine), PROGRAM);
    assert!(!machine.schema().exists(), "the schema was installed");
    let printed = output_text(&output);
    assert!(printed.contains("sftp.host is missing"), "{printed}");
    assert!(
        printed.contains(&format!("refuses the configuration {} (exit code 3", machine.config.display())),
        "{printed}"
    );
    assert_eq!(fs::read_dir(machine.prefix.join("bin")).unwrap().count(), 1, "a temporary file was left behind");
}

#[test]
fn an_unreachable_server_is_reported_and_does_not_stop_the_installation() {
    for code in [1, 4, 5] {
        let machine = with_newer_program("config", "port 22 does not answer", code);
        let printed = machine.install();
        assert!(printed.contains("port 22 does not answer"), "{printed}");
        assert!(printed.contains(&format!("check ended with exit code {code}, which does not stop")), "{printed}");
        assert_ne!(installed_text(&machine), PROGRAM);
    }
}

#[test]
fn a_configuration_that_both_programs_refuse_does_not_stop_the_installation() {
    // For example, the unedited template.
    let machine = with_newer_program("config", "source.url is a template", 3);
    fs::write(machine.installed(), PROGRAM.replace("check)", "check) exit 3 ;;\nchecked)")).unwrap();
    let printed = machine.install();
    assert!(printed.contains("Both the installed program and the new one refuse this configuration"), "{printed}");
    assert!(installed_text(&machine).contains("source.url is a template"));
}

#[test]
fn a_program_is_checked_with_every_configuration_in_the_crontab() {
    let mut machine = Machine::installing_to("prefix");
    for config in ["one/config.json", "off/config.json", "second one/config.json"] {
        machine.install_for(config);
    }
    let off = format!("0 23 * * * {} run --config {}", machine.installed().display(), machine.path("off").display());
    machine.edit_crontab(&off, &format!("#{off}"));
    machine.add_command("program", &PROGRAM.replace("0.0.0", "0.0.1"));

    let first = machine.path("one/config.json");
    machine.install_for("one/config.json");
    let checked = fs::read_to_string(machine.path("checked")).unwrap();
    let second = machine.path("second one/config.json");
    assert_eq!(checked, format!("{}\n{}\n", first.display(), second.display()));

    let check = "check) case $3 in *second*) exit 3 ;; esac ;;\nchecked)";
    machine.add_command("program", &PROGRAM.replace("check)", check));
    let output = machine.try_install();
    assert_eq!(output.status.code(), Some(1), "{}", output_text(&output));
    assert!(
        output_text(&output).contains(&format!("refuses the configuration {}", second.display())),
        "{}",
        output_text(&output)
    );
}

#[test]
fn the_same_program_is_not_checked_again() {
    let machine = Machine::installing_to("prefix");
    machine.install();
    machine.install();
    assert!(!machine.path("checked").exists());
}

#[test]
fn a_missing_sendmail_is_reported_if_the_mail_needs_it() {
    let machine = Machine::installing_to("prefix");
    machine.install();
    let words = "Mail:           sendmail is missing, and email.server is null: install msmtp-mta or postfix";
    for (config, is_needed) in [
        (r#"{"email": {"send": "always", "server": null, "to": ["a@b"]}}"#, true),
        ("{\n \"source\": {\"server\": 1, \"x\": [{}, \"email\"]},\n \"email\": {\n  \"to\": [\"a\"]\n }\n}", true),
        (r#"{"email": {"server": {"host": "x", "server": null}}}"#, false),
        (r#"{"email": {"send": "never", "server": null}}"#, false),
        (r#"{"email": null, "mattermost": {"server": null}}"#, false),
        (r#"{"log": {"file": "\"email\": {\"server\": null}"}}"#, false),
        ("not JSON", false),
    ] {
        fs::write(&machine.config, config).unwrap();
        let printed = machine.install();
        let expected = is_needed && !std::path::Path::new("/usr/sbin/sendmail").exists();
        assert_eq!(printed.contains(words), expected, "{config}: {printed}");
    }

    fs::write(&machine.config, r#"{"email": {"server": null}}"#).unwrap();
    machine.add_command("bin/sendmail", "#!/bin/sh\n");
    assert!(!machine.install().contains("Mail: "), "sendmail exists, but is reported as missing");
}
