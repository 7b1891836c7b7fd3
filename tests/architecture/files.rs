//! The form of every file; docs/design.md lists every module.

use std::fs;
use std::path::Path;

use crate::assert_none;
use crate::sources::{self, Source, files_below};

const MAX_LINES: usize = 400;

fn opening_breach(file: &str, text: &str) -> Option<String> {
    let purpose = text.lines().next().and_then(|line| line.strip_prefix("//! "));
    let has_purpose = purpose.is_some_and(|purpose| purpose.len() > 10);
    (!has_purpose).then(|| format!("{file}: the first line does not state the file's purpose (//! …)"))
}

fn length_breach(file: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > MAX_LINES).then(|| format!("{file}: {lines} lines; split it by subject"))
}

/// Calls that may panic, without a comment on the line above that proves the opposite.
fn panic_breaches(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.text.lines().collect();
    let is_proven = |line: usize| line >= 2 && lines[line - 2].trim_start().starts_with("//");
    let calls = source.calls.iter().filter(|call| ["unwrap", "expect"].contains(&call.method.as_str()));
    calls
        .filter(|call| !is_proven(call.line))
        .map(|call| format!("{}: {}() without a proof on the line above", source.place(call.line), call.method))
        .collect()
}

/// The `names` directly below `src` that `page` does not list.
fn missing_in_page<'a>(names: &'a [String], page: &str) -> Vec<&'a String> {
    let is_listed = |name: &String| {
        let path = format!("src/{name}");
        let mut ends = page.match_indices(&path).map(|(at, _)| &page[at + path.len()..]);
        ends.any(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
    };
    names.iter().filter(|name| !is_listed(name)).collect()
}

fn names_in_src() -> Vec<String> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn every_file_begins_with_its_purpose() {
    let files = ["src", "tests"].into_iter().flat_map(files_below);
    assert_none(&files.filter_map(|(file, text)| opening_breach(&file, &text)).collect::<Vec<_>>());
}

#[test]
fn no_file_is_too_long() {
    let files = ["src", "tests"].into_iter().flat_map(files_below);
    assert_none(&files.filter_map(|(file, text)| length_breach(&file, &text)).collect::<Vec<_>>());
}

#[test]
fn every_call_that_may_panic_has_a_proof_that_it_does_not() {
    assert_none(&sources::all().iter().flat_map(panic_breaches).collect::<Vec<_>>());
}

#[test]
fn the_design_page_lists_every_module() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/design.md")).unwrap();
    let names = names_in_src();
    let missing = missing_in_page(&names, &page);
    assert!(missing.is_empty(), "docs/design.md does not list these names in src: {missing:?}");
}

#[test]
fn a_file_without_a_purpose_is_found() {
    for text in ["", "use std::fs;", "//!", "//! x", "\n//! Too late, if well meant.", "/// For something else."] {
        assert!(opening_breach("a.rs", text).is_some(), "{text:?}");
    }
    assert!(opening_breach("a.rs", "//! Owns the letter a.").is_none());
}

#[test]
fn a_file_that_is_too_long_is_found() {
    assert!(length_breach("a.rs", &"x\n".repeat(MAX_LINES + 1)).is_some());
    assert!(length_breach("a.rs", &"x\n".repeat(MAX_LINES)).is_none());
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
fn a_module_missing_in_the_page_is_found() {
    let names = ["cli.rs".to_owned(), "config".to_owned(), "rules".to_owned()];
    assert_eq!(missing_in_page(&names, "src/cli.rs  a\nsrc/config_old/ b\nsrc/rules/"), ["config"]);
}
