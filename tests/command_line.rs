//! What a shell and `man` make of the program's command line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// Runs the program, which must succeed, and gives what it printed.
fn printed(arguments: &[&str]) -> String {
    let output = Command::new(testkit::program()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs `command`, which reads `input`.
fn fed(command: &mut Command, input: &str) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| {
            panic!("{command:?}: {error}; install the Debian packages bash, man-db and groff-base")
        });
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// What bash offers at the end of the line `scripting-system …`, after it has read the completion script.
fn completed(line: &[&str]) -> Vec<String> {
    // As bash does it (Programmable Completion in bash(1)): the function has the words in COMP_WORDS, and the command,
    // the word at the end and the one before it as its arguments.
    const ASK: &str = r#"
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        function=$(complete -p scripting-system | sed 's/.* -F \([^ ]*\) .*/\1/')
        "$function" "$1" "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let script = printed(&["completions", "bash"]) + ASK;
    let output = fed(Command::new("bash").args(["--norc", "-s", "--", "scripting-system"]).args(line), &script);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_their_options() {
    assert!(fed(Command::new("bash").arg("-n"), &printed(&["completions", "bash"])).status.success());
    assert_eq!(completed(&["run", "--con"]), ["--config"]);
    assert_eq!(completed(&["run", "--d"]), ["--date", "--dry-run"]);
    assert_eq!(completed(&["gen"]), ["gen-config"]);
    assert_eq!(completed(&["gen-config", "--o"]), ["--output"]);
    assert!(completed(&["completions", ""]).contains(&"fish".to_owned()));
    assert_eq!(completed(&["run", "--frobnicate"]), [""]);
}

#[test]
fn other_shells_have_their_scripts_too() {
    for shell in ["elvish", "fish", "powershell", "zsh"] {
        assert!(printed(&["completions", shell]).contains("dry-run"), "{shell}");
    }
    let unknown = Command::new(testkit::program()).args(["completions", "dash"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(2));
}

#[test]
fn every_manual_page_is_set_without_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(printed(&["man", "--output", folder.path().to_str().unwrap()]), "");
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let page = fs::read_to_string(&path).unwrap();
        let output = fed(Command::new("groff").args(["-man", "-ww", "-z"]), &page);
        assert_eq!((output.status.success(), String::from_utf8_lossy(&output.stderr).as_ref()), (true, ""), "{path:?}");
        assert!(page.contains(concat!("\"scripting-system ", env!("CARGO_PKG_VERSION"), "\"")), "{page}");
        names.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    for name in ["scripting-system.1", "scripting-system-run.1", "scripting-system-gen-config.1"] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
    }
    assert!(!names.contains(&"scripting-system-help.1".to_owned()));
}

#[test]
fn the_printed_page_is_what_man_shows() {
    let page = printed(&["man"]);
    let output = fed(Command::new("man").args(["--local-file", "--warnings", "-"]).env("MANWIDTH", "80"), &page);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let shown = String::from_utf8(output.stdout).unwrap();
    for wanted in ["scripting-system-run(1)", "configuration cannot be used", "SYNOPSIS"] {
        assert!(shown.contains(wanted), "{shown}");
    }
}

#[test]
fn pages_that_cannot_be_written_are_told_with_their_folder() {
    let output = Command::new(testkit::program()).args(["man", "--output", "/nonexistent/man1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent/man1"));
}
