//! Documents, help texts and sources use plain words.

use std::path::Path;
use std::{fs, iter};

use scripting_system::cli::definition;

use super::assert_no_problem;
use super::document::top;

/// Words and phrases that this project avoids.
#[rustfmt::skip]
const AVOIDED: [&str; 29] = [
    "tell", "tells", "told", "telling", "mend", "mends", "mended", "glance", "a look", "look whether", "looks whether",
    "fault", "faults", "whoever", "meanwhile", "beforehand", "beside", "as good as", "of ours", "so many", "gives back",
    "goes", "goes on", "stays", "stands", "came", "left out", "leaves out", "what of",
];

/// The maximum number in the program's sources. It must only decrease.
const MAX_IN_SOURCES: usize = 11;

/// `text` as lower-case words with single spaces around them; identifiers are split into their parts.
fn words(text: &str) -> String {
    let mut words = String::from(" ");
    let mut previous = ' ';
    for letter in text.chars() {
        let begins_word = letter.is_uppercase() && previous.is_lowercase();
        if (begins_word || !letter.is_alphanumeric()) && !words.ends_with(' ') {
            words.push(' ');
        }
        if letter.is_alphanumeric() {
            words.extend(letter.to_lowercase());
        }
        previous = letter;
    }
    words + " "
}

/// The occurrences of [`AVOIDED`] in `text`.
fn avoided_words(text: &str) -> Vec<&'static str> {
    let words = words(text);
    let times = |avoided: &str| words.matches(&format!(" {avoided} ")).count();
    AVOIDED.into_iter().flat_map(|avoided| iter::repeat_n(avoided, times(avoided))).collect()
}

#[test]
fn documents_use_plain_words() {
    assert_no_problem(|document| {
        // The design page defines the word, and describes fault tests.
        let defines_fault = document.path == "docs/design.md";
        let words =
            avoided_words(&document.prose).into_iter().filter(|word| !(defines_fault && word.starts_with("fault")));
        words.map(|word| format!("uses {word:?}")).collect()
    });
}

#[test]
fn help_texts_use_plain_words() {
    let mut program = definition();
    let mut texts = vec![program.render_long_help().to_string()];
    texts.extend(program.get_subcommands_mut().map(|command| command.render_long_help().to_string()));
    for text in texts {
        assert_eq!(avoided_words(&text), [""; 0], "{text}");
    }
}

#[test]
fn sources_use_plain_words() {
    let mut sources = Vec::new();
    collect_sources(&top().join("src"), &mut sources);
    let words: Vec<_> = sources.iter().flat_map(|source| avoided_words(source)).collect();
    assert!(words.len() <= MAX_IN_SOURCES, "{} of at most {MAX_IN_SOURCES}: {words:?}", words.len());
}

/// The texts of the Rust files below `folder`.
fn collect_sources(folder: &Path, sources: &mut Vec<String>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn an_avoided_word_is_detected() {
    assert_eq!(avoided_words("It Tells\nso\nmany is_told(aLook)."), ["tells", "told", "a look", "so many"]);
    assert_eq!(avoided_words("A default is a teller."), [""; 0]);
}
