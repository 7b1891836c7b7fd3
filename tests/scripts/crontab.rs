//! The nightly run in the crontab: one line per configuration; the operator's changes are kept.

use std::fs;
use std::process::Command;

use crate::{Machine, OTHER_LINES, output_text};

#[test]
fn installing_three_times_adds_one_line_and_keeps_the_others() {
    let machine = Machine::installing_to("prefix");
    fs::write(machine.path("crontab"), OTHER_LINES).unwrap();

    let printed: Vec<String> = (0..3).map(|_| machine.install()).collect();

    let expected = format!("0 23 * * * {} run --config {}", machine.installed().display(), machine.config.display());
    assert_eq!(machine.jobs(), [expected.as_str()]);
    assert!(machine.crontab().starts_with(OTHER_LINES));
    assert!(printed.iter().all(|words| words.contains(&expected)), "the line is not printed: {printed:?}");
}

#[test]
fn cron_can_run_a_program_with_a_space_and_a_percent_sign_in_its_path() {
    let machine = Machine::installing_to("my programs 100%");
    machine.install();
    machine.install();

    let [line] = machine.jobs().try_into().unwrap();
    let command = line.strip_prefix("0 23 * * * ").unwrap();
    // As in cron (crontab(5)): an escaped percent sign loses its backslash, an unescaped one ends the command.
    let escaped = command.replace("\\%", "\0");
    let shell_command = escaped.split('%').next().unwrap().replace('\0', "%");
    let status = Command::new("sh").arg("-c").arg(shell_command).env("HOME", machine.home.path()).status().unwrap();

    assert!(status.success());
    let arguments = fs::read_to_string(machine.path("ran")).unwrap();
    assert_eq!(arguments, format!("run\n--config\n{}\n", machine.config.display()));
}

#[test]
fn installing_to_another_folder_updates_the_existing_line() {
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
fn a_line_written_by_hand_is_not_duplicated() {
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
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("you are not allowed to use this program"), "{stderr}");
    assert_eq!(machine.crontab(), OTHER_LINES);
}

#[test]
fn each_configuration_has_a_line_even_if_one_path_begins_with_another() {
    let mut machine = Machine::installing_to("prefix");
    let configs = ["a/config.json", "a/config.json2", "b b/100%/config.json", "b b/100%/config.json 2", "c;d&e/x.json"];
    let mut lines = Vec::new();
    for _ in 0..3 {
        for config in configs {
            let printed = machine.install_for(config);
            lines.push(printed.lines().find_map(|line| line.strip_prefix("Crontab line:   ")).unwrap().to_owned());
            assert!(!printed.contains("changed by hand"), "{printed}");
        }
    }
    assert_eq!(machine.jobs(), lines[..configs.len()]);
    assert_eq!(lines[..5], lines[5..10]);

    machine.config = machine.path("a/config.json");
    let printed = machine.script(&["--uninstall"]);
    assert_eq!(machine.jobs(), lines[1..5], "the other configurations run every night as before");
    assert!(machine.installed().exists());
    let message = format!("Kept:           {}, which the crontab runs for", machine.installed().display());
    assert!(printed.contains(&message), "{printed}");
}

#[test]
fn the_real_crontab_command_accepts_every_line() {
    let mut machine = Machine::installing_to("my programs 100%");
    for config in ["config.json", "b b/100%/config.json"] {
        machine.install_for(config);
    }
    let output = Command::new("/usr/bin/crontab").arg("-n").arg(machine.path("crontab")).output().unwrap();
    assert!(output.status.success(), "{}", output_text(&output));
}

#[test]
fn a_changed_line_is_kept() {
    for (from, to) in [
        ("0 23 * * *", "30 2 * * 1-5"),
        ("0 23 * * *", "@daily"),
        ("0 23 * * *", "5 1 1,15 Jan-Jun mon"),
        ("0 23 * * * ", "0 23 * * * nice -n 10 "),
        ("config.json\n", "config.json >/dev/null 2>&1\n"),
        ("config.json\n", "config.json>>/tmp/out\n"),
        (" --config ", " --config="),
        (" run ", " -v run --date 2026-11-20 "),
    ] {
        let machine = Machine::installing_to("prefix");
        machine.install();
        machine.edit_crontab(from, to);
        let edited = machine.crontab();

        let printed = machine.install();

        assert_eq!(machine.crontab(), edited, "{to}: {printed}");
        assert!(printed.contains("It was changed by hand and was kept."), "{printed}");
        machine.script(&["--uninstall"]);
        assert!(!machine.path("crontab").exists(), "{to}: it was the only line");
    }
}

#[test]
fn a_path_with_other_quoting_is_recognized() {
    let mut machine = Machine::installing_to("prefix");
    let config = machine.path("my jobs/100%.json");
    for written in [
        format!("\"{}\"", config.display()).replace('%', "\\%"),
        config.display().to_string().replace(' ', "\\ ").replace('%', "\\%"),
        "\"$HOME/my jobs/100\\%.json\"".to_owned(),
        "~/my\\ jobs/100\\%.json".to_owned(),
    ] {
        let line = format!("7 7 * * * {} run --config {written}\n", machine.installed().display());
        fs::write(machine.path("crontab"), &line).unwrap();
        machine.install_for("my jobs/100%.json");
        assert_eq!(String::from_utf8(machine.crontab()).unwrap(), line);
    }
}

