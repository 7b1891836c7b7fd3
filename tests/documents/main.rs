//! Checks README.md, CHANGELOG.md and docs/*.md: links, paths, commands, configurations, outputs and words.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod commands;
mod configurations;
mod document;
mod links;
mod outputs;
mod words;

use document::Document;

/// Fails with every problem that `find` reports for a document, one per line.
#[track_caller]
fn assert_no_problem(find: impl Fn(&Document) -> Vec<String>) {
    let documents = document::all();
    let problems: Vec<String> = documents
        .iter()
        .flat_map(|document| find(document).into_iter().map(|problem| format!("{}: {problem}", document.path)))
        .collect();
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}
