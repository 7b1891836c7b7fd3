//! What every file looks like, and that docs/design.md shows every module.

use std::fs;
use std::path::Path;

use crate::assert_none;
use crate::sources::{self, Source, files_below};

const LONGEST: usize = 400;

fn opening_breach(file: &str, text: &str) -> Option<String> {
    let is_stated =
        text.lines().next().and_then(|line| line.strip_prefix("//! ")).is_some_and(|owned| owned.len() > 10);
    (!is_stated).then(|| format!("{file}: its first line does not say what it owns (//! …)"))
}

fn length_breach(file: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > LONGEST).then(|| format!("{file}: {lines} lines; what second thing does it do?"))
}

/// Calls that may panic, without a comment on the line above that proves that they don't.
fn panic_breaches(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.text.lines().collect();
    let is_proven = |line: usize| line >= 2 && lines[line - 2].trim_start().starts_with("//");
    let calls = source.calls.iter().filter(|call| ["unwrap", "expect"].contains(&call.method.as_str()));
    calls
        .filter(|call| !is_proven(call.line))
        .map(|call| format!("{}: {}() without a proof above it", source.place(call.line), call.method))
        .collect()
}

/// The names directly below `src` that `page` does not show.
fn missing_in_map<'a>(names: &'a [String], page: &str) -> Vec<&'a String> {
    let is_shown = |name: &String| {
        let path = format!("src/{name}");
        let mut ends = page.match_indices(&path).map(|(at, _)| &page[at + path.len()..]);
        ends.any(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
    };
    names.iter().filter(|name| !is_shown(name)).collect()
}

fn names_in_src() -> Vec<String> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn every_file_opens_with_what_it_owns() {
    let files = ["src", "tests"].into_iter().flat_map(files_below);
    assert_none(&files.filter_map(|(file, text)| opening_breach(&file, &text)).collect::<Vec<_>>());
}

#[test]
fn no_file_does_two_things() {
    let files = ["src", "tests"].into_iter().flat_map(files_below);
    assert_none(&files.filter_map(|(file, text)| length_breach(&file, &text)).collect::<Vec<_>>());
}

#[test]
fn nothing_panics_without_a_proof_that_it_does_not() {
    assert_none(&sources::all().iter().flat_map(panic_breaches).collect::<Vec<_>>());
}

#[test]
fn the_design_page_shows_every_module() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/design.md")).unwrap();
    let names = names_in_src();
    let missing = missing_in_map(&names, &page);
    assert!(missing.is_empty(), "docs/design.md does not show src/ and then: {missing:?}");
}

#[test]
fn a_file_that_does_not_say_what_it_owns_is_found() {
    for text in ["", "use std::fs;", "//!", "//! x", "\n//! Too late, if well meant.", "/// For something else."] {
        assert!(opening_breach("a.rs", text).is_some(), "{text:?}");
    }
    assert!(opening_breach("a.rs", "//! Owns the letter a.").is_none());
}

#[test]
fn a_file_that_is_too_long_is_found() {
    assert!(length_breach("a.rs", &"x\n".repeat(LONGEST + 1)).is_some());
    assert!(length_breach("a.rs", &"x\n".repeat(LONGEST)).is_none());
}

#[test]
fn an_unproven_unwrap_is_found() {
    for text in [
        "fn f() { a.unwrap(); }",
        "fn f() {\n    // why\n    a\n        .expect(\"b\");\n}",
        "fn f() { g!(a.unwrap()); }",
    ] {
        assert_eq!(panic_breaches(&Source::parse("a.rs", text)).len(), 1, "{text}");
    }
    let fine = "fn f() {\n    // It was set above.\n    a.unwrap();\n    a.unwrap_or(0);\n}\n#[cfg(test)]\nmod tests { fn g() { a.unwrap(); } }";
    assert_none(&panic_breaches(&Source::parse("a.rs", fine)));
}

#[test]
fn a_module_that_the_map_leaves_out_is_found() {
    let names = ["cli.rs".to_owned(), "config".to_owned(), "rules".to_owned()];
    assert_eq!(missing_in_map(&names, "src/cli.rs  a\nsrc/config_old/ b\nsrc/rules/"), ["config"]);
}
