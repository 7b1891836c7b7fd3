//! The program accepts the command lines in the documents, and the scripts accept their options.

use std::fs;

use clap::Parser as _;
use clap::error::ErrorKind;
use scripting_system::cli::{Cli, definition};

use super::assert_no_problem;
use super::document::{Document, top};

/// Words that end a command in a shell or crontab line.
const TERMINATORS: [&str; 8] = ["|", "||", "&&", ";", ">", "<", "*", "#"];

/// The words after the program's name in `line`.
fn arguments(line: &str, program: &str) -> Option<Vec<String>> {
    let mut words = shlex::split(line)?.into_iter();
    words.find(|word| word == program || word.ends_with(&format!("/{program}")))?;
    let arguments: Vec<String> = words.take_while(|word| !TERMINATORS.contains(&word.as_str())).collect();
    // The name alone is an argument of another command.
    (!arguments.is_empty()).then_some(arguments)
}

/// Why the program refuses `arguments`. An incomplete command line may lack required arguments and values, and may contain
/// placeholders such as `SHELL`.
fn refusal(arguments: &[String], is_whole: bool) -> Option<String> {
    let words = arguments.iter().map(String::as_str);
    let error = Cli::try_parse_from(std::iter::once("scripting-system").chain(words)).err()?;
    let is_wrong = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => false,
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand | ErrorKind::ArgumentConflict => true,
        _ => is_whole,
    };
    is_wrong.then(|| error.to_string().lines().next().unwrap_or_default().to_owned())
}

/// The arguments in a code span, with or without the program's name, such as `list --json`.
fn arguments_in_span(span: &str) -> Option<Vec<String>> {
    let words = shlex::split(span)?;
    let after_program = arguments(span, "scripting-system");
    let is_command = |word: &String| definition().get_subcommands().any(|command| command.get_name() == word);
    let is_short_form = words.len() > 1 && words.first().is_some_and(is_command) && words[1].starts_with("--");
    after_program.or(is_short_form.then_some(words))
}

#[test]
fn the_program_accepts_each_command_line() {
    assert_no_problem(|document| {
        let lines = document.blocks(&["sh", "text", "bash"]).flat_map(|block| block.text.lines());
        let whole =
            lines.filter(|line| !line.starts_with("src/")).filter_map(|line| arguments(line, "scripting-system"));
        let whole = whole.filter_map(|arguments| refusal(&arguments, true));
        let parts = document.code_spans().filter_map(arguments_in_span);
        whole.chain(parts.filter_map(|arguments| refusal(&arguments, false))).collect()
    });
}

/// An option of a script in `line` that the script does not mention.
fn unknown_option(line: &str) -> Option<String> {
    let words = shlex::split(line)?;
    let (script, rest) = words.iter().enumerate().find_map(|(at, word)| {
        let script = word.strip_prefix("./").unwrap_or(word);
        (script.starts_with("scripts/") && script.ends_with(".sh")).then(|| (script, &words[at + 1..]))
    })?;
    let text = fs::read_to_string(top().join(script)).unwrap_or_default();
    let option = rest
        .iter()
        .find(|word| word.starts_with("--") && word.len() > 2 && *word != "--help" && !text.contains(*word))?;
    Some(format!("{script} has no option {option}"))
}

#[test]
fn scripts_have_the_options_in_the_documents() {
    assert_no_problem(|document| {
        let lines = document.blocks(&["sh"]).flat_map(|block| block.text.lines()).chain(document.code_spans());
        lines.filter_map(unknown_option).collect()
    });
}

#[test]
fn every_command_is_in_the_readme() {
    let readme = fs::read_to_string(top().join("README.md")).unwrap();
    for command in definition().get_subcommands() {
        assert!(readme.contains(&format!("`{}`", command.get_name())), "{}", command.get_name());
    }
}

#[test]
fn a_wrong_command_line_is_detected() {
    for (line, is_wrong) in [
        ("sudo scripting-system list --config a.json | less", false),
        ("0 6 * * 0 /usr/local/bin/scripting-system verify --config a.json --all", false),
        ("scripting-system restore", true),
        ("scripting-system run --config a.json --frobnicate", true),
    ] {
        let arguments = arguments(line, "scripting-system").unwrap();
        assert_eq!(refusal(&arguments, true).is_some(), is_wrong, "{line}");
    }
    assert!(arguments_in_span("list --jsonn").and_then(|arguments| refusal(&arguments, false)).is_some());
    assert_eq!(arguments_in_span("list of files"), None);
    assert!(unknown_option("scripts/test.sh --frobnicate").is_some());
    let document = Document::parse("a.md", "`scripting-system run --dry-run`");
    assert!(document.code_spans().filter_map(arguments_in_span).all(|arguments| refusal(&arguments, false).is_none()));
}
