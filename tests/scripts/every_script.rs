//! What holds for every script, and the scripts that start the program for operators.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{Machine, mode, scripts};

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
    assert_eq!(said(&["--schema"]), "gen-config --output config.schema.json --schema ");
    assert_eq!(said(&["--output", "other.json", "--schema"]), "gen-config --output other.json --schema ");
}

#[test]
fn the_web_servers_folder_is_the_repositorys_or_the_one_that_the_caller_means() {
    let machine = Machine::installing_to("prefix");
    machine.add_command(
        "bin/cargo",
        "#!/bin/sh\n[ \"$1\" != --version ] || { echo cargo 99.0.0; exit; }\npwd\nprintf '%s|' \"$@\"\n",
    );
    let said = |options: &[&str]| {
        let mut command = Command::new(scripts().join("server.sh"));
        machine.surround(command.args(options).current_dir(machine.home.path()));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let top = env!("CARGO_MANIFEST_DIR");

    let usual = said(&["--port", "8001"]);
    assert!(
        usual.ends_with(&format!(
            "|--manifest-path|{top}/Cargo.toml|--example|web_server|--|--folder|{top}/Web_Server|--port|8001|"
        )),
        "{usual}"
    );
    for option in [&["--folder", "my dumps"][..], &["--folder=my dumps"]] {
        let own = said(option);
        assert!(own.ends_with(&format!("|web_server|--|{}|", option.join("|"))), "{own}");
        assert_eq!(Path::new(own.lines().next().unwrap()), machine.home.path().canonicalize().unwrap());
    }
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
