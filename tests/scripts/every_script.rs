//! Checks every script, and the scripts that run the program for operators.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{Machine, mode, scripts};

#[test]
fn the_template_is_written_to_the_current_folder_by_default() {
    let machine = Machine::installing_to("prefix");
    machine.add_command("bin/scripting-system", "#!/bin/sh\nprintf '%s ' \"$@\"\n");
    let run = |options: &[&str]| {
        let output = Command::new(scripts().join("gen_config.sh"))
            .args(options)
            .env("PATH", format!("{}:/usr/bin:/bin", machine.path("bin").display()))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };

    assert_eq!(run(&["--force"]), "gen-config --output config.json --force ");
    assert_eq!(run(&["--output", "other.json"]), "gen-config --output other.json ");
    assert_eq!(run(&["--schema"]), "gen-config --output config.schema.json --schema ");
    assert_eq!(run(&["--output", "other.json", "--schema"]), "gen-config --output other.json --schema ");
}

#[test]
fn the_web_server_serves_the_repositorys_folder_or_a_given_one() {
    let machine = Machine::installing_to("prefix");
    machine.add_command(
        "bin/cargo",
        "#!/bin/sh\n[ \"$1\" != --version ] || { echo cargo 99.0.0; exit; }\npwd\nprintf '%s|' \"$@\"\n",
    );
    let run = |options: &[&str]| {
        let mut command = Command::new(scripts().join("server.sh"));
        machine.set_environment(command.args(options).current_dir(machine.home.path()));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let top = env!("CARGO_MANIFEST_DIR");

    let default = run(&["--port", "8001"]);
    assert!(
        default.ends_with(&format!(
            "|--manifest-path|{top}/Cargo.toml|--package|testkit|--bin|web_server|--|--folder|{top}/Web_Server|--port|8001|"
        )),
        "{default}"
    );
    for option in [&["--folder", "my dumps"][..], &["--folder=my dumps"]] {
        let output = run(option);
        assert!(output.ends_with(&format!("|web_server|--|{}|", option.join("|"))), "{output}");
        assert_eq!(Path::new(output.lines().next().unwrap()), machine.home.path().canonicalize().unwrap());
    }
}

#[test]
fn every_script_is_executable_and_can_be_parsed() {
    let mut checked = 0;
    let ci = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/run");
    let folders = [scripts(), scripts().join("dev"), scripts().join("install")];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    for script in entries.filter(|path| path.is_file()).chain([ci]) {
        let output = Command::new("bash").arg("-n").arg(&script).output().unwrap();
        assert!(output.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&output.stderr));
        assert_eq!(mode(&script) & 0o111, 0o111, "{}", script.display());
        checked += 1;
    }
    assert!(checked >= 20, "{checked} scripts were found");
}

#[test]
fn every_script_for_people_has_a_help_text() {
    for name in [
        "install_dependencies.sh",
        "gen_config.sh",
        "server.sh",
        "demo.sh",
        "test.sh",
        "package.sh",
        "dev/bench.sh",
        "dev/interop.sh",
        "dev/kill_sweep.sh",
        "dev/soak.sh",
        "dev/try_packages.sh",
        "dev/fuzz.sh",
        "dev/mail_pictures.sh",
    ] {
        let output = Command::new(scripts().join(name)).arg("--help").output().unwrap();
        assert!(output.status.success(), "{name}");
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.contains(&format!("Usage: scripts/{name}")), "{help}");
        assert!(!help.contains("shellcheck source"), "{name} prints more than its help: {help}");
    }
}
