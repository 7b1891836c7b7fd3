//! Words that make sentences hard to read for an operator or an engineer who is new here: few of them are left.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::sources::files_below;

/// Words and phrases, as they are found in sentences and, in parts, in identifiers.
const DIALECT: &[&str] = &[
    "tell",
    "tells",
    "told",
    "telling",
    "mend",
    "mends",
    "mended",
    "glance",
    "a look",
    "look whether",
    "looks whether",
    "fault",
    "faults",
    "whoever",
    "meanwhile",
    "beforehand",
    "beside",
    "so many",
    "of ours",
    "as good as",
    "gives back",
    "goes",
    "stays",
    "stands",
    "came",
    "go on",
    "left out",
    "leaves out",
    "do without",
    "does without",
    "what of",
];

/// The most that the program's sources may hold, and the documents.
const IN_SOURCES: usize = 40;
const IN_DOCUMENTS: usize = 15;

/// `text` as lower-case words with single spaces around them; identifiers fall into their parts.
fn words(text: &str) -> String {
    let mut words = String::from(" ");
    let mut before = ' ';
    for character in text.chars() {
        let begins = character.is_uppercase() && before.is_lowercase();
        if (begins || !character.is_alphabetic()) && !words.ends_with(' ') {
            words.push(' ');
        }
        if character.is_alphabetic() {
            words.extend(character.to_lowercase());
        }
        before = character;
    }
    words + " "
}

fn count(texts: impl Iterator<Item = String>) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for text in texts {
        let words = words(&text);
        for phrase in DIALECT {
            let found = words.matches(&format!(" {phrase} ")).count();
            if found > 0 {
                *counts.entry(*phrase).or_default() += found;
            }
        }
    }
    counts
}

#[track_caller]
fn assert_few(counts: &BTreeMap<&str, usize>, most: usize) {
    let total: usize = counts.values().sum();
    assert!(total <= most, "{total} of at most {most}: {counts:?}");
}

#[test]
fn the_sources_are_in_plain_english() {
    assert_few(&count(files_below("src").into_iter().map(|(_, text)| text)), IN_SOURCES);
}

#[test]
fn the_documents_are_in_plain_english() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documents = fs::read_dir(top.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let documents = documents.filter(|path| path.extension().is_some_and(|it| it == "md"));
    let pages = documents.chain([top.join("README.md"), top.join("CHANGELOG.md")]);
    assert_few(&count(pages.map(|page| fs::read_to_string(page).unwrap())), IN_DOCUMENTS);
}

#[test]
fn words_are_found_in_sentences_and_identifiers() {
    let counts = count(["fn is_told(aLook: Fault) {} // So\n// many, retold".to_owned()].into_iter());
    assert_eq!(counts, BTreeMap::from([("told", 1), ("a look", 1), ("fault", 1), ("so many", 1)]));
}
