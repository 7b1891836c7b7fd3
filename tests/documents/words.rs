//! The words that operators read: documents and help texts.

use std::path::Path;
use std::{fs, iter};

use scripting_system::cli::definition;

use super::assert_no_problem;
use super::document::top;

/// Words and phrases that this project does not use.
#[rustfmt::skip]
const UNUSED: [&str; 29] = [
    "tell", "tells", "told", "telling", "mend", "mends", "mended", "glance", "a look", "look whether", "looks whether",
    "fault", "faults", "whoever", "meanwhile", "beforehand", "beside", "as good as", "of ours", "so many", "gives back",
    "goes", "goes on", "stays", "stands", "came", "left out", "leaves out", "what of",
];

/// The most that all sources of the program may hold. It only ever becomes less.
const MOST_IN_SOURCES: usize = 718;

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

/// The words in `text` that are in [`UNUSED`], as often as each occurs.
fn unused_in(text: &str) -> Vec<&'static str> {
    let words = words(text);
    let times = |unused: &str| words.matches(&format!(" {unused} ")).count();
    UNUSED.into_iter().flat_map(|unused| iter::repeat_n(unused, times(unused))).collect()
}

#[test]
fn documents_use_plain_words() {
    assert_no_problem(|document| {
        // It explains the word, and how to write such a test.
        let explains = document.path == "docs/design.md";
        let words = unused_in(&document.prose).into_iter().filter(|word| !(explains && word.starts_with("fault")));
        words.map(|word| format!("uses {word:?}")).collect()
    });
}

#[test]
fn help_texts_use_plain_words() {
    let mut program = definition();
    let mut texts = vec![program.render_long_help().to_string()];
    texts.extend(program.get_subcommands_mut().map(|command| command.render_long_help().to_string()));
    for text in texts {
        assert_eq!(unused_in(&text), [""; 0], "{text}");
    }
}

#[test]
fn sources_use_plain_words() {
    let mut sources = Vec::new();
    collect_sources(&top().join("src"), &mut sources);
    let words: Vec<_> = sources.iter().flat_map(|source| unused_in(source)).collect();
    assert!(words.len() <= MOST_IN_SOURCES, "{} of at most {MOST_IN_SOURCES}: {words:?}", words.len());
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
fn an_unused_word_is_found() {
    assert_eq!(unused_in("It Tells\nso\nmany is_told(aLook)."), ["tells", "told", "a look", "so many"]);
    assert_eq!(unused_in("A default is a teller."), [""; 0]);
}
