//! The words that operators read: documents and help texts.

use scripting_system::cli::definition;

use super::assert_no_problem;

/// Words and phrases that this project does not use. In a table of documents they may occur as code.
const UNUSED: [&str; 18] = [
    "tell",
    "tells",
    "told",
    "mend",
    "mends",
    "mended",
    "glance",
    "whoever",
    "meanwhile",
    "beforehand",
    "beside",
    "as good as",
    "of ours",
    "so many",
    "gives back",
    "goes on",
    "worth a look",
    "fault",
];

/// The words in `text` that are in [`UNUSED`].
fn unused_in(text: &str) -> Vec<&'static str> {
    let words: Vec<String> = text
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let text = format!(" {} ", words.join(" "));
    UNUSED.into_iter().filter(|word| text.contains(&format!(" {word} "))).collect()
}

#[test]
fn documents_use_plain_words() {
    assert_no_problem(|document| {
        // It explains the word, and how to write such a test.
        let explains = document.path == "docs/design.md";
        let words = unused_in(&document.prose).into_iter().filter(|word| !(explains && *word == "fault"));
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
fn an_unused_word_is_found() {
    assert_eq!(unused_in("It Tells\nso\nmany."), ["tells", "so many"]);
    assert_eq!(unused_in("A default is a teller."), [""; 0]);
}