#[test]
fn a_folder_behind_a_link_is_the_same_folder() {
    let mut machine = Machine::installing_to("prefix");
    machine.install_for("real/config.json");
    std::os::unix::fs::symlink("real", machine.path("link")).unwrap();
    machine.install_for("link/config.json");
    assert_eq!(machine.jobs().len(), 1);
}

#[test]
fn a_commented_out_line_is_kept_and_reported() {
    for off in ["#", "# ", "## "] {
        let machine = Machine::installing_to("prefix");
        machine.install();
        machine.edit_crontab("0 23", &format!("{off}0 23"));
        let edited = machine.crontab();

        let printed = machine.install();

        assert_eq!(machine.crontab(), edited, "{printed}");
        assert!(printed.contains("It is commented out and was not changed: the job does not run."), "{printed}");
    }
}

#[test]
fn an_active_line_next_to_a_commented_out_one_is_recognized() {
    let machine = Machine::installing_to("prefix");
    machine.install();
    let line = machine.usual_line();
    machine.edit_crontab(&line, &format!("#{line}\n{}", line.replace("0 23", "0 4")));
    let edited = machine.crontab();

    let printed = machine.install();

    assert_eq!(machine.crontab(), edited);
    assert!(printed.contains("Crontab line:   0 4 ") && !printed.contains("commented out"), "{printed}");
}

#[test]
fn comments_and_other_commands_do_not_count_as_the_nightly_run() {
    let machine = Machine::installing_to("prefix");
    let (program, config) = (machine.installed(), machine.config.clone());
    let (program, config) = (program.display(), config.display());
    let others = format!(
        "# By hand: {program} run --config {config}\n\
         # you can also start this {program} run --config {config}\n\
         0 5 * * 0 {program} verify --config {config}\n\
         0 21 * * * {program} run --dry-run --config {config}\n\
         0 22 * * * {program} run --config {config} --dry-run\n\
         0 6 * * * {program} list --config {config} && other run --config {config}\n\
         0 7 * * * my-{} run --config {config}\n",
        "scripting-system"
    );
    fs::write(machine.path("crontab"), &others).unwrap();

    machine.install();

    let crontab = String::from_utf8(machine.crontab()).unwrap();
    let added = crontab.strip_prefix(&others).unwrap();
    assert!(added.ends_with(&format!("\n{}\n", machine.usual_line())), "{added}");
    machine.script(&["--uninstall"]);
    assert_eq!(String::from_utf8(machine.crontab()).unwrap(), others);
}

#[test]
fn a_changed_command_that_runs_another_program_is_kept_and_reported() {
    let mut machine = Machine::installing_to("old");
    machine.install();
    machine.edit_crontab("0 23 * * * ", "0 23 * * * nice ");
    let edited = machine.crontab();

    machine.prefix = machine.path("new");
    let printed = machine.install();

    assert_eq!(machine.crontab(), edited);
    let old = machine.path("old/bin/scripting-system");
    assert!(
        printed.contains(&format!("It runs {}, not {}.", old.display(), machine.installed().display())),
        "{printed}"
    );
}

#[test]
fn a_line_without_its_configuration_is_kept_and_reported() {
    let mut machine = Machine::installing_to("prefix");
    machine.install_for("moved from/config.json");
    let line = machine.jobs();
    fs::remove_file(&machine.config).unwrap();

    let missing = machine.config.clone();
    let printed = machine.install_for("moved to/config.json");

    assert_eq!(machine.jobs()[..1], line);
    assert_eq!(machine.jobs().len(), 2);
    assert!(
        printed.contains(&format!("The crontab also runs {}, which does not exist.", missing.display())),
        "{printed}"
    );
}

#[test]
fn a_line_for_two_configurations_is_not_removed_with_one_of_them() {
    let mut machine = Machine::installing_to("prefix");
    machine.install_for("a.json");
    let a = machine.config.clone();
    machine.config = machine.path("b.json");
    let program = machine.installed();
    let both = format!(
        "0 1 * * * {0} run --config {1}; {0} run --config {2}\n",
        program.display(),
        a.display(),
        machine.config.display()
    );
    fs::write(machine.path("crontab"), &both).unwrap();

    machine.install();
    let printed = machine.script(&["--uninstall"]);

    assert_eq!(String::from_utf8(machine.crontab()).unwrap(), both);
    assert!(printed.contains("It was kept, because it also runs another configuration."), "{printed}");
}

#[test]
fn a_line_in_the_systems_crontabs_is_not_added_again() {
    assert!(rustix::process::geteuid().is_root(), "this test mounts a file system: run the tests as root");
    let machine = Machine::installing_to("prefix");
    let job = format!("0 4 * * * root {} run --config {}\n", machine.installed().display(), machine.config.display());
    fs::write(machine.path("job"), job).unwrap();
    fs::write(machine.path("crontab"), OTHER_LINES).unwrap();

    // A private mount that other processes do not see.
    let program = machine.path("program");
    let installer = machine.command(&["--no-packages", "--binary", program.to_str().unwrap()]);
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-ec"]);
    command.arg(
        "mkdir -p /etc/cron.d; mount -t tmpfs none /etc/cron.d; cp \"$HOME/job\" /etc/cron.d/nightly; exec \"$@\"",
    );
    command.arg("sh").arg(installer.get_program()).args(installer.get_args());
    machine.set_environment(&mut command);
    let output = command.output().unwrap();

    assert!(output.status.success(), "{}", output_text(&output));
    assert!(
        output_text(&output).contains("/etc/cron.d/nightly has one for this configuration"),
        "{}",
        output_text(&output)
    );
    assert_eq!(machine.crontab(), OTHER_LINES);
}
