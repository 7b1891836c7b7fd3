//! Completion scripts and manual pages, checked with bash, groff and man.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use scripting_system::cli::definition;

/// The output of the program, which must succeed.
fn output_of(arguments: &[&str]) -> String {
    let output = Command::new(testkit::program()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs `command` with `input`.
fn run_with_input(command: &mut Command, input: &str) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| {
            panic!("{command:?}: {error}; install the Debian packages bash, man-db and groff-base")
        });
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// The completions of bash for the last word of `line`.
fn completions(line: &[&str]) -> Vec<String> {
    // See "Programmable Completion" in bash(1): COMP_WORDS are the words; the arguments of the function are the command, the
    // last word and the word before it.
    const COMPLETE: &str = r#"
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        function=$(complete -p scripting-system | sed 's/.* -F \([^ ]*\) .*/\1/')
        "$function" "$1" "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let script = output_of(&["completions", "bash"]) + COMPLETE;
    let output =
        run_with_input(Command::new("bash").args(["--norc", "-s", "--", "scripting-system"]).args(line), &script);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_their_options() {
    assert!(run_with_input(Command::new("bash").arg("-n"), &output_of(&["completions", "bash"])).status.success());
    assert_eq!(completions(&["run", "--con"]), ["--config"]);
    assert_eq!(completions(&["run", "--d"]), ["--date", "--dry-run"]);
    assert_eq!(completions(&["gen"]), ["gen-config"]);
    assert_eq!(completions(&["gen-config", "--o"]), ["--output"]);
    assert!(completions(&["completions", ""]).contains(&"fish".to_owned()));
    assert_eq!(completions(&["run", "--frobnicate"]), [""]);
}

#[test]
fn every_other_shell_has_a_script() {
    for shell in ["elvish", "fish", "powershell", "zsh"] {
        assert!(output_of(&["completions", shell]).contains("dry-run"), "{shell}");
    }
    let unknown = Command::new(testkit::program()).args(["completions", "dash"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(2));
}

#[test]
fn groff_formats_every_manual_page_without_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(output_of(&["man", "--output", folder.path().to_str().unwrap()]), "");
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let page = fs::read_to_string(&path).unwrap();
        let output = run_with_input(Command::new("groff").args(["-man", "-ww", "-z"]), &page);
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
fn man_shows_the_printed_page() {
    let page = output_of(&["man"]);
    let output =
        run_with_input(Command::new("man").args(["--local-file", "--warnings", "-"]).env("MANWIDTH", "80"), &page);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let shown = String::from_utf8(output.stdout).unwrap();
    for text in ["scripting-system-run(1)", "configuration cannot be used", "SYNOPSIS"] {
        assert!(shown.contains(text), "{shown}");
    }
}

/// The sections of a formatted page, in their order, with the lines of each.
fn sections(page: &str) -> Vec<(String, String)> {
    let mut command = Command::new("man");
    let output = run_with_input(command.args(["--local-file", "--warnings", "-"]).env("MANWIDTH", "80"), page);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let mut sections: Vec<(String, String)> = Vec::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        match line.chars().next() {
            Some(first) if first.is_alphabetic() => sections.push((line.to_owned(), String::new())),
            _ => sections.iter_mut().last().into_iter().for_each(|(_, text)| text.push_str(&format!("{line}\n"))),
        }
    }
    // The header and the footer.
    sections.remove(0);
    sections.pop();
    sections
}

#[test]
fn the_page_of_a_command_has_the_usual_sections() {
    let folder = tempfile::tempdir().unwrap();
    output_of(&["man", "--output", folder.path().to_str().unwrap()]);
    let page = |name: &str| sections(&fs::read_to_string(folder.path().join(name)).unwrap());
    for command in ["run", "check", "verify", "restore", "drill"] {
        let page = page(&format!("scripting-system-{command}.1"));
        let titles: Vec<&str> = page.iter().map(|(title, _)| title.as_str()).collect();
        let expected = ["EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO"];
        assert_eq!(titles, [&["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"][..], &expected[..]].concat());
        let [.., status, _, files, examples, see] = &page[..] else { panic!("{page:?}") };
        assert!(status.1.contains("\n       3      the configuration"), "{}", status.1);
        assert!(files.1.contains("\n       /etc/scripting-system/config.json\n"), "{}", files.1);
        assert!(examples.1.contains(&format!("\n           scripting-system {command} --")), "{}", examples.1);
        assert!(!see.1.contains(&format!("-{command}(1)")) && see.1.contains("scripting-system-list(1)"), "{}", see.1);
    }
    let main = page("scripting-system.1");
    assert_eq!(main[4].0, "SUBCOMMANDS");
    assert!(!page("scripting-system-man.1").iter().any(|(title, _)| title == "FILES"));
}

#[test]
fn the_program_accepts_every_example_in_its_help_texts() {
    let mut count = 0;
    for command in definition().get_subcommands_mut() {
        let help = command.render_long_help().to_string().replace("\\\n", " ").replace("|\n", " | ");
        for line in help.lines().map(str::trim).filter(|line| line.starts_with("scripting-system ")) {
            let words = shlex::split(line).unwrap().into_iter().take_while(|word| word != "|");
            definition().try_get_matches_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
            count += 1;
        }
    }
    assert!(count >= 9, "{count} examples");
}

#[test]
fn help_texts_fit_a_terminal_of_80_columns() {
    for command in definition().get_subcommands() {
        let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let long: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
        assert_eq!(long, [""; 0], "{}", command.get_name());
    }
}

#[test]
fn an_error_while_writing_pages_names_the_folder() {
    let output = Command::new(testkit::program()).args(["man", "--output", "/nonexistent/man1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent/man1"));
}
