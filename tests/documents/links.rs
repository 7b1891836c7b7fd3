//! Links, anchors and paths in the documents exist.

use std::fs;

use super::assert_no_problem;
use super::document::{Document, top};

/// The targets of the links and pictures in `prose`.
fn targets(prose: &str) -> impl Iterator<Item = &str> {
    prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

fn link_problem(document: &Document, target: &str) -> Option<String> {
    if target.starts_with("https://") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() { document.path.clone().into() } else { document.resolve(path) };
    if !top().join(&path).exists() {
        return Some(format!("links to {target}, which does not exist"));
    }
    let anchors = |text: String| Document::parse(&path.to_string_lossy(), &text).anchors();
    let exists =
        anchor.is_empty() || anchors(fs::read_to_string(top().join(&path)).unwrap()).contains(&anchor.to_owned());
    (!exists).then(|| format!("links to {target}, but that page has no such heading"))
}

/// The words in code that look like paths in this repository.
fn paths(document: &Document) -> Vec<&str> {
    let code = document.code_spans().chain(document.blocks.iter().map(|block| block.text.as_str()));
    let words = code.flat_map(str::split_whitespace).map(|word| word.strip_prefix("./").unwrap_or(word));
    words.filter(|word| ["src/", "tests/", "scripts/", "docs/"].iter().any(|top| word.starts_with(top))).collect()
}

#[test]
fn links_lead_to_existing_files_and_headings() {
    assert_no_problem(|document| {
        targets(&document.prose).filter_map(|target| link_problem(document, target)).collect()
    });
}

#[test]
fn paths_of_the_repository_exist() {
    assert_no_problem(|document| {
        let missing = paths(document).into_iter().filter(|path| !top().join(path).exists());
        missing.map(|path| format!("names {path}, which does not exist")).collect()
    });
}

#[test]
fn the_readme_is_short() {
    let lines = fs::read_to_string(top().join("README.md")).unwrap().lines().count();
    assert!(lines <= 150, "{lines} lines: move something to docs/");
}

#[test]
fn every_page_is_linked_from_the_readme() {
    let readme = Document::parse("README.md", &fs::read_to_string(top().join("README.md")).unwrap());
    let linked: Vec<_> = targets(&readme.prose).collect();
    assert_no_problem(|document| {
        let is_linked = document.path == "README.md" || linked.contains(&document.path.as_str());
        (!is_linked).then(|| "is not linked from README.md".to_owned()).into_iter().collect()
    });
}

#[test]
fn a_broken_link_is_detected() {
    let document =
        Document::parse("docs/a.md", "[a](../README.md) [b](b.md) [c](#a-heading) [d](#none)\n# A heading\n");
    let broken = targets(&document.prose).filter(|target| link_problem(&document, target).is_some());
    assert_eq!(document.path, "docs/a.md");
    assert_eq!(broken.collect::<Vec<_>>(), ["b.md", "#a-heading", "#none"], "docs/a.md itself does not exist");
}
